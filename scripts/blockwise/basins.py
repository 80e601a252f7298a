"""Watershed basins block by block: what each block decides alone, and the links between what it does not."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scripts.blockwise.affinities import read_affinities, thresholds_of
from scripts.blockwise.grid import DIRECTIONS, BlockGrid, axis_of
from scripts.blockwise.plan import Plan
from scripts.blockwise.plateaus import distances_of, table_of
from scripts.blockwise.result_files import load, packed, part_of, save, save_array, unpacked
from scripts.ops.box import Box
from scripts.ops.decoding.block_basins import basins_of_block
from scripts.ops.decoding.probability_checks import levels
from scripts.ops.labels.connected_components import renumber, sizes_of
from scripts.ops.labels.joined_labels import joined_labels

NO_ROOT = np.iinfo(np.int64).max


def basins_file(folder: Path, number: int) -> Path:
    """Labels of a block, its faces and its open plateaus."""
    return folder / "basins" / f"{number}.arrays"


def links_file(folder: Path, number: int) -> Path:
    """Pairs of labels of the volume that are one basin."""
    return folder / "links" / f"{number}.arrays"


def find_basins(folder: Path, number: int) -> None:
    """Label a block by the ends of its paths."""
    plan = Plan.load(folder)
    grid, box = plan.grid, plan.grid.box(number)
    outer, inner = grid.around(number, 2)
    affinities = read_affinities(plan, outer)
    at = thresholds_of(folder, plan)
    (low, _), (_, high) = levels(affinities.dtype, at.low), levels(affinities.dtype, at.high)
    found = basins_of_block(affinities, low, high, inner.slices)
    del affinities
    ends = grid.linear(found.ends, outer)
    plateau = grid.linear(found.plateau, outer)
    plateau_labels = found.labels.reshape(-1)[_within(plateau, grid, box)]
    faces = {f"face{d}": found.labels[_face(d)] for d in DIRECTIONS if grid.neighbour(number, d) is not None}
    saturated = {f"saturated{axis}": face for axis, face in enumerate(found.saturated)}
    save(
        basins_file(folder, number),
        labels=packed(found.labels),
        ends=ends,
        inside=grid.inside(ends, box),
        voxels=sizes_of(found.labels, ends.size),
        plateau=plateau,
        edges=found.edges,
        exits=found.exits,
        plateau_labels=plateau_labels,
        **faces,
        **saturated,
    )


def count_labels(folder: Path) -> None:
    """Number the labels of all blocks one after the other: offsets.npy, one more than there are blocks."""
    plan = Plan.load(folder)
    counts = [load(basins_file(folder, n), "ends")[0].size for n in range(len(plan.grid))]
    save_array(folder / "offsets.npy", np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]))


def link_basins(folder: Path, number: int) -> None:
    """Write which labels of a block are the same basin as others, in numbers of the volume from 0, and its roots."""
    plan = Plan.load(folder)
    grid = plan.grid
    offsets = np.load(folder / "offsets.npy")
    ends, inside, plateau_labels = load(basins_file(folder, number), "ends", "inside", "plateau_labels")
    mine = offsets[number]
    roots = np.where(inside, ends, NO_ROOT)
    links = []
    away = np.flatnonzero(~inside)
    for d in DIRECTIONS:
        other = grid.neighbour(number, d)
        if other is None:
            continue
        (face,) = load(basins_file(folder, other), f"face{5 - d}")
        across = away[grid.inside(ends[away], grid.box(other))]
        there = face[grid.on_face(ends[across], grid.box(other), axis_of(d))]
        links.append(np.stack([across + mine, there.astype(np.int64) - 1 + offsets[other]]))
        if d < 3:
            here, saturated = load(basins_file(folder, number), f"face{d}", f"saturated{d}")
            pairs = _ascending(here[saturated].astype(np.uint64) << np.uint64(32) | face[saturated])
            ends_of = np.stack([pairs >> np.uint64(32), pairs & np.uint64(2**32 - 1)]).astype(np.int64)
            links.append(ends_of - 1 + np.array([[mine], [offsets[other]]]))
    if plateau_labels.size:
        table = table_of(folder, grid, number, offsets)
        pairs, rooted = table.links(distances_of(folder, grid, number, table))
        links.append(pairs)
        roots[table.labels[: plateau_labels.size][~rooted] - mine] = NO_ROOT
    save(links_file(folder, number), links=np.concatenate([np.empty((2, 0), np.int64), *links], axis=1), roots=roots)


def number_basins(folder: Path) -> None:
    """Number the basins of the volume 1, 2, ... by their roots, and count their voxels.

    Writes basin_of.npy, the basin of every label, and sizes.npy, the voxels of basins 0, 1, ...
    """
    plan = Plan.load(folder)
    blocks = range(len(plan.grid))
    roots = np.concatenate([load(links_file(folder, n), "roots")[0] for n in blocks])
    basin_of, count = joined_labels((load(links_file(folder, n), "links")[0] for n in blocks), roots)
    del roots
    sizes = np.zeros(count + 1, dtype=np.int64)
    offsets = np.load(folder / "offsets.npy")
    for n in blocks:
        (voxels,) = load(basins_file(folder, n), "voxels")
        sizes[0] += voxels[0]
        np.add.at(sizes, basin_of[offsets[n] : offsets[n + 1]], voxels[1:])
    save_array(folder / "sizes.npy", sizes)
    save_array(folder / "basin_of.npy", basin_of)


def basins_of_labels(folder: Path, number: int) -> np.ndarray:
    """Basin of each label 0, 1, ... of a block; 0 is background."""
    offsets = np.load(folder / "offsets.npy", mmap_mode="r")
    mine = part_of(folder / "basin_of.npy", int(offsets[number]), int(offsets[number + 1]))
    return np.concatenate([np.zeros(1, mine.dtype), mine])


@dataclass(frozen=True)
class BlockNumbers:
    """Basins, or numbers of them, of a block and of the faces of the blocks before it, renumbered without gaps.

    Attributes:
        known: the numbers in ascending order, 0 first.
        labels: the place in `known` of each label 0, 1, ... of the block.
        across: axis -> places in `known` of the face of the block before it.
        uncertain: (known,) whether a number also has borders in other blocks.
    """

    known: np.ndarray
    labels: np.ndarray
    across: dict[int, np.ndarray]
    uncertain: np.ndarray

    @classmethod
    def of(cls, folder: Path, grid: BlockGrid, number: int, numbers: np.ndarray | None = None) -> "BlockNumbers":
        """Those of a block; `numbers` are of basins 0, 1, ..., by default the basins themselves."""

        def of_labels(block: int) -> np.ndarray:
            basins = basins_of_labels(folder, block)
            return basins if numbers is None else np.asarray(numbers[basins])

        mine = of_labels(number)
        across, faces = {}, [np.zeros(1, mine.dtype)]
        for d in DIRECTIONS:
            other = grid.neighbour(number, d)
            if other is None:
                continue
            faces.append(_ascending(mine[load(basins_file(folder, number), f"face{d}")[0]]))
            if d < 3:
                across[d] = of_labels(other)[load(basins_file(folder, other), f"face{5 - d}")[0]]
                faces.append(_ascending(across[d]))
        known = _ascending(np.concatenate([mine, *faces]))
        uncertain = np.zeros(known.size, dtype=bool)
        uncertain[np.searchsorted(known, np.concatenate(faces))] = True
        placed = {axis: np.searchsorted(known, face) for axis, face in across.items()}
        return cls(known, np.searchsorted(known, mine), placed, uncertain)

    def volume(self, folder: Path, grid: BlockGrid, number: int) -> np.ndarray:
        """(z, y, x) places in `known` of the block and one voxel before it; 0 for background and where no block is."""
        outer, inner = grid.around(number, 1, 0)
        labels = unpacked(load(basins_file(folder, number), "labels")[0], grid.box(number).shape, np.uint32)
        renumber(labels, self.labels)
        segments = np.zeros(outer.shape, dtype=np.uint32)
        segments[inner.slices] = labels
        for d, face in self.across.items():
            segments[tuple(0 if axis == d else part for axis, part in enumerate(inner.slices))] = face
        return segments


def _ascending(numbers: np.ndarray) -> np.ndarray:
    """Each number once; `numpy.unique` hashes them first, which takes longer."""
    found = np.sort(numbers, axis=None)
    fresh = np.ones(found.size, dtype=bool)
    np.not_equal(found[1:], found[:-1], out=fresh[1:])
    return found[fresh]


def _within(linear: np.ndarray, grid: BlockGrid, box: Box) -> np.ndarray:
    """Flat indices in a block of voxels by their linear indices."""
    at = np.unravel_index(linear, grid.shape)
    z, y, x = (i - low for i, low in zip(at, box.start, strict=True))
    return np.asarray(np.ravel_multi_index((z, y, x), box.shape))


def _face(direction: int) -> tuple[slice | int, ...]:
    """The outermost voxels of a block in a direction."""
    axis = axis_of(direction)
    side = 0 if direction < 3 else -1
    return tuple(side if a == axis else slice(None) for a in range(3))
