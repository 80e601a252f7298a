"""The priority queue of agglomeration: merge the most similar pair, combine its borders, rescore, repeat."""

from collections.abc import Iterable
from dataclasses import dataclass

import numba
import numpy as np

from scripts.ops.decoding.border_heap import FRESH, comes_before, insert, remove, score_of
from scripts.ops.decoding.border_index import (
    NONE,
    end_of,
    find_border,
    keep_border,
    lists_of_borders,
    new_table,
    refill,
)
from scripts.ops.decoding.boundary_histograms import (
    new_pool,
    pooled_bin,
    pooled_values,
    pour,
    quantile_share,
    scores_below,
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
        return segments_below([(self.kept, self.gone, self.score)], threshold, count)


def segments_below(
    merges: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]], threshold: float, count: int
) -> np.ndarray:
    """As `Merges.segments_at`, for merges of many parts: (kept, gone, score) of each; uint32."""
    parent = np.arange(count + 1, dtype=np.uint32)
    for kept, gone, score in merges:
        _join_below(parent, kept, gone, score, threshold)
    _flatten(parent)
    return parent


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

    Memory: 46 bytes a border, with the 20 of the graph (50 from 2^32 faces on), 13 a fragment, 16 a merge, and for
    quantiles 21 a border and 1 a face more; 46 in all were measured with a fragment to every seven borders.

    Args:
        graph: the borders of the fragments by their last faces, as `by_last_face` orders them; used up.
        bins, starts: bins 0..255 of all faces, grouped by border; empty for the mean.
        quantile: 0 for the mean, else a percentage in (0, 100].
        limit: the largest threshold.
        count: number of fragments.
        uncertain: (count + 1,) bool, fragments with borders elsewhere; none by default.

    Raises:
        ValueError: 2^31 borders or more.
    """
    if graph.pairs >= 2**31:
        raise ValueError(
            f"{graph.pairs:,} borders of fragments; the merging numbers them in 31 bits. Raise size or weak"
        )
    share = quantile_share(quantile)
    ends = graph.first, graph.second
    below, score, bin_of = scores_below(graph.total, graph.faces, graph.unit, bins, starts, share, limit)
    order = below[np.argsort(score, kind="stable")]
    del below, score
    blocked = np.zeros(count + 1, dtype=bool) if uncertain is None else uncertain.copy()
    borders = graph.total, graph.faces, bin_of
    if graph.pairs == 0:
        nothing = np.empty(0, dtype=np.uint32)
        return Merges(nothing, nothing, np.empty(0), graph, bins, starts)
    pool = new_pool(graph.pairs, starts[-1], share)
    kept, gone, at, parent = _merge(ends, borders, graph.unit, bins, starts, share, limit, count, order, blocked, pool)
    left = np.empty(0, dtype=np.int64)
    if uncertain is not None:
        left = _left(ends, graph.faces, parent, blocked)
    left_bins, left_starts = bins[:0].copy(), np.zeros(1, dtype=np.int64)
    if share and left.size:
        left_bins, left_starts = pooled_values(pool, bins, starts, left, graph.faces)
    rest = RegionGraph(
        first=np.minimum(graph.first[left], graph.second[left]),
        second=np.maximum(graph.first[left], graph.second[left]),
        largest=graph.largest[:0],
        total=graph.total[left],
        faces=graph.faces[left],
        last=graph.last[left],
        unit=graph.unit,
    )
    return Merges(kept, gone, at, rest, left_bins, left_starts)


@numba.njit(cache=True, nogil=True)
def _join_below(parent, kept, gone, score, threshold):  # type: ignore[no-untyped-def]
    for i in range(kept.size):
        if score[i] < threshold:
            a, b = find_root(parent, np.int64(kept[i])), find_root(parent, np.int64(gone[i]))
            parent[max(a, b)] = min(a, b)


@numba.njit(cache=True, nogil=True)
def _flatten(parent):  # type: ignore[no-untyped-def]
    for a in range(parent.size):
        parent[a] = find_root(parent, a)


@numba.njit(cache=True, nogil=True)
def _merge(ends, borders, unit, bins, starts, share, limit, count, order, blocked, pool):  # type: ignore[no-untyped-def]
    first, second = ends
    total, faces, bin_of = borders  # a border without faces is gone
    parent = np.arange(count + 1).astype(np.uint32)
    merged_kept = np.empty(count, dtype=np.uint32)
    merged_gone = np.empty(count, dtype=np.uint32)
    merged_at = np.empty(count, dtype=np.float64)
    merges = 0
    after, head, degree = lists_of_borders(first, second, count)
    table, free = new_table(first, second, faces, parent)
    queue = (np.empty(faces.size, dtype=np.uint32), np.full(faces.size, FRESH, dtype=np.uint32))
    waiting = position = np.int64(0)
    while True:
        while position < order.size and (faces[order[position]] == 0 or queue[1][order[position]] != FRESH):
            position += 1
        if position == order.size and waiting == 0:
            break
        best = np.int64(queue[0][0]) if waiting else np.int64(order[position])
        if waiting and position < order.size and comes_before(borders, unit, share, np.int64(order[position]), best):
            best = np.int64(order[position])
        score = score_of(borders, unit, share, best)
        if score >= limit:
            break
        waiting = remove(queue, waiting, borders, unit, share, best)
        kept, gone = find_root(parent, np.int64(first[best])), find_root(parent, np.int64(second[best]))
        if blocked[kept] or blocked[gone]:
            blocked[kept] = blocked[gone] = True
            continue
        if degree[kept] < degree[gone]:
            kept, gone = gone, kept
        faces[best] = 0
        parent[gone] = kept
        merged_kept[merges], merged_gone[merges], merged_at[merges] = kept, gone, score
        merges += 1
        if free < degree[gone] + table[0].size // 8:
            free = refill(table, first, second, faces, parent)
        half = np.int64(head[gone])
        while half != NONE:
            following, moved = np.int64(after[half]), half >> 1
            if faces[moved]:
                neighbour = find_root(parent, end_of(first, second, half ^ 1))
                other, slot = find_border(table, first, second, faces, parent, kept, neighbour, moved)
                # Borders are numbered by their last faces: of two that are pooled the later one is kept.
                if other < moved:
                    free -= keep_border(table, slot, moved, kept, neighbour)
                    after[half], head[kept] = head[kept], half
                    degree[kept] += np.uint32(1)
                if other >= 0:
                    into, away = max(moved, other), min(moved, other)
                    waiting = remove(queue, waiting, borders, unit, share, away)
                    total[into] += total[away]
                    faces[into] += faces[away]
                    faces[away] = 0
                    if share:
                        pour(pool, bins, starts, away, into, np.int64(faces[into]))
                        bin_of[into] = pooled_bin(pool, bins, starts, into, np.int64(faces[into]), share)
                    if score_of(borders, unit, share, into) < limit:
                        waiting = insert(queue, waiting, borders, unit, share, into)
                    else:
                        waiting = remove(queue, waiting, borders, unit, share, into)
            half = following
    return merged_kept[:merges], merged_gone[:merges], merged_at[:merges], parent


@numba.njit(cache=True, nogil=True)
def _left(ends, faces, parent, blocked):  # type: ignore[no-untyped-def]
    """The borders between two uncertain segments; their ends become the segments."""
    first, second = ends
    found = np.empty(faces.size, dtype=np.int64)
    count = 0
    for border in range(faces.size):
        if faces[border]:
            a, b = find_root(parent, np.int64(first[border])), find_root(parent, np.int64(second[border]))
            if blocked[a] and blocked[b]:
                first[border], second[border] = a, b
                found[count] = border
                count += 1
    return found[:count].copy()
