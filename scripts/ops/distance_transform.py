"""Exact Euclidean distance of each voxel to the nearest voxel of another label, in one sweep along each axis.

Along the first axis of the sweep it is a distance along rows; each further axis takes the lower envelope of parabolas
(Felzenszwalb & Huttenlocher 2012, doi:10.4086/toc.2012.v008a019) of every run of one label, closed by a parabola of
height 0 at the voxel beyond each of its ends. The border of the volume is no other label.
"""

from typing import Any

import numba
import numpy as np

FAR = np.float32(np.inf)
"""Squared distance where there is no other label."""


def squared_section_distance(kind: np.ndarray) -> np.ndarray:
    """(z, y, x) bool to (z, y, x) float32: squared pixels to the nearest pixel of the other kind in the section.

    `FAR` where the section has one kind only.
    """
    kind = np.ascontiguousarray(kind).view(np.uint8)
    squared = np.empty(kind.shape, np.float32)
    _along_rows(kind.reshape(-1, kind.shape[2]), squared.reshape(-1, kind.shape[2]), 1.0)
    for section, distances in zip(kind, squared, strict=True):
        _along_columns(section, distances, 1.0)
    return squared


def squared_distance(label: np.ndarray, voxel_size: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> np.ndarray:
    """(z, y, x) whole numbers to (z, y, x) float32: squared distance to the nearest voxel of another number.

    `FAR` where the volume has one number only.

    Args:
        label: any number counts as a label, 0 too; at most 64 bits.
        voxel_size: (z, y, x) in the unit of the distance.
    """
    ids = as_keys(label)
    z, y, x = ids.shape
    squared = np.empty(ids.shape, np.float32)
    _along_rows(ids.reshape(-1, x), squared.reshape(-1, x), float(voxel_size[2]))
    for section, distances in zip(ids, squared, strict=True):
        _along_columns(section, distances, float(voxel_size[1]))
    _along_columns(ids.reshape(z, y * x), squared.reshape(z, y * x), float(voxel_size[0]))
    return squared


def as_keys(label: np.ndarray) -> np.ndarray:
    """The ids as C-contiguous int64, one for one, whatever their dtype: the largest unsigned ones turn negative."""
    return np.ascontiguousarray(label).astype(np.int64, copy=False)


@numba.njit(nogil=True, cache=True)
def _along_rows(label: Any, squared: Any, spacing: float) -> None:
    """Squared distance to the nearest other label of the same row."""
    rows, columns = label.shape
    for row in range(rows):
        first = 0
        while first < columns:
            end = first + 1
            while end < columns and label[row, end] == label[row, first]:
                end += 1
            for x in range(first, end):
                nearest = np.inf
                if first > 0:
                    nearest = (x - first + 1) * spacing
                if end < columns:
                    nearest = min(nearest, (end - x) * spacing)
                squared[row, x] = nearest * nearest
            first = end


@numba.njit(nogil=True, cache=True)
def _along_columns(label: Any, squared: Any, spacing: float) -> None:
    """Spread the squared distances of rows to those of the plane (or volume), in place, along the first axis."""
    rows, columns = label.shape
    place = np.empty(rows + 2, np.int64)
    height = np.empty(rows + 2, np.float64)
    begin = np.empty(rows + 2, np.float64)
    area = spacing * spacing
    for x in range(columns):
        first = 0
        while first < rows:
            end = first + 1
            while end < rows and label[end, x] == label[first, x]:
                end += 1
            top = -1
            for y in range(max(0, first - 1), min(rows, end + 1)):
                rise = 0.0
                if first <= y < end:
                    rise = squared[y, x]
                    if rise == np.inf:
                        continue
                rise = rise / area + y * y  # height of the parabola at 0, in units of the spacing
                start = -np.inf
                while top >= 0:
                    start = (rise - height[top]) / (2 * (y - place[top]))
                    if start > begin[top]:
                        break
                    top -= 1
                    start = -np.inf
                top += 1
                place[top], height[top], begin[top] = y, rise, start
            if top >= 0:
                lowest = 0
                for y in range(first, end):
                    while lowest < top and begin[lowest + 1] < y:
                        lowest += 1
                    away = y - place[lowest]
                    squared[y, x] = (away * away + height[lowest] - place[lowest] * place[lowest]) * area
            first = end
