"""Corrections of a segmentation in the finished store: merges change a table, splits are kept as boxes."""

from pathlib import Path
from typing import Any

import numpy as np
import zarr

from scripts.blockwise.instances import create_instances
from scripts.blockwise.memory import SHARE, free_gib
from scripts.blockwise.plan import Plan
from scripts.blockwise.result_files import load, packed, save, save_array, unpacked
from scripts.blockwise.write import STORE
from scripts.ops.box import Box
from scripts.ops.decoding.edits import Edit, Point, make_edits, second_side

EDITED = "edited"
"""The store with the edits made."""
EDITS = "edits.arrays"
"""Tables of the edits."""
BYTES_A_VOXEL = 60
"""Of the bounding box of a segment that is split."""


def extents_file(folder: Path, number: int) -> Path:
    """Ids of a block with their bounding boxes."""
    return folder / "extents" / f"{number}.arrays"


def edited_file(folder: Path, number: int) -> Path:
    """Marks that a block is edited."""
    return folder / "edited_blocks" / f"{number}.npy"


def find_extents(folder: Path, number: int) -> None:
    """Write the ids of a block and the box of each, (z0, y0, x0, z1, y1, x1) in the volume."""
    from scipy.ndimage import find_objects

    box = Plan.load(folder).grid.box(number)
    labels = np.asarray(zarr.open_array(folder / STORE / "labels", mode="r")[box.slices])
    ids, dense = np.unique(labels, return_inverse=True)
    parts = find_objects(dense.reshape(labels.shape).astype(np.int32) + 1)
    edges = [[side.start for side in part] + [side.stop for side in part] for part in parts]
    save(extents_file(folder, number), ids=ids.astype(np.int64), boxes=np.array(edges) + np.tile(box.start, 2))


def edit_volume(folder: Path) -> None:
    """Make the edits of the plan: writes their tables, and an empty store for the result.

    Raises:
        ValueError: as `make_edits`, or a segment to be split whose box does not fit in memory.
    """
    plan = Plan.load(folder)
    segments = StoredSegments(folder, plan)
    make_edits(segments, [Edit(*edit) for edit in plan.edits])
    dtype = np.dtype(np.uint64 if segments.array.dtype.itemsize == 8 else np.uint32)
    create_instances(folder / EDITED, {"labels": dtype}, plan.grid.shape, plan.chunk, plan.attributes)
    save(
        folder / EDITS,
        table=segments.table.astype(dtype),
        boxes=np.array([[*box.start, *box.stop] for box, _ in segments.splits], dtype=np.int64).reshape(-1, 6),
        **{f"part{number}": packed(part) for number, (_, part) in enumerate(segments.splits)},
    )


def edit_block(folder: Path, number: int) -> None:
    """Write an edited block."""
    box = Plan.load(folder).grid.box(number)
    table, boxes = load(folder / EDITS, "table", "boxes")
    unsplit = len(table) - len(boxes)
    labels = np.asarray(zarr.open_array(folder / STORE / "labels", mode="r")[box.slices]).astype(np.int64)
    for split, edges in enumerate(boxes.tolist()):
        part = _box(edges)
        if part.overlap(box) is not None:
            voxels = unpacked(load(folder / EDITS, f"part{split}")[0], part.shape, np.bool_)
            _replace(labels, box, voxels, part, unsplit + split)
    zarr.open_array(folder / EDITED / "labels", mode="r+")[box.slices] = table[labels]
    save_array(edited_file(folder, number), np.array([box.voxels]))


class StoredSegments:
    """The segments of a store; see `scripts.ops.decoding.edits.Segments`.

    Every id of the store and every part that was split off has a row of `table`: the segment that it is now.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.plan, self.shape = plan, plan.grid.shape
        self.array: Any = zarr.open_array(folder / STORE / "labels", mode="r")
        self.splits: list[tuple[Box, np.ndarray]] = []
        found = [load(extents_file(folder, n), "ids", "boxes") for n in range(len(plan.grid))]
        ids, boxes = (np.concatenate(column) for column in zip(*found, strict=True))
        self.table = np.arange(int(ids.max()) + 1)
        self.low = np.full((len(self.table), 3), np.iinfo(np.int64).max)
        self.high = np.zeros((len(self.table), 3), dtype=np.int64)
        np.minimum.at(self.low, ids, boxes[:, :3])
        np.maximum.at(self.high, ids, boxes[:, 3:])

    def at(self, point: Point) -> int:
        """See `Segments`."""
        z, y, x = point
        return int(self.table[self._rows(Box((z, y, x), (z + 1, y + 1, x + 1)))[0, 0, 0]])

    def has(self, segment: int) -> bool:
        """See `Segments`."""
        return bool((self.table[1:] == segment).any())

    def merge(self, kept: int, gone: int) -> None:
        """See `Segments`."""
        self.table[self.table == gone] = kept

    def split(self, segment: int, first: Point, second: Point, place: str) -> None:
        """See `Segments`."""
        rows = np.flatnonzero(self.table == segment)
        box = _box([*self.low[rows].min(axis=0).tolist(), *self.high[rows].max(axis=0).tolist()])
        need, free = box.voxels * BYTES_A_VOXEL / 2**30, free_gib()
        if need > SHARE * free:
            raise ValueError(
                f"{place}: segment {segment} is in voxels {box}, which need {need:.1f} GiB; {free:.1f} free"
            )
        part = np.isin(self._rows(box), rows)
        one, other = (_minus(point, box.start) for point in (first, second))
        side = np.zeros(box.shape, dtype=bool)
        side[second_side(part, self.plan.read_unmasked(box, 3), one, other, place)] = True
        self.table = np.append(self.table, self.table.max() + 1)
        self.splits.append((box, side))
        self.low = np.concatenate([self.low, [box.start]])
        self.high = np.concatenate([self.high, [box.stop]])

    def _rows(self, box: Box) -> np.ndarray:
        """(z, y, x) rows of the table of a box."""
        rows = np.asarray(self.array[box.slices]).astype(np.int64)
        unsplit = len(self.table) - len(self.splits)
        for number, (part, voxels) in enumerate(self.splits):
            _replace(rows, box, voxels, part, unsplit + number)
        return rows


def _replace(rows: np.ndarray, box: Box, voxels: np.ndarray, part: Box, row: int) -> None:
    """Set `row` in a box where the voxels of a part are True."""
    shared = part.overlap(box)
    if shared is not None:
        rows[shared.within(box).slices][voxels[shared.within(part).slices]] = row


def _box(edges: list[int]) -> Box:
    z0, y0, x0, z1, y1, x1 = edges
    return Box((z0, y0, x0), (z1, y1, x1))


def _minus(point: Point, corner: tuple[int, int, int]) -> Point:
    z, y, x = (at - low for at, low in zip(point, corner, strict=True))
    return z, y, x
