"""Merge basins by size, small ones across strong borders: in a volume, or as far as a part of it can decide."""

from collections.abc import Iterable
from dataclasses import dataclass

import numba
import numpy as np

from scripts.ops.decoding.border_order import descending
from scripts.ops.decoding.probability_checks import levels
from scripts.ops.decoding.region_graph import RegionGraph
from scripts.ops.union_find import find_root


@dataclass(frozen=True)
class SizeRule:
    """Steps 2 to 4 of `zwatershed` with all affinities in the array's own numbers.

    Attributes:
        floor: borders whose largest affinity is <= floor never matter.
        weak, joined: basins merge where the largest affinity is > weak and, with `join`, >= joined.
        size, dust: voxels.
    """

    floor: float
    weak: float
    joined: float
    size: int
    dust: int

    @classmethod
    def of(cls, dtype: np.dtype, low: float, weak: float, size: int, dust: int, join: float | None) -> "SizeRule":
        """The rule for affinities of a dtype; `low`, `weak` and `join` as in `zwatershed`."""
        low, _ = levels(dtype, low)
        weak, _ = levels(dtype, weak)
        if join is None:
            return cls(max(low, weak), weak, np.inf, size, dust)
        _, joined = levels(dtype, join)
        return cls(max(low, min(weak, float(np.nextafter(joined, -1)))), weak, joined, size, dust)


def segments_of_basins(
    pairs: np.ndarray, weights: np.ndarray, sizes: np.ndarray, rule: SizeRule, merged: Iterable[np.ndarray] = ()
) -> np.ndarray:
    """The segment 1, 2, ... of every basin, 0 for dust; uint32 below 2^32 basins.

    Args:
        pairs, weights: borders of basins and their largest affinities, in `descending` order.
        sizes: voxels of basins 0, 1, ...; in the end the lowest basin of a segment has the voxels of all.
        rule: when to merge.
        merged: arrays of (2, pairs) basins that are one already, of `contracted_by_size`.
    """
    parent = np.arange(sizes.size, dtype=np.uint32 if sizes.size <= 2**32 else np.int64)
    for joined in merged:
        _unite_all(joined, parent, sizes)
    _merge(pairs, weights, parent, sizes, rule.size, rule.weak, rule.dust, rule.joined)
    return parent


def contracted_by_size(
    graph: RegionGraph, sizes: np.ndarray, rule: SizeRule, uncertain: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Step 2 of `zwatershed` in a part of a volume, as far as it can be decided there.

    Borders come in the same order as in the volume. One of two segments of `size` voxels or more is dropped for good.
    One between certain segments is decided. A certain small segment joins one that is known to be large. Of any other
    border both segments become uncertain, and it is kept.

    Args:
        graph: borders of the part, basins numbered in the order of the volume.
        sizes: voxels in the whole volume of basins 0, 1, ...; used up.
        rule: when to merge.
        uncertain: (basins + 1,) bool, those that have borders elsewhere; used up.

    Returns:
        (2, pairs) basins that are one, and the borders to be kept: (2, borders) basins and their largest affinities.
    """
    pairs, weights = descending(lambda: [(graph.first, graph.second, graph.largest)])
    parent = np.arange(sizes.size, dtype=np.uint32)
    kept = _contract(pairs, weights, parent, sizes, uncertain, rule.size, rule.weak)
    inside = np.flatnonzero(parent != np.arange(parent.size))
    ends = np.stack([pairs >> np.uint64(32), pairs & np.uint64(2**32 - 1)]).astype(np.uint32)
    kept |= (weights >= rule.joined) & (parent[ends[0]] != parent[ends[1]])
    return np.stack([parent[inside], inside.astype(np.uint32)]), ends[:, kept], weights[kept]


@numba.njit(cache=True, nogil=True)
def _unite_all(joined, parent, sizes):  # type: ignore[no-untyped-def]
    for i in range(joined.shape[1]):
        a, b = find_root(parent, np.int64(joined[0, i])), find_root(parent, np.int64(joined[1, i]))
        _unite(parent, sizes, a, b)


@numba.njit(cache=True, nogil=True)
def _merge(pairs, weights, parent, sizes, size, weak, dust, joined):  # type: ignore[no-untyped-def]
    """Steps 2 to 4 of `zwatershed`; `parent` becomes the number of each basin's segment, 0 for dust."""
    for i in range(pairs.size):
        if weights[i] <= weak:
            break
        a, b = _roots(parent, pairs[i])
        if a != b and (sizes[a] < size or sizes[b] < size):
            _unite(parent, sizes, a, b)
    for i in range(pairs.size):
        if weights[i] < joined:
            break
        a, b = _roots(parent, pairs[i])
        if a != b and sizes[a] >= dust and sizes[b] >= dust:
            _unite(parent, sizes, a, b)
    for a in range(parent.size):
        parent[a] = find_root(parent, a)
    count = 0
    for a in range(parent.size):  # the root of a segment is its lowest basin, so it has its number already
        if parent[a] != a:
            parent[a] = parent[np.int64(parent[a])]
        elif a > 0 and sizes[a] >= dust:
            count += 1
            parent[a] = count
        else:
            parent[a] = 0


@numba.njit(cache=True, nogil=True, inline="always")
def _roots(parent, pair):  # type: ignore[no-untyped-def]
    first, second = np.int64(pair >> np.uint64(32)), np.int64(pair & np.uint64(2**32 - 1))
    return find_root(parent, first), find_root(parent, second)


@numba.njit(cache=True, nogil=True, inline="always")
def _unite(parent, sizes, a, b):  # type: ignore[no-untyped-def]
    """Join two roots, if they are two; the lower stays one."""
    low, high = min(a, b), max(a, b)
    if low != high:
        parent[high] = low
        sizes[low] += sizes[high]


@numba.njit(cache=True, nogil=True)
def _contract(pairs, weights, parent, sizes, uncertain, size, weak):  # type: ignore[no-untyped-def]
    kept = np.zeros(pairs.size, dtype=np.bool_)
    for i in range(pairs.size):
        if weights[i] <= weak:
            break
        a, b = _roots(parent, pairs[i])
        if a == b or (sizes[a] >= size and sizes[b] >= size):
            continue
        certain = not uncertain[a] and not uncertain[b]
        joins_large = (not uncertain[a] and sizes[a] < size and sizes[b] >= size) or (
            not uncertain[b] and sizes[b] < size and sizes[a] >= size
        )
        if certain or joins_large:
            uncertain[min(a, b)] = uncertain[a] or uncertain[b]
            _unite(parent, sizes, a, b)
        else:
            uncertain[a] = uncertain[b] = kept[i] = True
    for a in range(parent.size):
        parent[a] = find_root(parent, a)
    return kept
