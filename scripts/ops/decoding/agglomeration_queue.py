"""The priority queue of agglomeration: merge the most similar pair, combine its borders, rescore, repeat."""

import numba
import numpy as np

from scripts.ops.decoding.boundary_histograms import initial_scores, new_pool, pooled_score, pour
from scripts.ops.union_find import find_root


def merge_order(
    first: np.ndarray,
    second: np.ndarray,
    sums: np.ndarray,
    faces: np.ndarray,
    bins: np.ndarray,
    starts: np.ndarray,
    quantile: float,
    thresholds: np.ndarray,
    count: int,
) -> np.ndarray:
    """For each threshold the segment of every fragment, after all merges of a score below it.

    Score = 1 - mean affinity of the border's faces, or 1 - their quantile. The lowest score merges first; equal scores:
    the border whose first face a scan meets first. Merged borders are pooled face by face and scored anew at once.

    Args:
        first, second: fragment ids of each border, in scan order.
        sums, faces: sum of affinities (in units of 1) and number of faces of each border.
        bins, starts: bins 0..255 of all faces, grouped by border; empty for the mean.
        quantile: 0 for the mean, else a percentage in (0, 100].
        thresholds: ascending scores.
        count: number of fragments.

    Returns:
        (thresholds, count + 1) ids: the lowest fragment of each segment.
    """
    score = initial_scores(sums, faces, bins, starts, quantile)
    order = np.flatnonzero(score < thresholds[-1])
    order = order[np.argsort(score[order], kind="stable")]
    return _merge(first, second, sums.copy(), faces.copy(), bins, starts, quantile, thresholds, count, score, order)


@numba.njit(cache=True, nogil=True)
def _merge(first, second, sums, faces, bins, starts, quantile, thresholds, count, score, order):  # type: ignore[no-untyped-def]
    edges = first.size
    parent = np.arange(count + 1)
    lowest = np.arange(count + 1)
    rank = np.arange(edges)
    dead = np.zeros(edges, dtype=np.bool_)
    rescored = np.zeros(edges, dtype=np.int64)
    # Borders of each segment: half 2e belongs to first[e], half 2e + 1 to second[e], in lists linked by `after`.
    ends, after, head, degree = _lists(first, second, count)
    size = 16
    while size < 3 * edges:
        size *= 2
    table = np.zeros((size, 2), dtype=np.uint64)
    used = _fill(table, ends, parent, dead)
    pool = new_pool(edges, starts[-1], quantile)
    heap = (np.empty(edges, dtype=np.float64), np.empty((edges, 3), dtype=np.int64))  # score; rank, border, rescored
    waiting = position = step = 0
    snapshots = np.zeros((thresholds.size, count + 1), dtype=np.int64)
    while True:
        while position < order.size and (dead[order[position]] or rescored[order[position]]):
            position += 1
        while waiting and (dead[heap[1][0, 1]] or rescored[heap[1][0, 1]] != heap[1][0, 2]):
            waiting = _pop(heap, waiting)
        if position == order.size and waiting == 0:
            break
        e = heap[1][0, 1] if waiting else order[position]
        if waiting and position < order.size:
            other = order[position]
            if score[other] < score[e] or (score[other] == score[e] and rank[other] < rank[e]):
                e = other
        while step < thresholds.size and score[e] >= thresholds[step]:
            _snapshot(parent, lowest, snapshots[step])
            step += 1
        if step == thresholds.size:
            break
        kept, gone = find_root(parent, ends[2 * e]), find_root(parent, ends[2 * e + 1])
        if degree[kept] < degree[gone]:
            kept, gone = gone, kept
        dead[e] = True
        parent[gone] = kept
        lowest[kept] = min(lowest[kept], lowest[gone])
        if 4 * (used + degree[gone]) > 3 * size:
            used = _fill(table, ends, parent, dead)
        half = head[gone]
        while half >= 0:
            following, moved = after[half], half >> 1
            if not dead[moved]:
                neighbour = find_root(parent, ends[half ^ 1])
                slot = _slot(table, kept, neighbour)
                if table[slot, 1]:
                    into = np.int64(table[slot, 1]) - 1
                    dead[moved] = True
                    rank[into] = min(rank[into], rank[moved])
                    sums[into] += sums[moved]
                    faces[into] += faces[moved]
                    rescored[into] += 1
                    if quantile == 0:
                        score[into] = 1 - sums[into] / faces[into]
                    else:
                        pour(pool, bins, starts, moved, into, faces[into])
                        score[into] = pooled_score(pool, bins, starts, into, faces[into], quantile)
                    if score[into] < thresholds[-1]:
                        waiting = _push(heap, waiting, score[into], rank[into], into, rescored[into])
                else:
                    table[slot, 0], table[slot, 1] = _key(kept, neighbour), moved + 1
                    used += 1
                    ends[half] = kept
                    after[half], head[kept] = head[kept], half
                    degree[kept] += 1
            half = following
    while step < thresholds.size:
        _snapshot(parent, lowest, snapshots[step])
        step += 1
    return snapshots


@numba.njit(cache=True, nogil=True)
def _snapshot(parent, lowest, segment):  # type: ignore[no-untyped-def]
    for a in range(parent.size):
        segment[a] = lowest[find_root(parent, a)]


@numba.njit(cache=True, nogil=True)
def _lists(first, second, count):  # type: ignore[no-untyped-def]
    ends = np.empty(2 * first.size, dtype=np.int64)
    after = np.empty(2 * first.size, dtype=np.int64)
    head = np.full(count + 1, -1, dtype=np.int64)
    degree = np.zeros(count + 1, dtype=np.int64)
    for h in range(ends.size):
        a = np.int64(first[h >> 1]) if h % 2 == 0 else np.int64(second[h >> 1])
        ends[h] = a
        after[h], head[a] = head[a], h
        degree[a] += 1
    return ends, after, head, degree


# Which border joins two segments: open addressing; entries of segments that are gone are never asked for again and are
# dropped when the table is filled anew.
@numba.njit(cache=True, nogil=True, inline="always")
def _key(a, b):  # type: ignore[no-untyped-def]
    return np.uint64(min(a, b)) << np.uint64(32) | np.uint64(max(a, b))


@numba.njit(cache=True, nogil=True)
def _slot(table, a, b):  # type: ignore[no-untyped-def]
    mask = len(table) - 1
    key = _key(a, b)
    slot = np.int64((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(24)) & mask
    while table[slot, 1] and table[slot, 0] != key:
        slot = (slot + 1) & mask
    return slot


@numba.njit(cache=True, nogil=True)
def _fill(table, ends, parent, dead):  # type: ignore[no-untyped-def]
    table[:] = 0
    used = 0
    for e in range(dead.size):
        if not dead[e]:
            a, b = find_root(parent, ends[2 * e]), find_root(parent, ends[2 * e + 1])
            slot = _slot(table, a, b)
            if not table[slot, 1]:
                table[slot, 0], table[slot, 1] = _key(a, b), e + 1
                used += 1
    return used


@numba.njit(cache=True, nogil=True)
def _less(heap, i, j):  # type: ignore[no-untyped-def]
    return heap[0][i] < heap[0][j] or (heap[0][i] == heap[0][j] and heap[1][i, 0] < heap[1][j, 0])


@numba.njit(cache=True, nogil=True)
def _swap(heap, i, j):  # type: ignore[no-untyped-def]
    heap[0][i], heap[0][j] = heap[0][j], heap[0][i]
    for k in range(3):
        heap[1][i, k], heap[1][j, k] = heap[1][j, k], heap[1][i, k]


@numba.njit(cache=True, nogil=True)
def _push(heap, waiting, score, rank, border, rescored):  # type: ignore[no-untyped-def]
    heap[0][waiting] = score
    heap[1][waiting, 0], heap[1][waiting, 1], heap[1][waiting, 2] = rank, border, rescored
    i = waiting
    while i > 0 and _less(heap, i, (i - 1) // 2):
        _swap(heap, i, (i - 1) // 2)
        i = (i - 1) // 2
    return waiting + 1


@numba.njit(cache=True, nogil=True)
def _pop(heap, waiting):  # type: ignore[no-untyped-def]
    waiting -= 1
    _swap(heap, 0, waiting)
    i = 0
    while True:
        child = 2 * i + 1
        if child >= waiting:
            return waiting
        if child + 1 < waiting and _less(heap, child + 1, child):
            child += 1
        if not _less(heap, child, i):
            return waiting
        _swap(heap, i, child)
        i = child
