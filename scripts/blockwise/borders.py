"""Borders of basins, then of fragments: merged in each block as far as it can decide, the rest for the volume."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np

from scripts.blockwise.affinities import affinity_decoder, number_type, read_affinities, size_rule
from scripts.blockwise.basins import basins_file, basins_of_labels
from scripts.blockwise.grid import DIRECTIONS
from scripts.blockwise.plan import Plan
from scripts.blockwise.result_files import load, save, save_array, unpacked
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
from scripts.ops.labels.connected_components import renumber

COLUMNS = ("first", "second", "total", "faces", "last")
VALUES = ("first", "second", "bins", "starts")
NO_VALUES = np.empty(0, dtype=np.uint8), np.zeros(1, dtype=np.int64)
FRAGMENTS = "fragments.npy"
"""Fragment of every basin, where fragments are agglomerated."""


def borders_file(folder: Path, number: int) -> Path:
    """Borders of basins that a block could not decide."""
    return folder / "borders" / f"{number}.arrays"


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
    """Merge basins by size as far as a block can decide; keep the borders that it cannot."""
    plan = Plan.load(folder)
    rule = size_rule(folder, plan)
    known, segments, uncertain = _numbered(folder, plan, number, None)
    affinities = read_affinities(plan, plan.grid.around(number, 1, 0)[0])
    graph = largest_affinities(segments, affinities, rule.floor, _place(plan, number))
    del affinities, segments
    sizes = np.load(folder / "sizes.npy", mmap_mode="r")[known]
    merged, ends, largest = contracted_by_size(graph, sizes, rule, uncertain)
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
    known, segments, uncertain = _numbered(folder, plan, number, fragments)
    affinities = read_affinities(plan, plan.grid.around(number, 1, 0)[0])
    place = _place(plan, number)
    graph = by_last_face(region_graph(segments, affinities, place))
    cuts, quantile = _score(plan)
    values = border_values(segments, affinities, graph, place) if quantile else NO_VALUES
    del affinities, segments
    found = merge_by_score(graph, values[0], values[1], quantile, cuts[-1], known.size - 1, uncertain)
    save(
        fragment_borders_file(folder, number),
        borders=graph.pairs,
        first=known[found.left.first],
        second=known[found.left.second],
        total=found.left.total,
        faces=found.left.faces,
        last=found.left.last,
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
    unit = 255 if number_type(plan) == np.uint8 else FLOAT_UNIT
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


def _place(plan: Plan, number: int) -> Place:
    outer, inner = plan.grid.around(number, 1, 0)
    return Place(inner.start, outer.start, plan.grid.shape)


def _numbered(
    folder: Path, plan: Plan, number: int, numbers: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Basins, or numbers of them, of a block and of the faces of the blocks before it, renumbered without gaps.

    Returns:
        The numbers in ascending order, 0 first; (z, y, x) their places in that order, 0 for background and where no
        block is; and for each whether it also has borders in other blocks.
    """
    grid = plan.grid
    box = grid.box(number)
    outer, inner = grid.around(number, 1, 0)

    def of_labels(block: int) -> np.ndarray:
        basins = basins_of_labels(folder, block)
        return basins if numbers is None else np.asarray(numbers[basins])

    mine = of_labels(number)
    across, open_ = {}, [np.zeros(1, mine.dtype)]
    for d in DIRECTIONS:
        other = grid.neighbour(number, d)
        if other is None:
            continue
        open_.append(np.unique(mine[load(basins_file(folder, number), f"face{d}")[0]]))
        if d < 3:
            across[d] = of_labels(other)[load(basins_file(folder, other), f"face{5 - d}")[0]]
            open_.append(np.unique(across[d]))
    known = np.unique(np.concatenate([mine, *open_]))
    segments = np.zeros(outer.shape, dtype=np.uint32)
    (data,) = load(basins_file(folder, number), "labels")
    labels = unpacked(data, box.shape, np.uint32)
    renumber(labels, np.searchsorted(known, mine))
    segments[inner.slices] = labels
    del labels, data
    for d, face in across.items():
        segments[tuple(0 if axis == d else part for axis, part in enumerate(inner.slices))] = np.searchsorted(
            known, face
        )
    uncertain = np.zeros(known.size, dtype=bool)
    uncertain[np.searchsorted(known, np.concatenate(open_))] = True
    return known, segments, uncertain


def _numbers(segments: np.ndarray, voxels: np.ndarray, smallest: int) -> np.ndarray:
    """Without segments of fewer than `smallest` voxels, in the smallest dtype that holds them."""
    total = np.zeros(int(segments.max(initial=0)) + 1, dtype=np.int64)
    np.add.at(total, segments, voxels)
    kept = total >= smallest
    kept[0] = False
    numbers = np.where(kept, np.cumsum(kept), 0)
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=1))))[segments]
