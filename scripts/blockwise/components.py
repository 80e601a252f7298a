"""Connected components of seeds and masks block by block, joined over faces, edges and corners."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scripts.blockwise.plan import Plan
from scripts.blockwise.result_files import load, packed, part_of, save, save_array, unpacked
from scripts.ops.box import Box
from scripts.ops.decoding.decoders import BCWatershed, BinaryWatershed, decoder
from scripts.ops.decoding.probability_watershed import maps_of_binary, maps_of_contour
from scripts.ops.labels.connected_components import connected_components, sizes_of
from scripts.ops.labels.joined_labels import joined_labels

KINDS = {"seeds": 26, "masks": 6}
"""What is labelled, and over how many neighbours."""


def seed_decoder(plan: Plan) -> BinaryWatershed | BCWatershed:
    """The decoder of a plan."""
    made = decoder(plan.decoder, plan.settings)
    assert isinstance(made, BinaryWatershed | BCWatershed)
    return made


def read_maps(plan: Plan, box: Box) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(seeds, mask, height) of a box: bool, bool, uint8."""
    made, prediction = seed_decoder(plan), plan.read(box)
    if isinstance(made, BCWatershed):
        return maps_of_contour(prediction, made.thresholds)
    return maps_of_binary(prediction, made.thresholds)


def components_file(folder: Path, number: int) -> Path:
    """Components of a block."""
    return folder / "components" / f"{number}.arrays"


def component_links_file(folder: Path, number: int) -> Path:
    """Pairs of labels of the volume that are one component."""
    return folder / "component_links" / f"{number}.arrays"


def find_components(folder: Path, number: int) -> None:
    """Label seeds and masks of a block and the voxels around it."""
    plan = Plan.load(folder)
    grid = plan.grid
    outer, inner = grid.around(number, 1)
    seeds, mask, _ = read_maps(plan, outer)
    found: dict[str, np.ndarray] = {}
    for (kind, neighbours), chosen in zip(KINDS.items(), (seeds, mask), strict=True):
        labels, count = connected_components(chosen, neighbours)
        core = np.ascontiguousarray(labels[inner.slices])
        edge = np.zeros(outer.shape, dtype=bool)  # the block's outermost voxels, and those around it
        edge[:] = True
        edge[tuple(slice(part.start + 1, part.stop - 1) for part in inner.slices)] = False
        flat = np.flatnonzero(edge & (labels > 0))
        shell = labels.reshape(-1)[flat].astype(np.int64)
        found |= {
            f"{kind}": packed(core.astype(np.uint32)),
            f"{kind}_voxels": sizes_of(core, count),
            f"{kind}_first": grid.linear(_first_voxels(labels), outer),
            f"{kind}_shell": grid.linear(flat, outer),
            f"{kind}_shell_labels": shell,
            f"{kind}_boxes": _boxes(core, count) + np.tile(grid.box(number).start, 2),
        }
    save(components_file(folder, number), **found)


def count_components(folder: Path) -> None:
    """Number the labels of all blocks one after the other, for each kind."""
    plan = Plan.load(folder)
    for kind in KINDS:
        counts = [load(components_file(folder, n), f"{kind}_first")[0].size for n in range(len(plan.grid))]
        save_array(folder / f"{kind}_offsets.npy", np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]))


def link_components(folder: Path, number: int) -> None:
    """Write which labels of a block are those of earlier blocks: they share a voxel around the block."""
    plan = Plan.load(folder)
    grid, box = plan.grid, plan.grid.box(number)
    found = {}
    for kind in KINDS:
        offsets = np.load(folder / f"{kind}_offsets.npy")
        shell, labels = load(components_file(folder, number), f"{kind}_shell", f"{kind}_shell_labels")
        outside = ~grid.inside(shell, box)
        shell, labels = shell[outside], labels[outside]
        owners = grid.owners(shell)
        links = [np.empty((2, 0), dtype=np.int64)]
        for other in np.unique(owners[owners < number]).tolist():
            theirs, their_labels = load(components_file(folder, other), f"{kind}_shell", f"{kind}_shell_labels")
            shared = owners == other
            at = np.searchsorted(theirs, shell[shared])
            pairs = [labels[shared] - 1 + offsets[number], their_labels[at] - 1 + offsets[other]]
            links.append(np.unique(np.stack(pairs), axis=1))
        found[kind] = np.concatenate(links, axis=1)
    save(component_links_file(folder, number), **found)


def number_components(folder: Path) -> None:
    """Number seeds and masks of the volume in the order of their first voxels; small seeds get 0.

    Writes seeds_of.npy and masks_of.npy, the number of every label, and pieces.arrays: the masks that several blocks
    share, each with its box, first voxel, and the block that it belongs to.
    """
    plan = Plan.load(folder)
    blocks = range(len(plan.grid))
    for kind in KINDS:
        links = (load(component_links_file(folder, n), kind)[0] for n in blocks)
        first = np.concatenate([load(components_file(folder, n), f"{kind}_first")[0] for n in blocks])
        numbers, count = joined_labels(links, first.copy())
        voxels = np.concatenate([load(components_file(folder, n), f"{kind}_voxels")[0][1:] for n in blocks])
        if kind == "seeds":
            total = np.zeros(count + 1, dtype=np.int64)
            np.add.at(total, numbers, voxels)
            kept = total >= max(1, seed_decoder(plan).small_seed)
            kept[0] = False
            numbers = np.where(kept, np.cumsum(kept), 0)[numbers].astype(np.uint32)
        else:
            boxes = np.concatenate([load(components_file(folder, n), "masks_boxes")[0] for n in blocks])
            numbers = _save_pieces(folder, plan, numbers, count, voxels > 0, boxes, first)
        save_array(folder / f"{kind}_of.npy", numbers)


def numbered(folder: Path, number: int, kind: str) -> np.ndarray:
    """(z, y, x) numbers of the seeds of a block; for masks 1 where the block has all of it, 2 where others share it."""
    plan = Plan.load(folder)
    offsets = np.load(folder / f"{kind}_offsets.npy", mmap_mode="r")
    mine = part_of(folder / f"{kind}_of.npy", int(offsets[number]), int(offsets[number + 1]))
    (data,) = load(components_file(folder, number), kind)
    labels = unpacked(data, plan.grid.box(number).shape, np.uint32)
    of_label: np.ndarray = np.concatenate([np.zeros(1, mine.dtype), mine])[labels]
    return of_label


def _save_pieces(
    folder: Path,
    plan: Plan,
    numbers: np.ndarray,
    count: int,
    present: np.ndarray,
    boxes: np.ndarray,
    first: np.ndarray,
) -> np.ndarray:
    blocks_of = np.bincount(numbers[present], minlength=count + 1)
    low = np.full((count + 1, 3), np.iinfo(np.int64).max)
    high = np.zeros((count + 1, 3), dtype=np.int64)
    root = np.full(count + 1, np.iinfo(np.int64).max)
    np.minimum.at(low, numbers[present], boxes[present, :3])
    np.maximum.at(high, numbers[present], boxes[present, 3:])
    np.minimum.at(root, numbers, first)
    shared = np.flatnonzero(blocks_of > 1)
    save(
        folder / "pieces.arrays",
        low=low[shared],
        high=high[shared],
        root=root[shared],
        owner=plan.grid.owners(root[shared]),
    )
    return np.where(blocks_of > 1, 2, 1)[numbers].astype(np.uint8)


def _first_voxels(labels: np.ndarray) -> np.ndarray:
    """Flat index of the first voxel of labels 1, 2, ..., which ascend in that order."""
    highest = np.maximum.accumulate(labels.reshape(-1))
    return np.flatnonzero(np.diff(highest, prepend=np.zeros(1, highest.dtype)))


def _boxes(labels: np.ndarray, count: int) -> np.ndarray:
    """(count, 6) start and stop of the voxels of labels 1, 2, ...; anything for labels without voxels."""
    from scipy.ndimage import find_objects

    found = np.zeros((count, 6), dtype=np.int64)
    parts: Sequence[tuple[slice, ...] | None] = find_objects(labels.astype(np.int32), max_label=count)
    for row, part in zip(found, parts, strict=True):
        if part is not None:
            row[:3], row[3:] = [side.start for side in part], [side.stop for side in part]
    return found
