"""What goes wrong with a section: a part is hidden, the stage moves, the resolution drops."""

import numpy as np


def band_mask(shape: tuple[int, int], begin: float, end: float, half_width: float, along_y: bool) -> np.ndarray:
    """(y, x) bool, True in a band about the line between two opposite sides of a section.

    Args:
        shape: (y, x) of the section.
        begin: where the line starts on the first side, in pixels.
        end: where it ends on the opposite side.
        half_width: of the band, in pixels across the side it starts from.
        along_y: whether the line goes from the first row to the last; else from the first column to the last.
    """
    length, across = shape if along_y else shape[::-1]
    line = np.linspace(begin, end, length)
    band = np.abs(np.arange(across) - line[:, None]) <= half_width
    return band if along_y else band.T


def motion_blur(section: np.ndarray, pixels: int, axis: int) -> np.ndarray:
    """Mean over a window of `pixels` (odd) along an axis; at the border over those pixels of it that exist."""
    half = pixels // 2
    size = section.shape[axis]
    sums = np.cumsum(section, axis=axis, dtype=np.float64)
    sums = np.insert(sums, 0, 0.0, axis=axis)
    place = np.arange(size)
    stop, start = np.minimum(place + half + 1, size), np.maximum(place - half, 0)
    count = (stop - start).reshape([-1 if k == axis % section.ndim else 1 for k in range(section.ndim)])
    blurred = (np.take(sums, stop, axis=axis) - np.take(sums, start, axis=axis)) / count
    return blurred.astype(section.dtype)


def coarsen(block: np.ndarray, ratio: float) -> np.ndarray:
    """(..., y, x) voxels seen at a resolution `ratio` times lower in plane: each tile takes the mean of its pixels.

    Tiles number size / ratio along each axis, rounded, and at least one; their sizes differ by a pixel at the most.
    """
    means = block
    for axis in (-2, -1):
        size = block.shape[axis]
        tiles = min(size, max(1, round(size / ratio)))
        edges = np.arange(tiles + 1) * size // tiles
        lengths = np.diff(edges)
        sums = np.add.reduceat(means, edges[:-1], axis=axis)
        shape = (-1, 1) if axis == -2 else (-1,)
        means = np.repeat(sums / lengths.reshape(shape).astype(block.dtype), lengths, axis=axis)
    return means.astype(block.dtype, copy=False)
