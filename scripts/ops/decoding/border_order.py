"""The orders in which borders are merged: by falling largest affinity, and by last face."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numba
import numpy as np

from scripts.ops.decoding.region_graph import RegionGraph

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]
"""First and second segment and largest affinity of borders."""


def by_last_face(graph: RegionGraph) -> RegionGraph:
    """The borders by their last faces, ascending, in place; faces as uint32 where the sum of all fits."""
    order = np.argsort(graph.last).astype(np.uint32 if graph.pairs < 2**32 else np.int64)
    for column in (graph.first, graph.second, graph.total, graph.faces, graph.last):
        column[:] = _taken(column, order)
    return replace(graph, faces=graph.faces.astype(np.uint32) if int(graph.faces.sum()) < 2**32 else graph.faces)


def descending(parts: Callable[[], Iterable[Rows]]) -> tuple[np.ndarray, np.ndarray]:
    """Borders of all parts by falling largest affinity; equal ones by first, then second segment.

    Memory: 9 bytes a border of uint8 affinities, 12 of floats, beside one part and the borders of one
    bin of affinities.

    Args:
        parts: called twice; the borders, part by part. A pair may come in several parts.

    Returns:
        (borders,) uint64 first << 32 | second, and (borders,) largest affinities.
    """
    counts = np.zeros(65536, dtype=np.int64)
    dtype = np.dtype(np.uint8)
    for _, _, largest in parts():
        dtype = largest.dtype
        _count(_bits(largest), counts, 0 if dtype == np.uint8 else 16)
    cursor = np.cumsum(counts[::-1])[::-1] - counts  # the highest bin comes first
    starts = cursor.copy()
    pairs, weights = np.empty(int(counts.sum()), dtype=np.uint64), np.empty(int(counts.sum()), dtype=dtype)
    for first, second, largest in parts():
        _place(first, second, largest, _bits(largest), 0 if dtype == np.uint8 else 16, cursor, pairs, weights)
    for value in np.flatnonzero(counts > 1).tolist():
        one = slice(int(starts[value]), int(starts[value] + counts[value]))
        if dtype == np.uint8:
            pairs[one].sort()
        else:
            order = np.lexsort((pairs[one], -weights[one]))
            pairs[one], weights[one] = pairs[one][order], weights[one][order]
    return pairs, weights


def _bits(largest: np.ndarray) -> np.ndarray:
    """Unsigned numbers in the order of affinities >= 0."""
    return largest if largest.dtype == np.uint8 else largest.view(np.uint32)


@numba.njit(cache=True, nogil=True)
def _taken(column, order):  # type: ignore[no-untyped-def]
    """column[order]; NumPy would turn the order into 8 bytes each."""
    found = np.empty_like(column)
    for i in range(order.size):
        found[i] = column[order[i]]
    return found


@numba.njit(cache=True, nogil=True)
def _count(bits, counts, shift):  # type: ignore[no-untyped-def]
    for i in range(bits.size):
        counts[bits[i] >> shift] += 1


@numba.njit(cache=True, nogil=True)
def _place(first, second, largest, bits, shift, cursor, pairs, weights):  # type: ignore[no-untyped-def]
    for i in range(bits.size):
        at = cursor[bits[i] >> shift]
        cursor[bits[i] >> shift] += 1
        pairs[at] = np.uint64(first[i]) << np.uint64(32) | np.uint64(second[i])
        weights[at] = largest[i]
