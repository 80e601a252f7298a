"""Fill the holes of objects in the finished store: a hole is found across blocks, and filled in each."""

from pathlib import Path

import numpy as np
import zarr

from scripts.blockwise.grid import DIRECTIONS
from scripts.blockwise.plan import Plan
from scripts.blockwise.result_files import load, packed, save, save_array, unpacked
from scripts.blockwise.write import STORE, dataset_names
from scripts.ops.labels.connected_components import connected_components
from scripts.ops.labels.joined_labels import joined_members
from scripts.ops.labels.label_cleanup import surrounding_objects

HOLES = "holes.done"
"""Marks that the holes of the volume are known."""


def pieces_file(folder: Path, number: int) -> Path:
    """Pieces of background of a block."""
    return folder / "background" / f"{number}.arrays"


def piece_links_file(folder: Path, number: int) -> Path:
    """Pairs of pieces of the volume that are one."""
    return folder / "background_links" / f"{number}.arrays"


def filled_file(folder: Path, number: int) -> Path:
    """Marks that the holes of a block are filled."""
    return folder / "filled" / f"{number}.npy"


def find_background(folder: Path, number: int) -> None:
    """Label the pieces of background of a block, with the objects around them."""
    plan = Plan.load(folder)
    outer, inner = plan.grid.around(number, 1)
    found: dict[str, np.ndarray] = {}
    for name in dataset_names(plan):
        labels = np.asarray(zarr.open_array(folder / STORE / name, mode="r")[outer.slices])
        core, count = connected_components(labels[inner.slices] == 0, 6)
        pieces = np.zeros(outer.shape, dtype=core.dtype)
        pieces[inner.slices] = core
        owner, open_ = surrounding_objects(pieces, labels, count)
        for d in DIRECTIONS:
            if plan.grid.neighbour(number, d) is None:
                open_[np.unique(core[_face(d)])] = True
            else:
                found[f"{name}:face{d}"] = core[_face(d)].astype(np.uint32)
        found |= {name: packed(core.astype(np.uint32)), f"{name}:owner": owner[1:], f"{name}:open": open_[1:]}
    save(pieces_file(folder, number), **found)


def count_pieces(folder: Path) -> None:
    """Number the pieces of all blocks one after the other, for each dataset: (datasets, blocks + 1)."""
    plan = Plan.load(folder)
    counts = [
        [load(pieces_file(folder, n), f"{name}:open")[0].size for n in range(len(plan.grid))]
        for name in dataset_names(plan)
    ]
    save_array(folder / "background.npy", np.pad(np.cumsum(counts, axis=1), ((0, 0), (1, 0))))


def link_pieces(folder: Path, number: int) -> None:
    """Write which pieces of a block and of the blocks before it touch."""
    plan = Plan.load(folder)
    found = {}
    for name, offsets in zip(dataset_names(plan), np.load(folder / "background.npy"), strict=True):
        links = [np.empty((2, 0), dtype=np.int64)]
        for d in DIRECTIONS[:3]:
            other = plan.grid.neighbour(number, d)
            if other is None:
                continue
            (here,) = load(pieces_file(folder, number), f"{name}:face{d}")
            (there,) = load(pieces_file(folder, other), f"{name}:face{5 - d}")
            both = (here > 0) & (there > 0)
            pairs = [here[both] - 1 + offsets[number], there[both] - 1 + offsets[other]]
            links.append(np.unique(np.stack(pairs).astype(np.int64), axis=1))
        found[name] = np.concatenate(links, axis=1)
    save(piece_links_file(folder, number), **found)


def find_holes(folder: Path) -> None:
    """Write which object every piece of background is filled with: fill_NAME.npy, 0 for none."""
    plan = Plan.load(folder)
    blocks = range(len(plan.grid))
    for name in dataset_names(plan):
        owner = np.concatenate([load(pieces_file(folder, n), f"{name}:owner")[0] for n in blocks])
        open_ = np.concatenate([load(pieces_file(folder, n), f"{name}:open")[0] for n in blocks])
        root = joined_members(owner.size, (load(piece_links_file(folder, n), name)[0] for n in blocks))
        owner_of = owner.copy()
        np.maximum.at(owner_of, root, owner)  # of two objects the larger id, with which the other is compared
        open_of = open_.copy()
        np.logical_or.at(open_of, root, open_ | ((owner > 0) & (owner != owner_of[root])))
        save_array(folder / f"fill_{name}.npy", np.where(open_of[root], 0, owner_of[root]).astype(owner.dtype))
    (folder / HOLES).touch()


def fill_block(folder: Path, number: int) -> None:
    """Fill the holes of a block in the store; doing it again changes nothing."""
    plan = Plan.load(folder)
    box = plan.grid.box(number)
    for name, offsets in zip(dataset_names(plan), np.load(folder / "background.npy"), strict=True):
        owner = np.load(folder / f"fill_{name}.npy", mmap_mode="r")[offsets[number] : offsets[number + 1]]
        if owner.any():
            pieces = unpacked(load(pieces_file(folder, number), name)[0], box.shape, np.uint32)
            array = zarr.open_array(folder / STORE / name, mode="r+")
            filled = np.concatenate([np.zeros(1, owner.dtype), owner])[pieces]
            array[box.slices] = np.where(filled > 0, filled, array[box.slices])
    save_array(filled_file(folder, number), np.array([box.voxels]))


def _face(direction: int) -> tuple[slice | int, ...]:
    axis = min(direction, 5 - direction)
    return tuple((0 if direction < 3 else -1) if a == axis else slice(None) for a in range(3))
