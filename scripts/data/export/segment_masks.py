"""The voxels of chosen segments, many of them in each pass over a volume."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from scripts.data.export.segment_table import SegmentTable
from scripts.data.export.target import Target
from scripts.ops.box import Box, Offset3

TOGETHER = 2**30
"""Voxels, a byte each, of the boxes of the segments that are read in one pass."""


class SegmentMask(NamedTuple):
    """Where a segment is.

    Attributes:
        id: of the segment.
        level: of the pyramid.
        low: first voxel (z, y, x) of the box at that level.
        inside: (z, y, x) bool of the box.
    """

    id: int
    level: int
    low: Offset3
    inside: np.ndarray


def segment_masks(
    target: Target, table: SegmentTable, ids: Sequence[int], largest_box: int, together: int = TOGETHER
) -> Iterator[SegmentMask]:
    """Each segment at the finest level at which its box has at most `largest_box` voxels.

    A pass reads the blocks of a level once, and only those that a box of one of its segments reaches into. A pass takes
    as many segments as have `together` voxels in their boxes.

    Args:
        target: the volume.
        table: of its segments.
        ids: of the segments; those of finer levels come first.
        largest_box: voxels of a box that may be read.
        together: voxels of all boxes of a pass.

    Raises:
        ValueError: a segment whose box fits at no level; before anything is read.
    """
    by_level: dict[int, list[int]] = {}
    for key in ids:
        by_level.setdefault(table.fitting_level(target.levels, key, largest_box), []).append(key)
    for level, keys in sorted(by_level.items()):
        boxes = {key: _box_at(target, table, key, level) for key in keys}
        waiting = list(keys)
        while waiting:
            count, voxels = 1, boxes[waiting[0]].voxels
            while count < len(waiting) and voxels + boxes[waiting[count]].voxels <= together:
                voxels += boxes[waiting[count]].voxels
                count += 1
            chosen, waiting = waiting[:count], waiting[count:]
            masks = _one_pass(target, level, {key: boxes[key] for key in chosen})
            for key in chosen:
                yield SegmentMask(key, level, boxes[key].start, masks.pop(key))


def _one_pass(target: Target, level: int, boxes: dict[int, Box]) -> dict[int, np.ndarray]:
    masks = {key: np.zeros(box.shape, bool) for key, box in boxes.items()}
    for low, high in target.blocks(level):
        block = Box(low, high)
        reached = {key: part for key, box in boxes.items() if (part := box.overlap(block)) is not None}
        if reached:
            labels = target.read(level, low, high)
            for key, part in reached.items():
                masks[key][part.within(boxes[key]).slices] = labels[part.within(block).slices] == key
    return masks


def _box_at(target: Target, table: SegmentTable, key: int, level: int) -> Box:
    factors, shape, row = target.levels[level].factors, target.levels[level].shape, table.rows[key]
    z0, y0, x0 = (first // by for first, by in zip(row[1:4], factors, strict=True))
    z1, y1, x1 = (min(-(-end // by), size) for end, by, size in zip(row[4:], factors, shape, strict=True))
    return Box((z0, y0, x0), (z1, y1, x1))
