"""Mutex watershed: attraction joins, repulsion forbids, strongest edge first (Wolf et al. 2018)."""

from collections.abc import Sequence

import numba
import numpy as np

from scripts.ops.decoding.probability_checks import check_range, checked_prediction, levels, threshold_in
from scripts.ops.labels.connected_components import drop_small
from scripts.ops.targets.affinity_convention import LONG_RANGE, AffinityConvention
from scripts.ops.union_find import find_root

STRIDES = (1, 4, 4)
"""Repulsive edges are taken on this grid (z, y, x), as published programs do; attractive edges everywhere."""


def mutex_watershed(
    affinities: np.ndarray,
    convention: AffinityConvention = LONG_RANGE,
    *,
    low: float = 0.0,
    strides: Sequence[int] = STRIDES,
    dust: int = 0,
    foreground: np.ndarray | None = None,
) -> np.ndarray:
    """Short- and long-range affinities to instances, without seeds or thresholds.

    Edges are visited by falling strength: affinity for attractive channels, 1 - affinity for repulsive ones. An
    attractive edge joins its two clusters unless they are mutually exclusive; a repulsive edge makes two clusters
    mutually exclusive unless they are one already. Strengths are compared in 65,536 levels (exact for uint8); equal
    ones by channel, then by the index of the voxel where the affinity is stored.

    Args:
        affinities: (channels, z, y, x) floats in [0, 1], or uint8 for value / 255.
        convention: offsets, and which of them repel; at least one must.
        low: attractive edges exist where the affinity is > low; a voxel that none reaches stays alone, as dust.
        strides: repulsive edges start at voxels whose z, y, x are multiples of these.
        dust: clusters with fewer voxels become background.
        foreground: (z, y, x) bool; all other voxels stay 0 and have no edges.

    Returns:
        (z, y, x) ids 1, 2, ... in the order of their first voxel; uint32.

    Raises:
        ValueError: no repulsive channel, values out of range, or more than 2^32 edges (decode in blocks).
    """
    if not any(convention.repulsive):
        raise ValueError("the mutex watershed needs repulsive channels; a convention such as LONG_RANGE has them")
    strides = tuple(int(stride) for stride in strides)
    if len(strides) != 3 or min(strides) < 1:
        raise ValueError(f"strides {strides} are not three whole numbers of at least 1 (z, y, x)")
    affinities = checked_prediction(affinities, convention.channels, "affinities")
    check_range(affinities, name="affinities")
    shape = affinities.shape[1:]
    if dust < 0:
        raise ValueError(f"dust {dust} is a voxel count, 0 or more")
    if affinities.size >= 2**32:
        raise ValueError(f"affinities of shape {affinities.shape} have more than 2^32 edges; decode a smaller box")
    inside = np.ones(shape, dtype=np.uint8)
    if foreground is not None:
        if foreground.shape != shape:
            raise ValueError(f"foreground has shape {foreground.shape}, affinities cover {shape} (z, y, x)")
        inside = np.ascontiguousarray(foreground != 0).view(np.uint8)
    offsets = np.array(convention.offsets, dtype=np.int64)
    repulsive = np.array(convention.repulsive)
    floor, _ = levels(affinities.dtype, threshold_in(low, "low"))
    edges = _sorted_edges(affinities, _unit(affinities), floor, inside, offsets, repulsive, np.array(strides))
    steps = offsets @ np.array([shape[1] * shape[2], shape[2], 1])
    clusters = np.empty(shape, dtype=np.uint32)
    count = _cluster(edges, steps, repulsive, inside.reshape(-1), clusters.reshape(-1))
    drop_small(clusters, int(count), dust)
    return clusters


def _unit(affinities: np.ndarray) -> np.float64:
    """Level of one unit: 257 for uint8 (255 becomes 65,535), 65,535 for floats."""
    return np.float64(257.0 if affinities.dtype == np.uint8 else 65535.0)


@numba.njit(cache=True, nogil=True)
def _range(size, step, stride):  # type: ignore[no-untyped-def]
    """Start (a multiple of the stride) and stop of the voxels for which the step stays inside."""
    begin = max(0, -step)
    return -(-begin // stride) * stride, min(size, size - step)


@numba.njit(cache=True, nogil=True)
def _sorted_edges(affinities, unit, low, inside, offsets, repulsive, strides):  # type: ignore[no-untyped-def]
    """channel * voxels + voxel of every edge, by falling strength, then channel, then voxel: a counting sort."""
    channels, nz, ny, nx = affinities.shape
    starts = np.zeros(65537, dtype=np.int64)
    edges = np.empty(0, dtype=np.uint32)
    for scatter in range(2):
        for c in range(channels):
            dz, dy, dx = offsets[c]
            sz, sy, sx = strides if repulsive[c] else np.ones_like(strides)
            z0, z1 = _range(nz, dz, sz)
            y0, y1 = _range(ny, dy, sy)
            x0, x1 = _range(nx, dx, sx)
            for z in range(z0, z1, sz):
                for y in range(y0, y1, sy):
                    for x in range(x0, x1, sx):
                        if not (inside[z, y, x] and inside[z + dz, y + dy, x + dx]):
                            continue
                        if not repulsive[c] and affinities[c, z, y, x] <= low:
                            continue
                        level = np.int64(np.float64(affinities[c, z, y, x]) * unit + 0.5)
                        weakness = level if repulsive[c] else 65535 - level
                        if scatter:
                            edges[starts[weakness]] = ((c * nz + z) * ny + y) * nx + x
                            starts[weakness] += 1
                        else:
                            starts[weakness + 1] += 1
        if not scatter:
            starts = np.cumsum(starts)
            edges = np.empty(starts[-1], dtype=np.uint32)
    return edges


# Clusters are union-find trees. The exclusions of a cluster are a linked list at its root, and all pairs of exclusive
# roots are in a hash set; the cluster with the shorter list moves its exclusions to the other.
@numba.njit(cache=True, nogil=True)
def _cluster(edges, steps, repulsive, inside, clusters):  # type: ignore[no-untyped-def]
    voxels = clusters.size
    parent = clusters
    for v in range(voxels):
        parent[v] = v
    head = np.zeros(voxels, dtype=np.uint32)  # 1 + row of the first exclusion
    length = np.zeros(voxels, dtype=np.uint32)
    other = np.empty(1024, dtype=np.uint32)
    after = np.empty(1024, dtype=np.uint32)
    free = np.uint32(0)  # 1 + first row to use again
    rows = np.int64(0)
    pairs = np.zeros(4096, dtype=np.uint64)
    used = 0
    for edge in edges:
        c, v = np.int64(edge) // voxels, np.int64(edge) % voxels
        a, b = find_root(parent, v), find_root(parent, v + steps[c])
        if a == b:
            continue
        if length[a] < length[b]:
            a, b = b, a
        slot = _slot(pairs, _key(a, b)) if length[b] else np.int64(-1)
        exclusive = slot >= 0 and pairs[slot] != 0
        if exclusive:
            continue
        if 2 * (used + np.int64(length[b]) + 2) > pairs.size:
            pairs, used = _refilled(pairs, parent, np.int64(length[b]) + 2)
        if repulsive[c]:
            pairs[_slot(pairs, _key(a, b))] = _key(a, b)
            used += 1
            for end, far in ((a, b), (b, a)):
                if free:
                    row = np.int64(free) - 1
                    free = after[row]
                else:
                    if rows == other.size:
                        other = np.concatenate((other, np.empty_like(other)))
                        after = np.concatenate((after, np.empty_like(after)))
                    row = rows
                    rows += 1
                other[row], after[row] = far, head[end]
                head[end] = row + 1
                length[end] += np.uint32(1)
            continue
        parent[b] = a
        entry = head[b]
        while entry:
            row = np.int64(entry) - 1
            entry = after[row]
            far = find_root(parent, np.int64(other[row]))
            key = _key(a, far)
            slot = _slot(pairs, key)
            if pairs[slot] == 0:
                pairs[slot] = key
                used += 1
                after[row], head[a] = head[a], row + 1
                length[a] += np.uint32(1)
            else:
                after[row], free = free, np.uint32(row + 1)
    return _number(parent, inside, head)


@numba.njit(cache=True, nogil=True, inline="always")
def _key(a, b):  # type: ignore[no-untyped-def]
    return (np.uint64(min(a, b)) << np.uint64(32)) + np.uint64(max(a, b)) + np.uint64(1)


@numba.njit(cache=True, nogil=True)
def _slot(pairs, key):  # type: ignore[no-untyped-def]
    mask = pairs.size - 1
    slot = np.int64((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(24)) & mask
    while pairs[slot] != 0 and pairs[slot] != key:
        slot = (slot + 1) & mask
    return slot


@numba.njit(cache=True, nogil=True)
def _both_roots(key, parent):  # type: ignore[no-untyped-def]
    a, b = np.int64((key - np.uint64(1)) >> np.uint64(32)), np.int64((key - np.uint64(1)) & np.uint64(2**32 - 1))
    return parent[a] == a and parent[b] == b


@numba.njit(cache=True, nogil=True)
def _refilled(pairs, parent, room):  # type: ignore[no-untyped-def]
    """The set without pairs of which one end is no root any more, large enough for `room` more."""
    live = 0
    for key in pairs:
        if key:
            live += _both_roots(key, parent)
    size = pairs.size
    while 4 * (live + room) > size:
        size *= 2
    fresh = np.zeros(size, dtype=np.uint64)
    for key in pairs:
        if key and _both_roots(key, parent):
            fresh[_slot(fresh, key)] = key
    return fresh, live


@numba.njit(cache=True, nogil=True)
def _number(parent, inside, number):  # type: ignore[no-untyped-def]
    """Replace parents by numbers in the order of each cluster's first voxel; `number` is scratch of the same length."""
    number[:] = 0
    count = 0
    for v in range(parent.size):
        if inside[v]:
            root = find_root(parent, v)
            if number[root] == 0:
                count += 1
                number[root] = count
    for v in range(parent.size):
        find_root(parent, v)
    for v in range(parent.size):
        root = v
        while parent[root] != root:
            root = np.int64(parent[root])
        number[v] = number[root]
    for v in range(parent.size):
        parent[v] = number[v] if inside[v] else 0
    return count
