"""Plateaus of an affinity graph: split between their exits; those that continue outside a block, which needs others.

Codes are those of `steepest_ascent`; `bounds` are the block's in the array: z0 z1 y0 y1 x0 x1.
"""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True, inline="always")
def row_of(line, shape, bounds):  # type: ignore[no-untyped-def]
    """The flat indices of the block in a row of the array, first and stop; the same twice where it has none."""
    z, y = line // shape[1], line % shape[1]
    if z < bounds[0] or z >= bounds[1] or y < bounds[2] or y >= bounds[3]:
        return line * shape[2], line * shape[2]
    return line * shape[2] + bounds[4], line * shape[2] + bounds[5]


@numba.njit(cache=True, nogil=True, inline="always")
def stride_at_faces(line, shape, bounds):  # type: ignore[no-untyped-def]
    """From one voxel of a row to the next that is at a face of the block: 1, or from the first to the last."""
    y, z = line % shape[1], line // shape[1]
    inner = bounds[0] < z < bounds[1] - 1 and bounds[2] < y < bounds[3] - 1
    return max(1, bounds[5] - bounds[4] - 1) if inner else 1


@numba.njit(cache=True, nogil=True, inline="always")
def leaves(v, d, shape, bounds):  # type: ignore[no-untyped-def]
    """Whether one step from a voxel of the block in direction d is outside the block."""
    axis = d if d < 3 else 5 - d
    at = v // (shape[1] * shape[2]) if axis == 0 else (v // shape[2] % shape[1] if axis == 1 else v % shape[2])
    return at == bounds[2 * axis] if d < 3 else at == bounds[2 * axis + 1] - 1


@numba.njit(cache=True, nogil=True)
def split_plateaus(codes, parent, step, exits):  # type: ignore[no-untyped-def]
    """Rule 3 of `steepest_ascent`: breadth first from all exits; among parents of one layer the lowest index wins."""
    layer = exits
    distance = 1
    while layer.size:
        following = np.empty(max(layer.size, 16), dtype=parent.dtype)
        found = 0
        deeper = distance % 3 + 1
        for i in range(layer.size):
            v = np.int64(layer[i])
            for d in range(6):
                u = v + step[d]
                if not (codes[v] >> d) & 1 or not (codes[u] >> (5 - d)) & 1:
                    continue
                reached = codes[u] >> 6
                if reached == 0:
                    codes[u] |= deeper << 6
                    parent[u] = v
                    if found == following.size:
                        following = np.concatenate((following, np.empty_like(following)))
                    following[found] = u
                    found += 1
                elif reached == deeper and v < parent[u]:
                    parent[u] = v
        layer = following[:found]
        distance = deeper


@numba.njit(cache=True, nogil=True)
def open_plateaus(affinities, high, codes, step, shape, bounds, kind):  # type: ignore[no-untyped-def]
    """Mark and return the voxels of plateaus that lead out of the block and are not saturated."""
    found = np.int64(0)
    voxels = np.empty(1024, dtype=kind.dtype)
    weights = affinities.reshape(3, -1)
    for line in range(shape[0] * shape[1]):
        first, stop = row_of(line, shape, bounds)
        for v in range(first, stop, stride_at_faces(line, shape, bounds)):
            if codes[v] > 127:
                continue
            for d in range(6):
                u = v + step[d]
                if (codes[v] >> d) & 1 and leaves(v, d, shape, bounds) and (codes[u] >> (5 - d)) & 1:
                    weight = weights[d, v] if d < 3 else weights[5 - d, u]
                    if weight < high and codes[v] < 128:
                        found, voxels = _flood(v, codes, step, shape, bounds, found, voxels)
    return voxels[:found]


@numba.njit(cache=True, nogil=True)
def _flood(v, codes, step, shape, bounds, found, voxels):  # type: ignore[no-untyped-def]
    """Append all voxels of the block on the plateau of v to `voxels`."""
    begin = found
    codes[v] |= 128
    found, voxels = found + 1, appended(voxels, found, v)
    while begin < found:
        v = np.int64(voxels[begin])
        begin += 1
        for d in range(6):
            u = v + step[d]
            if not (codes[v] >> d) & 1 or leaves(v, d, shape, bounds):
                continue
            if (codes[u] >> (5 - d)) & 1 and codes[u] < 128:
                codes[u] |= 128
                voxels = appended(voxels, found, u)
                found += 1
    return found, voxels


@numba.njit(cache=True, nogil=True)
def plateau_edges(codes, plateau, step):  # type: ignore[no-untyped-def]
    edges = np.zeros(plateau.size, dtype=np.uint8)
    exits = np.zeros(plateau.size, dtype=np.bool_)
    for i in range(plateau.size):
        v = np.int64(plateau[i])
        exits[i] = codes[v] >> 6 == 3
        for d in range(6):
            if (codes[v] >> d) & 1 and (codes[v + step[d]] >> (5 - d)) & 1:
                edges[i] |= 1 << d
    return edges, exits


@numba.njit(cache=True, nogil=True, inline="always")
def appended(voxels, found, v):  # type: ignore[no-untyped-def]
    if found == voxels.size:
        voxels = np.concatenate((voxels, np.empty_like(voxels)))
    voxels[found] = v
    return voxels


@numba.njit(cache=True, nogil=True, inline="always")
def with_room(voxels, count):  # type: ignore[no-untyped-def]
    if count > voxels.size:
        voxels = np.concatenate((voxels, np.empty(count, dtype=voxels.dtype)))
    return voxels
