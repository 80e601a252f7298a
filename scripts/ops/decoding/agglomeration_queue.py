"""The priority queue of agglomeration: merge the most similar pair, combine its borders, rescore, repeat."""

from dataclasses import dataclass

import numba
import numpy as np

from scripts.ops.decoding.boundary_histograms import (
    initial_scores,
    mean_score,
    new_pool,
    pooled_score,
    pooled_values,
    pour,
    quantile_share,
)
from scripts.ops.decoding.region_graph import RegionGraph
from scripts.ops.union_find import find_root


@dataclass(frozen=True)
class Merges:
    """What was merged, and what is left.

    Attributes:
        kept, gone: (merges,) ids of the segments of each merge: any member of either.
        score: (merges,) at which it happened.
        left: the borders that a part of a volume could not decide; empty for a volume.
        bins, starts: the bins of the faces of those, grouped by border; empty for the mean.
    """

    kept: np.ndarray
    gone: np.ndarray
    score: np.ndarray
    left: RegionGraph
    bins: np.ndarray
    starts: np.ndarray

    def segments_at(self, threshold: float, count: int) -> np.ndarray:
        """(count + 1,) the lowest fragment of each fragment's segment, after all merges of a score below it."""
        below = self.score < threshold
        segments: np.ndarray = _joined(self.kept[below], self.gone[below], count)
        return segments


def merge_by_score(
    graph: RegionGraph,
    bins: np.ndarray,
    starts: np.ndarray,
    quantile: float,
    limit: float,
    count: int,
    uncertain: np.ndarray | None = None,
) -> Merges:
    """Merge while the lowest score is below the limit.

    Score = 1 - mean affinity of the border's faces, or 1 - their quantile. The lowest score merges first; equal scores:
    the border whose last face comes first. Merged borders are pooled face by face and scored anew at once.

    In a part of a volume some segments have borders elsewhere. Two segments merge here if neither is uncertain and each
    is the other's best neighbour; segments whose best neighbour is uncertain become so. As a pooled border is never
    better than the better of its two, no border elsewhere can change that. Borders of a segment that stayed certain
    have reached the limit for good and are not left.

    Args:
        graph: the borders of the fragments.
        bins, starts: bins 0..255 of all faces, grouped by border; empty for the mean.
        quantile: 0 for the mean, else a percentage in (0, 100].
        limit: the largest threshold.
        count: number of fragments.
        uncertain: (count + 1,) bool, fragments with borders elsewhere; none by default.
    """
    share = quantile_share(quantile)
    score = initial_scores(graph.total, graph.faces, graph.unit, bins, starts, share)
    order = np.flatnonzero(score < limit)
    order = order[np.lexsort((graph.last[order], score[order]))]
    total, faces, last = graph.total.copy(), graph.faces.copy(), graph.last.copy()
    blocked = np.zeros(count + 1, dtype=bool) if uncertain is None else uncertain.copy()
    if graph.pairs == 0:
        nothing = np.empty(0, dtype=np.int64)
        return Merges(nothing, nothing, np.empty(0), graph, bins, starts)
    kept, gone, at, first, second, left, left_bins, left_starts = _merge(
        graph.first,
        graph.second,
        total,
        faces,
        last,
        graph.unit,
        bins,
        starts,
        share,
        limit,
        count,
        score,
        order,
        blocked,
    )
    rest = RegionGraph(
        first=np.minimum(first, second)[left],
        second=np.maximum(first, second)[left],
        largest=graph.largest[:0],
        total=total[left],
        faces=faces[left],
        last=last[left],
        unit=graph.unit,
    )
    return Merges(kept, gone, at, rest, left_bins, left_starts)


@numba.njit(cache=True, nogil=True)
def _joined(kept, gone, count):  # type: ignore[no-untyped-def]
    parent = np.arange(count + 1)
    for i in range(kept.size):
        a, b = find_root(parent, np.int64(kept[i])), find_root(parent, np.int64(gone[i]))
        parent[max(a, b)] = min(a, b)
    for a in range(parent.size):
        parent[a] = find_root(parent, a)
    return parent


@numba.njit(cache=True, nogil=True)
def _merge(first, second, total, faces, last, unit, bins, starts, share, limit, count, score, order, blocked):  # type: ignore[no-untyped-def]
    edges = first.size
    parent = np.arange(count + 1)
    dead = np.zeros(edges, dtype=np.bool_)
    undecided = np.zeros(edges, dtype=np.bool_)
    rescored = np.zeros(edges, dtype=np.int64)
    merged_kept = np.empty(count, dtype=np.int64)
    merged_gone = np.empty(count, dtype=np.int64)
    merged_at = np.empty(count, dtype=np.float64)
    merges = 0
    # Borders of each segment: half 2e belongs to first[e], half 2e + 1 to second[e], in lists linked by `after`.
    ends, after, head, degree = _lists(first, second, count)
    size = 16
    while size < 3 * edges:
        size *= 2
    table = np.zeros((size, 2), dtype=np.uint64)
    used = _fill(table, ends, parent, dead)
    pool = new_pool(edges, starts[-1], share)
    heap = (np.empty(edges, dtype=np.float64), np.empty((edges, 3), dtype=np.int64))  # score; last, border, rescored
    waiting = position = 0
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
            if score[other] < score[e] or (score[other] == score[e] and last[other] < last[e]):
                e = other
        if score[e] >= limit:
            break
        kept, gone = find_root(parent, ends[2 * e]), find_root(parent, ends[2 * e + 1])
        if degree[kept] < degree[gone]:
            kept, gone = gone, kept
        dead[e] = True
        if blocked[kept] or blocked[gone]:
            blocked[kept] = blocked[gone] = undecided[e] = True
            continue
        parent[gone] = kept
        merged_kept[merges], merged_gone[merges], merged_at[merges] = kept, gone, score[e]
        merges += 1
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
                    last[into] = max(last[into], last[moved])
                    total[into] += total[moved]
                    faces[into] += faces[moved]
                    rescored[into] += 1
                    if share == 0:
                        score[into] = mean_score(total[into], faces[into], unit)
                    else:
                        pour(pool, bins, starts, moved, into, faces[into])
                        score[into] = pooled_score(pool, bins, starts, into, faces[into], share)
                    if score[into] < limit:
                        waiting = _push(heap, waiting, score[into], last[into], into, rescored[into])
                else:
                    table[slot, 0], table[slot, 1] = _key(kept, neighbour), moved + 1
                    used += 1
                    ends[half] = kept
                    after[half], head[kept] = head[kept], half
                    degree[kept] += 1
            half = following
    kept_first = np.empty(edges, dtype=np.int64)
    kept_second = np.empty(edges, dtype=np.int64)
    left = np.zeros(edges, dtype=np.bool_)
    for e in range(edges):
        if undecided[e] or not dead[e]:
            kept_first[e], kept_second[e] = find_root(parent, ends[2 * e]), find_root(parent, ends[2 * e + 1])
            left[e] = blocked[kept_first[e]] and blocked[kept_second[e]]
    left_bins, left_starts = bins[:0].copy(), np.zeros(1, dtype=np.int64)
    if share:
        left_bins, left_starts = pooled_values(pool, bins, starts, np.flatnonzero(left), faces)
    merged_kept, merged_gone, merged_at = merged_kept[:merges], merged_gone[:merges], merged_at[:merges]
    return merged_kept, merged_gone, merged_at, kept_first, kept_second, left, left_bins, left_starts


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


# Which border joins two segments: open addressing; entries of segments that are gone are never looked up again and are
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
def _push(heap, waiting, score, last, border, rescored):  # type: ignore[no-untyped-def]
    heap[0][waiting] = score
    heap[1][waiting, 0], heap[1][waiting, 1], heap[1][waiting, 2] = last, border, rescored
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
