"""Seeded watershed in 256 levels: flood a mask from its seeds, lowest height first, first come first served."""

import numba
import numpy as np

from scripts.ops.labels.label_checks import checked_labels, same_shape


def seeded_watershed(height: np.ndarray, seeds: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Give every voxel of the mask that a seed can reach (6 neighbours) to one of the seeds.

    Voxels wait in the queue of their own height and are served lowest height first (Meyer 1994); within a height in
    the order in which they were reached: seeds in the order of their index (z, then y, then x), the neighbours of a
    voxel in the order -z, -y, -x, +x, +y, +z. Without equal heights this is the watershed of
    `skimage.segmentation.watershed`.

    Args:
        height: (z, y, x) uint8; quantise others with `quantised_height`.
        seeds: (z, y, x) ids, 0 where none. Seeds outside the mask are ignored.
        mask: (z, y, x) bool; all voxels by default.

    Returns:
        (z, y, x) ids of the seeds, 0 outside the mask and where no seed reaches; dtype of the seeds.

    Raises:
        ValueError: shapes that differ, height that is not uint8, seeds that are not whole numbers.
    """
    labels = checked_labels(seeds, "seeds").copy()
    height = np.ascontiguousarray(height)
    if height.dtype != np.uint8:
        raise ValueError(f"height has dtype {height.dtype}, expected uint8; quantise it with quantised_height")
    same_shape(height, labels, ("height", "seeds"))
    if mask is not None:
        mask = np.ascontiguousarray(mask)
        same_shape(mask, labels, ("mask", "seeds"))
    flood(height, labels, np.ones_like(height) if mask is None else (mask != 0).view(np.uint8))
    return labels


def quantised_height(values: np.ndarray, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Turn a map that is high inside objects upside down, in 256 levels: 255 - round(255 (v - low) / (high - low)).

    uint8 maps (standing for value / 255) lose nothing. For float maps heights closer than (high - low) / 255 are equal.
    """
    if values.dtype == np.uint8:
        return np.uint8(255) - values
    height = np.empty(values.shape, dtype=np.uint8)
    scale = np.float32(255 / (high - low))
    _quantise(np.ascontiguousarray(values).reshape(-1), np.float32(low), scale, height.reshape(-1))
    return height


def flood(height: np.ndarray, labels: np.ndarray, mask: np.ndarray) -> None:
    """`seeded_watershed` in place on checked, C-contiguous arrays: labels holds the seeds and becomes the result.

    The mask (uint8, 0 or 1) is used up.
    """
    _clear_outside(labels.reshape(-1), mask.reshape(-1))
    link = np.uint64 if height.size >= 2**32 - 1 else np.uint32
    _flood(height, labels, mask, np.empty(height.size, dtype=link))


@numba.njit(cache=True, nogil=True)
def _clear_outside(labels, free):  # type: ignore[no-untyped-def]
    """Drop seeds outside the mask; what stays of the mask are the voxels still free."""
    for v in range(labels.size):
        labels[v] = labels[v] if free[v] else 0
        free[v] &= labels[v] == 0


@numba.njit(cache=True, nogil=True)
def _quantise(values, low, scale, height):  # type: ignore[no-untyped-def]
    for i in range(values.size):
        height[i] = 255 - np.uint8(np.floor((values[i] - low) * scale + np.float32(0.5)))


@numba.njit(cache=True, nogil=True)
def _shore(labels, up, back, here, ahead, down, found):  # type: ignore[no-untyped-def]
    """Positions in a row of seeds with a free neighbour; how many. `here` has one voxel more at either end."""
    count = 0
    for x in range(labels.size):
        found[count] = x
        count += (labels[x] != 0) & (up[x] | back[x] | here[x] | here[x + 2] | ahead[x] | down[x])
    return count


# One queue per height, as a list linked through `after`: a voxel enters one queue once, so 4 bytes a voxel are enough.
@numba.njit(cache=True, nogil=True)
def _flood(height, labels, free_voxels, after):  # type: ignore[no-untyped-def]
    nz, ny, nx = height.shape
    heights, ids, free = height.reshape(-1), labels.reshape(-1), free_voxels.reshape(-1)
    heads = np.full(256, -1, dtype=np.int64)
    tails = np.full(256, -1, dtype=np.int64)
    steps = np.array([-ny * nx, -nx, -1, 1, nx, ny * nx])
    nothing = np.zeros(nx, dtype=np.uint8)
    here = np.zeros(nx + 2, dtype=np.uint8)
    found = np.empty(nx, dtype=np.int64)
    for z in range(nz):
        for y in range(ny):
            here[1:-1] = free_voxels[z, y]
            count = _shore(
                labels[z, y],
                free_voxels[z - 1, y] if z > 0 else nothing,
                free_voxels[z, y - 1] if y > 0 else nothing,
                here,
                free_voxels[z, y + 1] if y + 1 < ny else nothing,
                free_voxels[z + 1, y] if z + 1 < nz else nothing,
                found,
            )
            for x in found[:count]:
                v = (z * ny + y) * nx + x
                _append(v, heights[v], heads, tails, after)
    for z in range(nz):
        for y in range(ny):
            ways = (z > 0) << 1 | (y > 0) << 2 | (y + 1 < ny) << 5 | (z + 1 < nz) << 6
            _mark_ways(free_voxels[z, y], ways)
    level = np.int64(0)
    while level < 256:
        v = heads[level]
        if v < 0:
            level += 1
            continue
        heads[level] = np.int64(after[v]) if v != tails[level] else -1
        for d in range(6):
            if (free[v] >> (d + 1)) & 1:
                u = v + steps[d]
                if free[u] & 1:
                    free[u] ^= 1
                    ids[u] = ids[v]
                    _append(u, heights[u], heads, tails, after)
                    level = min(level, np.int64(heights[u]))


@numba.njit(cache=True, nogil=True)
def _mark_ways(row, ways):  # type: ignore[no-untyped-def]
    """Bits 1 to 6 of a voxel: has it a neighbour in -z, -y, -x, +x, +y, +z? Bit 0 stays: is it free?"""
    for x in range(row.size):
        row[x] |= ways | (x > 0) << 3 | (x + 1 < row.size) << 4


@numba.njit(cache=True, nogil=True, inline="always")
def _append(v, level, heads, tails, after):  # type: ignore[no-untyped-def]
    if heads[level] < 0:
        heads[level] = v
    else:
        after[tails[level]] = v
    tails[level] = v
