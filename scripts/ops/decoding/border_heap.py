"""Borders whose score has changed, lowest score first: a heap of border numbers that compares scores as they are now.

A queue is (heap, position): the numbers of the borders, and where in the heap each border is, `FRESH` for one whose
score has not changed and `OUT` for one that has left. Borders are (total, faces, bin): their sums, and the bin of their
quantile where scores are quantiles.
"""

import numba
import numpy as np

from scripts.ops.decoding.boundary_histograms import bin_score, mean_score

FRESH = np.uint32(2**32 - 1)
OUT = np.uint32(2**32 - 2)


@numba.njit(cache=True, nogil=True, inline="always")
def score_of(borders, unit, share, border):  # type: ignore[no-untyped-def]
    """The score of a border: 1 - mean affinity where `share` is 0, else 1 - its quantile."""
    if share == 0:
        return mean_score(borders[0][border], np.int64(borders[1][border]), unit)
    return bin_score(borders[2][border])


@numba.njit(cache=True, nogil=True, inline="always")
def comes_before(borders, unit, share, a, b):  # type: ignore[no-untyped-def]
    """Whether border a merges before b: the lower score, then the lower number."""
    one, other = score_of(borders, unit, share, a), score_of(borders, unit, share, b)
    return one < other or (one == other and a < b)


@numba.njit(cache=True, nogil=True)
def insert(queue, waiting, borders, unit, share, border):  # type: ignore[no-untyped-def]
    """Put a border in, or move one that is there to where its score belongs; returns how many borders wait."""
    heap, position = queue
    if position[border] >= OUT:
        heap[waiting], position[border] = border, waiting
        waiting += 1
    _sink(queue, waiting, borders, unit, share, _rise(queue, borders, unit, share, np.int64(position[border])))
    return waiting


@numba.njit(cache=True, nogil=True)
def remove(queue, waiting, borders, unit, share, border):  # type: ignore[no-untyped-def]
    """Take a border out; returns how many borders wait."""
    heap, position = queue
    at = np.int64(position[border])
    position[border] = OUT
    if at >= OUT:
        return waiting
    waiting -= 1
    if at < waiting:
        heap[at] = heap[waiting]
        position[heap[at]] = at
        _sink(queue, waiting, borders, unit, share, _rise(queue, borders, unit, share, at))
    return waiting


@numba.njit(cache=True, nogil=True)
def _rise(queue, borders, unit, share, at):  # type: ignore[no-untyped-def]
    heap, position = queue
    border = np.int64(heap[at])
    score = score_of(borders, unit, share, border)
    while at > 0:
        above = np.int64(heap[(at - 1) // 2])
        other = score_of(borders, unit, share, above)
        if not (score < other or (score == other and border < above)):
            break
        heap[at], position[above] = above, at
        at = (at - 1) // 2
    heap[at], position[border] = border, at
    return at


@numba.njit(cache=True, nogil=True)
def _sink(queue, waiting, borders, unit, share, at):  # type: ignore[no-untyped-def]
    heap, position = queue
    border = np.int64(heap[at])
    score = score_of(borders, unit, share, border)
    while 2 * at + 1 < waiting:
        child = 2 * at + 1
        below = np.int64(heap[child])
        lowest = score_of(borders, unit, share, below)
        if child + 1 < waiting:
            beside = np.int64(heap[child + 1])
            other = score_of(borders, unit, share, beside)
            child += (other < lowest) | ((other == lowest) & (beside < below))  # without a branch
            below, lowest = np.int64(heap[child]), min(lowest, other)
        if not (lowest < score or (lowest == score and below < border)):
            break
        heap[at], position[below] = below, at
        at = child
    heap[at], position[border] = border, at
