"""Decode block by block; the instances are those of decoding the whole volume in memory."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from scripts.blockwise.affinities import count_values, count_values_within, find_thresholds, values_file, within_file
from scripts.blockwise.basins import basins_file, count_labels, find_basins, link_basins, links_file, number_basins
from scripts.blockwise.borders import (
    FRAGMENTS,
    agglomerates,
    borders_file,
    decide_basins,
    decide_fragments,
    find_borders,
    find_fragment_borders,
    fragment_borders_file,
    segments_file,
)
from scripts.blockwise.components import (
    component_links_file,
    components_file,
    count_components,
    find_components,
    link_components,
    number_components,
)
from scripts.blockwise.edits import EDITED, EDITS, edit_block, edit_volume, edited_file, extents_file, find_extents
from scripts.blockwise.floods import (
    SEEDS,
    create_seeds,
    flood_masks,
    floods_file,
    number_objects,
    seeds_file,
    write_objects,
    write_seeds,
)
from scripts.blockwise.grid import DIRECTIONS
from scripts.blockwise.holes import (
    HOLES,
    count_pieces,
    fill_block,
    filled_file,
    find_background,
    find_holes,
    link_pieces,
    piece_links_file,
    pieces_file,
)
from scripts.blockwise.instances import create_instances
from scripts.blockwise.plan import Plan
from scripts.blockwise.plateaus import has_open_plateaus, relax_plateaus
from scripts.blockwise.result_files import load
from scripts.blockwise.workers import Progress, Task, Workers
from scripts.blockwise.write import STORE, dataset_names, write_block, written_file


def decode_blocks(folder: Path, workers: Workers) -> dict[str, int]:
    """Run the plan of a folder as far as it is not done; the instances are in its store.

    Returns:
        How many instances each dataset has.

    Raises:
        BlockError: a block that cannot be done.
    """
    plan = Plan.load(folder)
    run = _Run(folder, plan, workers)
    decode = _decode_masks if plan.decoder in ("binary", "bc") else _decode_affinities
    counts = decode(folder, plan, run)
    if plan.holes:
        run.blocks("background", find_background, pieces_file)
        run.once(folder / "background.npy", count_pieces)
        run.blocks("links", link_pieces, piece_links_file)
        run.once(folder / HOLES, find_holes)
        run.blocks("holes", fill_block, filled_file)
    if plan.edits:
        run.blocks("extents", find_extents, extents_file)
        run.once(folder / EDITS, edit_volume)
        run.blocks("edits", edit_block, edited_file)
        counts = {"labels": int(load(folder / EDITS, "table")[0].max())}
    return counts


def finished_store(folder: Path) -> Path:
    """The Zarr group of a run that is done."""
    return folder / (EDITED if Plan.load(folder).edits else STORE)


def _decode_masks(folder: Path, plan: Plan, run: "_Run") -> dict[str, int]:
    run.blocks("components", find_components, components_file)
    run.once(folder / "masks_offsets.npy", count_components)
    run.blocks("links", link_components, component_links_file)
    run.once(folder / "masks_of.npy", number_components)
    run.once(folder / SEEDS / "zarr.json", create_seeds)
    run.blocks("seeds", write_seeds, seeds_file)
    run.blocks("floods", flood_masks, floods_file)
    run.once(folder / "objects.npy", number_objects)
    numbers = np.load(folder / "objects.npy")
    create_instances(folder / STORE, {"labels": numbers.dtype}, plan.grid.shape, plan.chunk, plan.attributes)
    run.blocks("instances", write_objects, written_file)
    return {"labels": int(numbers.max(initial=0))}


def _decode_affinities(folder: Path, plan: Plan, run: "_Run") -> dict[str, int]:
    if plan.decoder == "zwatershed-percentile":
        run.blocks("values", count_values, values_file)
        run.blocks("ranks", count_values_within, within_file)
        run.once(folder / "thresholds.json", find_thresholds)
    run.blocks("basins", find_basins, basins_file)
    run.once(folder / "offsets.npy", count_labels)
    run.once(folder / "plateaus.done", run.relax)
    run.blocks("links", link_basins, links_file)
    run.once(folder / "basin_of.npy", number_basins)
    run.blocks("borders", find_borders, borders_file)
    names = dataset_names(plan)
    last = segments_file(folder, len(names) - 1)
    if agglomerates(plan):
        run.once(folder / FRAGMENTS, decide_basins)
        run.blocks("fragments", find_fragment_borders, fragment_borders_file)
        run.once(last, decide_fragments)
    else:
        run.once(last, decide_basins)
    tables = [np.load(segments_file(folder, cut), mmap_mode="r") for cut in range(len(names))]
    dtypes = {name: table.dtype for name, table in zip(names, tables, strict=True)}
    create_instances(folder / STORE, dtypes, plan.grid.shape, plan.chunk, plan.attributes)
    run.blocks("instances", write_block, written_file)
    return {name: int(table.max(initial=0)) for name, table in zip(names, tables, strict=True)}


class _Run:
    """The steps of a run, each skipped where its result is there."""

    def __init__(self, folder: Path, plan: Plan, workers: Workers) -> None:
        self.folder, self.plan, self.workers = folder, plan, workers

    def blocks(self, title: str, task: Task, file: Callable[[Path, int], Path]) -> None:
        """Run a task for every block that has no result."""
        waiting = [n for n in range(len(self.plan.grid)) if not file(self.folder, n).exists()]
        progress = Progress(title, self.plan, len(waiting))
        for number, _ in self.workers.run(task, self.folder, waiting):
            progress.add(number)

    def once(self, result: Path, step: Callable[[Path], None]) -> None:
        """Run a step of the whole volume where its last result is lacking."""
        if not result.exists():
            step(self.folder)

    def relax(self, folder: Path) -> None:
        """Relax the distances of open plateaus until no block changes at its faces."""
        grid = self.plan.grid
        active = {n for n in range(len(grid)) if has_open_plateaus(folder, n)}
        waiting = set(active)
        while waiting:
            changed = [n for n, more in self.workers.run(relax_plateaus, folder, sorted(waiting)) if more]
            around = {grid.neighbour(n, d) for n in changed for d in DIRECTIONS}
            waiting = {n for n in around if n is not None} & active
        (folder / "plateaus.done").touch()
