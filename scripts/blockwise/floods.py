"""Flood masks from their seeds: those of one block in it, those that several share each in its own bounding box."""

from pathlib import Path

import numpy as np
import zarr

from scripts.blockwise.components import numbered, read_maps, seed_decoder
from scripts.blockwise.instances import create_instances
from scripts.blockwise.memory import SHARE, free_gib
from scripts.blockwise.plan import Plan
from scripts.blockwise.result_files import load, packed, save, save_array, unpacked
from scripts.blockwise.write import STORE, written_file
from scripts.ops.box import Box
from scripts.ops.decoding.seeded_watershed import flood
from scripts.ops.labels.connected_components import connected_components

SEEDS = "seeds"
BYTES_A_VOXEL = 24
"""Of a bounding box: maps, their components, seeds and the queue."""


def floods_file(folder: Path, number: int) -> Path:
    """Flooded masks of a block."""
    return folder / "floods" / f"{number}.arrays"


def seeds_file(folder: Path, number: int) -> Path:
    """Marks that the seeds of a block are written."""
    return folder / "seeds_written" / f"{number}.npy"


def create_seeds(folder: Path) -> None:
    """An empty store for the numbered seeds of the volume."""
    plan = Plan.load(folder)
    create_instances(folder / SEEDS, {"seeds": np.dtype(np.uint32)}, plan.grid.shape, plan.chunk, {})


def write_seeds(folder: Path, number: int) -> None:
    """Write the numbered seeds of a block."""
    grid = Plan.load(folder).grid
    array = zarr.open_array(folder / SEEDS / "seeds", mode="r+")
    array[grid.box(number).slices] = numbered(folder, number, "seeds")
    save_array(seeds_file(folder, number), np.array([1]))


def flood_masks(folder: Path, number: int) -> None:
    """Flood the masks that a block has all of, and those that several share and whose first voxel is in it.

    Raises:
        ValueError: a mask whose bounding box does not fit in memory.
    """
    plan = Plan.load(folder)
    box = plan.grid.box(number)
    _, _, height = read_maps(plan, box)
    inside = numbered(folder, number, "seeds").astype(np.uint32)
    flood(height, inside, np.ascontiguousarray(numbered(folder, number, "masks") == 1).view(np.uint8))
    found = [_counted(inside)]
    pieces = {}
    low, high, root, owner = load(folder / "pieces.arrays", "low", "high", "root", "owner")
    for piece in np.flatnonzero(owner == number).tolist():
        part = Box(tuple(low[piece].tolist()), tuple(high[piece].tolist()))
        flooded = _flood_piece(folder, plan, part, int(root[piece]))
        found.append(_counted(flooded))
        pieces[f"piece{piece}"] = packed(flooded)
    ids, voxels = (np.concatenate(column) for column in zip(*found, strict=True))
    save(floods_file(folder, number), inside=packed(inside), ids=ids, voxels=voxels, **pieces)


def number_objects(folder: Path) -> None:
    """Write objects.npy: the final number of every seed, 0 for objects that are too small."""
    plan = Plan.load(folder)
    parts = [load(floods_file(folder, n), "ids", "voxels") for n in range(len(plan.grid))]
    ids, voxels = (np.concatenate(column) for column in zip(*parts, strict=True))
    total = np.zeros(int(ids.max(initial=0)) + 1, dtype=np.int64)
    np.add.at(total, ids, voxels)
    kept = total >= max(1, seed_decoder(plan).small, plan.smallest)
    kept[0] = False
    numbers = np.where(kept, np.cumsum(kept), 0)
    save_array(folder / "objects.npy", numbers.astype(np.min_scalar_type(int(numbers.max(initial=1)))))


def write_objects(folder: Path, number: int) -> None:
    """Write the objects of a block."""
    plan = Plan.load(folder)
    box = plan.grid.box(number)
    numbers = np.load(folder / "objects.npy")
    (data,) = load(floods_file(folder, number), "inside")
    labels = unpacked(data, box.shape, np.uint32)
    low, high, owner = load(folder / "pieces.arrays", "low", "high", "owner")
    near = (low < np.array(box.stop)).all(axis=1) & (high > np.array(box.start)).all(axis=1)
    for piece in np.flatnonzero(near).tolist():
        part = Box(tuple(low[piece].tolist()), tuple(high[piece].tolist()))
        (data,) = load(floods_file(folder, int(owner[piece])), f"piece{piece}")
        shared = part.overlap(box)
        assert shared is not None
        flooded = unpacked(data, part.shape, np.uint32)[shared.within(part).slices]
        view = labels[shared.within(box).slices]
        view[flooded > 0] = flooded[flooded > 0]
    zarr.open_array(folder / STORE / "labels", mode="r+")[box.slices] = numbers[labels]
    save_array(written_file(folder, number), np.array([box.voxels]))


def _flood_piece(folder: Path, plan: Plan, part: Box, root: int) -> np.ndarray:
    need, free = part.voxels * BYTES_A_VOXEL / 2**30, free_gib()
    if need > SHARE * free:
        raise ValueError(
            f"the mask in voxels {part} is one component that needs {need:.1f} GiB, {free:.1f} are free; raise the "
            "mask threshold, or decode a --box"
        )
    _, mask, height = read_maps(plan, part)
    components, _ = connected_components(mask, 6)
    at = [int(i) - low for i, low in zip(np.unravel_index(root, plan.grid.shape), part.start, strict=True)]
    own = components == components[tuple(at)]
    seeds = np.ascontiguousarray(zarr.open_array(folder / SEEDS / "seeds", mode="r")[part.slices], dtype=np.uint32)
    flood(height, seeds, own.view(np.uint8))
    return seeds


def _counted(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ids, voxels = np.unique(labels[labels > 0], return_counts=True)
    return ids.astype(np.int64), voxels
