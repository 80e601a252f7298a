"""Borders of basins, then of fragments: merged in each block as far as it can decide, the rest for the volume."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scripts.blockwise.affinities import affinity_decoder, number_type, read_affinities, size_rule
from scripts.blockwise.basins import BlockNumbers
from scripts.blockwise.plan import Plan
from scripts.blockwise.result_files import load, save, save_array
from scripts.ops.decoding.agglomeration import numbered_segments
from scripts.ops.decoding.agglomeration_queue import merge_by_score, segments_below
from scripts.ops.decoding.border_order import by_last_face, descending
from scripts.ops.decoding.decoders import MeanAgglomeration, QuantileAgglomeration
from scripts.ops.decoding.region_graph import (
    FLOAT_UNIT,
    Place,
    RegionGraph,
    border_values,
    largest_affinities,
    region_graph,
)
from scripts.ops.decoding.region_graph_sum import NOTHING, added, added_values
from scripts.ops.decoding.size_merging import contracted_by_size, segments_of_basins

COLUMNS = ("first", "second", "total", "faces", "last")
VALUES = ("first", "second", "bins", "starts")
NO_SUMS: dict[str, Any] = {"total": NOTHING, "faces": NOTHING, "last": NOTHING}
NO_VALUES = np.empty(0, dtype=np.uint8), np.zeros(1, dtype=np.int64)
FRAGMENTS = "fragments.npy"
"""Fragment of every basin, where fragments are agglomerated."""


def borders_file(folder: Path, number: int) -> Path:
    """Borders of basins that a block could not decide."""
    return folder / "borders" / f"{number}.arrays"


def graph_file(folder: Path, number: int) -> Path:
    """All borders of basins of a block, where fragments are agglomerated."""
    return folder / "graph" / f"{number}.arrays"


def fragment_borders_file(folder: Path, number: int) -> Path:
    """Borders of fragments that a block could not decide."""
    return folder / "fragment_borders" / f"{number}.arrays"


def segments_file(folder: Path, cut: int) -> Path:
    """The segment of every basin 0, 1, ... at one of the thresholds."""
    return folder / f"segments_{cut}.npy"


def agglomerates(plan: Plan) -> bool:
    """Whether the segments by size are only fragments."""
    return isinstance(affinity_decoder(plan), MeanAgglomeration | QuantileAgglomeration)


def find_borders(folder: Path, number: int) -> None:
    """Merge basins by size as far as a block can decide; keep the borders that it cannot, and all for agglomeration."""
    plan = Plan.load(folder)
    rule = size_rule(folder, plan)
    numbers = BlockNumbers.of(folder, plan.grid, number)
    known = numbers.known
    affinities = _upper_affinities(plan, number)  # first, as it takes buffers
    segments = numbers.volume(folder, plan.grid, number)
    place = _place(plan, number)
    if agglomerates(plan):
        graph = region_graph(segments, affinities, place)
        bins, starts = border_values(segments, affinities, graph, place) if _score(plan)[1] else NO_VALUES
        del affinities, segments
        _save_graph(graph_file(folder, number), graph, known, bins=bins, starts=starts)
        strong = graph.largest > rule.floor
        graph = replace(
            graph, first=graph.first[strong], second=graph.second[strong], largest=graph.largest[strong], **NO_SUMS
        )
        del bins, starts
    else:
        graph = largest_affinities(segments, affinities, rule.floor, place)
        del affinities, segments
    sizes = np.load(folder / "sizes.npy", mmap_mode="r")[known]
    merged, ends, largest = contracted_by_size(graph, sizes, rule, numbers.uncertain)
    save(
        borders_file(folder, number),
        borders=graph.pairs,
        first=known[ends[0]],
        second=known[ends[1]],
        largest=largest,
        merged=known[merged],
    )


def decide_basins(folder: Path) -> None:
    """Merge the basins of the volume by size: writes the fragment, or for zwatershed the segment, of every basin.

    Raises:
        ValueError: 2^32 basins or more.
    """
    plan = Plan.load(folder)
    sizes = np.load(folder / "sizes.npy")
    if sizes.size > 2**32:
        raise ValueError(f"{sizes.size - 1:,} basins; the merging numbers them in 32 bits. Raise low, or lower high")
    blocks = range(len(plan.grid))
    pairs, weights = descending(lambda: (_rows(folder, n) for n in blocks))
    merged = (load(borders_file(folder, n), "merged")[0] for n in blocks)
    segments = segments_of_basins(pairs, weights, sizes, size_rule(folder, plan), merged)
    del pairs, weights
    if agglomerates(plan):
        total = np.zeros(int(segments.max(initial=0)) + 1, dtype=np.int64)
        np.add.at(total, segments, np.load(folder / "sizes.npy"))
        save_array(folder / "fragment_sizes.npy", total)
        save_array(folder / FRAGMENTS, segments)
    else:
        save_array(segments_file(folder, 0), _numbers(segments, np.load(folder / "sizes.npy"), plan.smallest))


def find_fragment_borders(folder: Path, number: int) -> None:
    """Agglomerate the fragments of a block as far as it can decide; keep the borders that it cannot."""
    plan = Plan.load(folder)
    fragments = np.load(folder / FRAGMENTS, mmap_mode="r")
    numbers = BlockNumbers.of(folder, plan.grid, number, fragments)
    known = numbers.known
    of_basins, *values = _graph_of_fragments(graph_file(folder, number), fragments, known, _unit(plan))
    graph = by_last_face(added([of_basins], of_basins.pairs, _unit(plan)))
    cuts, quantile = _score(plan)
    bins, starts = NO_VALUES
    if quantile:
        bins, starts = added_values(graph, [(of_basins.first, of_basins.second, values[0], values[1])])
    del of_basins, values
    found = merge_by_score(graph, bins, starts, quantile, cuts[-1], known.size - 1, numbers.uncertain)
    _save_graph(
        fragment_borders_file(folder, number),
        found.left,
        known,
        borders=graph.pairs,
        kept=known[found.kept],
        gone=known[found.gone],
        score=found.score,
        bins=found.bins,
        starts=found.starts,
    )


def decide_fragments(folder: Path) -> None:
    """Agglomerate the fragments of the volume: writes the segment of every basin at every threshold."""
    plan = Plan.load(folder)
    files = [fragment_borders_file(folder, n) for n in range(len(plan.grid))]
    unit = _unit(plan)
    parts = (
        RegionGraph(unit=unit, largest=NOTHING, **dict(zip(COLUMNS, load(f, *COLUMNS), strict=True))) for f in files
    )
    graph = by_last_face(added(parts, sum(load(file, "first")[0].size for file in files), unit))
    cuts, quantile = _score(plan)
    bins, starts = NO_VALUES
    if quantile:
        bins, starts = added_values(graph, ((p, q, v, s) for p, q, v, s in (load(file, *VALUES) for file in files)))
    voxels = np.load(folder / "fragment_sizes.npy")
    count = voxels.size - 1
    graph = replace(graph, last=NOTHING)
    found = merge_by_score(graph, bins, starts, quantile, cuts[-1], count)
    del graph, bins, starts
    fragments = np.load(folder / FRAGMENTS)
    counted = np.load(folder / "sizes.npy")
    for cut, threshold in enumerate(cuts):
        merges = itertools.chain([(found.kept, found.gone, found.score)], (_merges(file) for file in files))
        lowest = segments_below(merges, threshold, count)
        segments = numbered_segments(lowest, voxels, affinity_decoder(plan).dust)
        save_array(segments_file(folder, cut), _numbers(segments[fragments], counted, plan.smallest))


def _merges(file: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    kept, gone, score = load(file, "kept", "gone", "score")
    return kept, gone, score


def _rows(folder: Path, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    first, second, largest = load(borders_file(folder, number), "first", "second", "largest")
    return first, second, largest


def _score(plan: Plan) -> tuple[tuple[float, ...], float]:
    """Thresholds, ascending, and the quantile of the score in percent, 0 for the mean."""
    made = affinity_decoder(plan)
    assert isinstance(made, MeanAgglomeration | QuantileAgglomeration)
    quantile = made.percent if isinstance(made, QuantileAgglomeration) else 0.0
    return plan.thresholds or (made.threshold,), quantile


def _unit(plan: Plan) -> int:
    """In what parts of 1 affinities are summed."""
    return 255 if number_type(plan) == np.uint8 else FLOAT_UNIT


def _upper_affinities(plan: Plan, number: int) -> np.ndarray:
    """Affinities of a block, and 0 for the voxel before it, whose faces belong to other blocks."""
    outer, inner = plan.grid.around(number, 1, 0)
    affinities = np.zeros((3, *outer.shape), dtype=number_type(plan))
    affinities[(slice(None), *inner.slices)] = read_affinities(plan, plan.grid.box(number))
    return affinities


def _place(plan: Plan, number: int) -> Place:
    outer, inner = plan.grid.around(number, 1, 0)
    return Place(inner.start, outer.start, plan.grid.shape)


def _save_graph(file: Path, graph: RegionGraph, known: np.ndarray, **more: Any) -> None:
    """Write borders, with the numbers that their segments have in the volume."""
    columns = {"total": graph.total, "faces": graph.faces, "last": graph.last}
    save(file, first=known[graph.first], second=known[graph.second], **columns, **more)


def _graph_of_fragments(
    file: Path, fragments: np.ndarray, known: np.ndarray, unit: int
) -> tuple[RegionGraph, np.ndarray, np.ndarray]:
    """The borders of basins that are borders of fragments, these by their places in `known`; the bins of their faces,
    and the starts of the bins of each. A pair may come several times."""
    first, second, total, faces, last, bins, starts = load(file, *COLUMNS, "bins", "starts")
    ends = np.sort(np.stack([fragments[first], fragments[second]]), axis=0)
    apart = ends[0] != ends[1]
    first, second = np.searchsorted(known, ends[:, apart]).astype(np.uint32)
    if bins.size:
        bins = bins[np.repeat(apart, faces)]
        starts = np.concatenate([starts[:1], np.cumsum(faces[apart])])
    return RegionGraph(first, second, NOTHING, total[apart], faces[apart], last[apart], unit), bins, starts


def _numbers(segments: np.ndarray, voxels: np.ndarray, smallest: int) -> np.ndarray:
    """Without segments of fewer than `smallest` voxels, in the smallest dtype that holds them."""
    total = np.zeros(int(segments.max(initial=0)) + 1, dtype=np.int64)
    np.add.at(total, segments, voxels)
    kept = total >= smallest
    kept[0] = False
    numbers = np.where(kept, np.cumsum(kept), 0)
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=1))))[segments]
