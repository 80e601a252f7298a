"""Resample sections in plane: every section of a stack is read at the same places."""

import numpy as np
from numba import njit

_AS_UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


def resample_in_plane(volume: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Read a stack at the places (y, x): real numbers between their four neighbours, whole numbers from the nearest.

    Whole numbers (labels, -1 among them) are copied as they are and never become real, so any id survives. A place
    outside the section is an error, never padding.

    Args:
        volume: (..., z, y, x), real (read as float32) or whole numbers.
        y: (h, w) places along y, in pixels; 0 is the centre of the first row.
        x: (h, w) likewise along x.

    Returns:
        (..., z, h, w), float32 for real numbers, else of the volume's dtype.

    Raises:
        ValueError: places of unequal shape or outside the section, or a dtype that is neither.
    """
    rows, columns = volume.shape[-2:]
    y, x = np.ascontiguousarray(y, np.float32), np.ascontiguousarray(x, np.float32)
    if y.shape != x.shape or y.ndim != 2:
        raise ValueError(f"places y {y.shape} and x {x.shape} must have one shape (h, w)")
    for name, places, size in (("y", y, rows), ("x", x, columns)):
        if places.size and not (places.min() >= -0.001 and places.max() <= size - 0.999):
            raise ValueError(f"places along {name} reach {places.min():g} to {places.max():g}, outside 0 to {size - 1}")
    stack = np.ascontiguousarray(volume).reshape(-1, rows, columns)
    if np.issubdtype(volume.dtype, np.floating):
        moved = np.empty((len(stack), *y.shape), np.float32)
        _bilinear(stack.astype(np.float32, copy=False), y, x, moved)
        return moved.reshape(*volume.shape[:-2], *y.shape)
    if volume.dtype.kind not in "iub":
        raise ValueError(f"voxels of dtype {volume.dtype} are neither real nor whole numbers")
    bits = _AS_UNSIGNED[volume.dtype.itemsize]
    copied = np.empty((len(stack), *y.shape), bits)
    _nearest(stack.view(bits), y, x, copied)
    return copied.view(volume.dtype).reshape(*volume.shape[:-2], *y.shape)


@njit(cache=True, nogil=True)
def _bilinear(stack, y, x, moved):  # type: ignore[no-untyped-def]
    rows, columns = stack.shape[1:]
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            row = min(max(int(y[i, j]), 0), max(rows - 2, 0))
            column = min(max(int(x[i, j]), 0), max(columns - 2, 0))
            below, right = min(row + 1, rows - 1), min(column + 1, columns - 1)
            v = np.float32(min(max(y[i, j] - row, 0.0), 1.0))
            u = np.float32(min(max(x[i, j] - column, 0.0), 1.0))
            for z in range(stack.shape[0]):
                upper = stack[z, row, column] + u * (stack[z, row, right] - stack[z, row, column])
                lower = stack[z, below, column] + u * (stack[z, below, right] - stack[z, below, column])
                moved[z, i, j] = upper + v * (lower - upper)


@njit(cache=True, nogil=True)
def _nearest(stack, y, x, copied):  # type: ignore[no-untyped-def]
    rows, columns = stack.shape[1:]
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            row = min(max(int(np.floor(y[i, j] + 0.5)), 0), rows - 1)
            column = min(max(int(np.floor(x[i, j] + 0.5)), 0), columns - 1)
            for z in range(stack.shape[0]):
                copied[z, i, j] = stack[z, row, column]
