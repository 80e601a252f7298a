"""Colours of objects and of errors: a picture of places in a palette, place 0 transparent."""

import colorsys

import numpy as np
from numpy.typing import NDArray

from scripts.ops.contingency import ContingencyTable
from scripts.ops.object_errors import Offender, object_errors

SPLIT, MERGE = 1, 2
"""Places of the errors in `ERROR_COLOURS`."""
ERROR_COLOURS = np.array([(0, 0, 0), (255, 214, 10), (230, 30, 40)], np.uint8)


def _palette() -> NDArray[np.uint8]:
    """255 strong colours after the transparent one: neighbours in the list are far apart in hue."""
    colours = [(0.0, 0.0, 0.0)]
    for k in range(255):
        lightness, saturation = (0.5, 0.62, 0.4)[k % 3], (0.85, 0.65)[k % 2]
        colours.append(colorsys.hls_to_rgb(k * 0.618033988749895 % 1, lightness, saturation))
    return (np.array(colours) * 255).round().astype(np.uint8)


INSTANCE_COLOURS = _palette()


def instance_places(ids: NDArray) -> NDArray[np.uint8]:
    """(y, x) ids to places in `INSTANCE_COLOURS`: the same id always has the same; 0 and -1 (unknown) have none."""
    spread = (ids.astype(np.int64).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
    return np.where(ids > 0, 1 + spread % np.uint64(255), 0).astype(np.uint8)


class ErrorMap:
    """Where a segmentation goes wrong, from the objects that `object_errors` calls split or merged.

    A split marks the voxels of an object outside the segment that holds most of it; a merge marks the voxels of a
    segment outside the object that it holds most of. Voxels that are neither labelled nor predicted are never marked.

    Args:
        table: ground truth against prediction, unknown voxels left out.
    """

    def __init__(self, table: ContingencyTable) -> None:
        every = max(1, len(table))
        self.errors = object_errors(table, worst=every)
        self._splits = _main_pieces(self.errors.worst_splits)
        self._merges = _main_pieces(self.errors.worst_merges)

    def places(self, labels: NDArray, instances: NDArray) -> NDArray[np.uint8]:
        """(y, x) ids of both to places in `ERROR_COLOURS`; where both are wrong, the merge is shown."""
        labels, instances = labels.astype(np.int64), instances.astype(np.int64)
        both = (labels > 0) & (instances > 0)
        marked = np.zeros(labels.shape, np.uint8)
        marked[both & _outside(labels, instances, self._splits)] = SPLIT
        marked[both & _outside(instances, labels, self._merges)] = MERGE
        return marked


def _main_pieces(offenders: tuple[Offender, ...]) -> NDArray[np.int64]:
    """(n, 2): id and the id on the other side that holds most of it, by id."""
    pairs = sorted((one.id, one.pieces[0][0]) for one in offenders)
    return np.array(pairs, np.int64).reshape(-1, 2)


def _outside(ids: NDArray, others: NDArray, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where an id is listed and meets another one than its main piece."""
    if not len(pairs):
        return np.zeros(ids.shape, bool)
    place = np.minimum(np.searchsorted(pairs[:, 0], ids), len(pairs) - 1)
    wrong: NDArray[np.bool_] = (pairs[place, 0] == ids) & (pairs[place, 1] != others)
    return wrong
