"""Exact Euclidean distance of each voxel to the nearest voxel of another label, one axis after the other.

The first sweep measures along rows. Each further one takes the lower envelope of parabolas (Felzenszwalb & Huttenlocher
2012, doi:10.4086/toc.2012.v008a019) over each run of one label in a column; the voxel beyond either end of a run, which
is of another label, stands for a parabola of height 0. The border of the volume is no other label.
"""

from typing import Any

import numba
import numpy as np

from scripts.ops.box import Window, whole

FAR = np.float32(np.inf)
"""Squared distance where there is no other label."""


def squared_section_distance(kind: np.ndarray, inner: Window | None = None) -> np.ndarray:
    """(z, y, x) bool to (z, y, x) float32: squared pixels to the nearest pixel of the other kind in the section.

    `FAR` where the section has one kind only.

    Args:
        kind: bool, C-contiguous.
        inner: the requested window; pixels around it are read too.
    """
    z, y, x = inner or whole(kind.shape)
    kind = kind[z].view(np.uint8)
    rows = np.empty((*kind.shape[:2], x.stop - x.start), np.float32)
    squared = np.empty((len(kind), y.stop - y.start, x.stop - x.start), np.float32)
    for section, along, distances in zip(kind, rows, squared, strict=True):
        _along_rows(section, along, x.start, 1.0, False)
        _along_columns(section, along, distances, y.start, x.start, 1.0, False)
    return squared


def squared_depth(ids: np.ndarray, voxel_size: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> np.ndarray:
    """(z, y, x) ids to (z, y, x) float32: squared distance to the nearest voxel of another id; 0 at id 0.

    `FAR` where the volume has one id only.

    Args:
        ids: int64, C-contiguous.
        voxel_size: (z, y, x) in the unit of the distance.
    """
    z, y, x = ids.shape
    rows, sections, squared = (np.empty(ids.shape, np.float32) for _ in range(3))
    _along_rows(ids.reshape(-1, x), rows.reshape(-1, x), 0, float(voxel_size[2]), True)
    for section, before, after in zip(ids, rows, sections, strict=True):
        _along_columns(section, before, after, 0, 0, float(voxel_size[1]), True)
    flat = (z, y * x)
    across = (ids.reshape(flat), sections.reshape(flat), squared.reshape(flat))
    _along_columns(*across, 0, 0, float(voxel_size[0]), True)
    return squared


def as_keys(label: np.ndarray) -> np.ndarray:
    """The ids as int64, one for one, C-contiguous: unsigned ones above 2^63 turn negative, and all else stays."""
    return np.ascontiguousarray(label).astype(np.int64, copy=False)


@numba.njit(nogil=True, cache=True)
def _along_rows(label: Any, squared: Any, left: int, spacing: float, hollow: bool) -> None:
    """Squared distance to the nearest other label of the row, from column `left` on; with `hollow`, 0 at label 0."""
    columns, right = label.shape[1], left + squared.shape[1]
    for row in range(label.shape[0]):
        first = 0
        while first < right:
            end = first + 1
            while end < columns and label[row, end] == label[row, first]:
                end += 1
            for x in range(max(first, left), min(end, right)):
                nearest = np.inf
                if first > 0:
                    nearest = (x - first + 1) * spacing
                if end < columns:
                    nearest = min(nearest, (end - x) * spacing)
                if hollow and label[row, first] == 0:
                    nearest = 0.0
                squared[row, x - left] = nearest * nearest
            first = end


@numba.njit(nogil=True, cache=True)
def _along_columns(label: Any, squared: Any, nearest: Any, top: int, left: int, spacing: float, hollow: bool) -> None:
    """Fill `nearest`, whose first voxel is (top, left) of `label`, from the squared distances along rows.

    `squared` has all rows of `label` and the columns of `nearest`. Heights are kept in units of the spacing, squared.
    """
    rows = label.shape[0]
    bottom = top + nearest.shape[0]
    area, dense = spacing * spacing, 1 / (spacing * spacing)
    place, height, begin = np.empty(rows, np.int64), np.empty(rows), np.empty(rows)
    half = 0.5 / np.maximum(1, np.arange(rows + 1))  # a product is faster than a division
    for x in range(nearest.shape[1]):
        first = 0
        while first < bottom:
            own = label[first, left + x]
            end = first + 1
            while end < rows and label[end, left + x] == own:
                end += 1
            if end > top and hollow and own == 0:
                for y in range(max(first, top), min(end, bottom)):
                    nearest[y - top, x] = 0
            elif end > top:
                last = -1  # of the parabolas that the envelope has so far
                for y in range(max(0, first - 1), min(rows, end + 1)):
                    rise = 0.0
                    if first <= y < end:
                        rise = squared[y, x]
                        if rise == np.inf:
                            continue
                    rise = rise * dense + y * y
                    start = -np.inf
                    while last >= 0:
                        start = (rise - height[last]) * half[y - place[last]]
                        if start > begin[last]:
                            break
                        last -= 1
                        start = -np.inf
                    last += 1
                    place[last], height[last], begin[last] = y, rise, start
                lowest = 0
                for y in range(max(first, top), min(end, bottom)):
                    while lowest < last and begin[lowest + 1] < y:
                        lowest += 1
                    if last < 0:
                        nearest[y - top, x] = np.inf
                    else:
                        away = y - place[lowest]
                        nearest[y - top, x] = (away * away + height[lowest] - place[lowest] * place[lowest]) * area
            first = end
