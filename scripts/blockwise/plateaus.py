"""Plateaus that go through several blocks: the distance of each voxel to an exit, relaxed over the faces."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scripts.blockwise.grid import DIRECTIONS, BlockGrid
from scripts.blockwise.plan import Plan
from scripts.blockwise.result_files import load, save_array
from scripts.ops.decoding.plateau_distances import FAR, parents_by_distance, relax

NO_OFFSETS = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class PlateauTable:
    """Voxels of open plateaus: those of a block, then those just across its faces.

    Attributes:
        own: how many are the block's.
        linear: (voxels,) linear index in the volume.
        labels: (voxels,) labels in numbers of the volume, from 0.
        exits: (voxels,) bool.
        around: (own, 6) row of the plateau neighbour in each direction, -1 for none.
        blocks: block number of each part of the table, and its rows there.
    """

    own: int
    linear: np.ndarray
    labels: np.ndarray
    exits: np.ndarray
    around: np.ndarray
    blocks: tuple[tuple[int, np.ndarray], ...]

    def links(self, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of labels that are one basin, and which of the block's rows are roots or exits as before.

        A voxel that an exit can be reached from steps to its parent. Plateaus without exits are joined.
        """
        towards = parents_by_distance(self.around, distances)
        rows = np.flatnonzero(towards >= 0)
        stepping = np.stack([self.labels[rows], self.labels[towards[rows]]])
        flat = np.flatnonzero(distances[: self.own] == FAR)
        joined = [
            np.stack([self.labels[flat[there >= 0]], self.labels[there[there >= 0]]])
            for there in self.around[flat][:, :3].T
        ]
        return np.concatenate([stepping, *joined], axis=1), towards < 0


def distance_file(folder: Path, number: int) -> Path:
    """Distances to an exit of the rows of a block's open plateaus."""
    return folder / "distances" / f"{number}.npy"


def table_of(folder: Path, grid: BlockGrid, number: int, offsets: np.ndarray = NO_OFFSETS) -> PlateauTable:
    """The open plateaus of a block and the voxels across its faces; labels are 0 where no offsets are given."""
    linear, edges, exits, labels = _rows(folder, number)
    own = linear.size
    parts = [(linear, exits, _global(labels, offsets, number))]
    blocks: list[tuple[int, np.ndarray]] = [(number, np.arange(own))]
    around = np.full((own, 6), -1, dtype=np.int64)
    position = own
    for d in DIRECTIONS:
        reached = np.flatnonzero((edges >> d) & 1)
        there = linear[reached] + grid.strides[d]
        row, known = _positions(linear, there)
        around[reached[known], d] = row[known]
        other = grid.neighbour(number, d)
        if other is None or known.all():
            continue
        theirs, _, their_exits, their_labels = _rows(folder, other)
        rows, found = _positions(theirs, there[~known])
        assert found.all(), "a plateau edge leads to a voxel that is on no plateau of the neighbour"
        around[reached[~known], d] = position + np.arange(rows.size)
        position += rows.size
        parts.append((theirs[rows], their_exits[rows], _global(their_labels[rows], offsets, other)))
        blocks.append((other, rows))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return PlateauTable(own, columns[0], columns[2], columns[1], around, tuple(blocks))


def distances_of(folder: Path, grid: BlockGrid, number: int, table: PlateauTable) -> np.ndarray:
    """The distances noted so far of all rows of a table."""
    found = []
    begin = 0
    for block, rows in table.blocks:
        file = distance_file(folder, block)
        part = slice(begin, begin + rows.size)
        noted = np.load(file)[rows] if file.exists() else np.where(table.exits[part], 0, FAR)
        found.append(noted.astype(np.int64))
        begin = part.stop
    return np.concatenate(found)


def relax_plateaus(folder: Path, number: int) -> bool:
    """Shorten the distances of a block by those of its neighbours; True where theirs can be shortened by its own.

    Distances only fall, and towards one end, so blocks may run in any order, at the same time, and again: the answer
    depends on the distances, not on whether this call or an earlier one of a worker that ended has shortened them.
    """
    grid = Plan.load(folder).grid
    table = table_of(folder, grid, number)
    distances = distances_of(folder, grid, number, table)
    before = distances[: table.own].copy()
    relax(distances, table.around)
    own = distances[: table.own]
    if (own != before).any() or not distance_file(folder, number).exists():
        save_array(distance_file(folder, number), own)
    across = table.around >= table.own
    return bool((across & (distances[table.around] > own[:, None] + 1)).any())


def has_open_plateaus(folder: Path, number: int) -> bool:
    """Whether a block has voxels whose distance may depend on other blocks."""
    return bool(load(folder / "basins" / f"{number}.arrays", "plateau")[0].size)


def _rows(folder: Path, number: int) -> list[np.ndarray]:
    return load(folder / "basins" / f"{number}.arrays", "plateau", "edges", "exits", "plateau_labels")


def _global(labels: np.ndarray, offsets: np.ndarray, number: int) -> np.ndarray:
    return labels.astype(np.int64) - 1 + offsets[number] if offsets.size else np.zeros(labels.size, np.int64)


def _positions(ascending: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position of each value, and whether it is there."""
    if ascending.size == 0:
        return np.zeros(values.size, np.int64), np.zeros(values.size, bool)
    at = np.minimum(np.searchsorted(ascending, values), ascending.size - 1)
    return at, ascending[at] == values
