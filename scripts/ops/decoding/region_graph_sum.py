"""The region graph of a volume from those of its blocks, added one after the other."""

from collections.abc import Iterable

import numba
import numpy as np

from scripts.ops.decoding.region_graph import RegionGraph

NOTHING = np.empty(0, dtype=np.int64)


def added(parts: Iterable[RegionGraph], rows: int, unit: int) -> RegionGraph:
    """The graph of a volume from those of its blocks: rows of one pair added, pairs in the order in which they come.

    Memory: 32 bytes a pair and 7 a row, beside one part; `largest` stays empty.

    Args:
        parts: one after the other.
        rows: of all parts together.
        unit: of all parts.

    Raises:
        ValueError: 2^32 rows or more.
    """
    if rows >= 2**32 - 1:
        raise ValueError(f"{rows:,} borders of fragments are left by the blocks; they are numbered in 32 bits")
    pair = np.empty(rows, dtype=np.uint64)
    total, faces, last = (np.empty(rows, dtype=np.int64) for _ in range(3))
    slots = np.zeros(max(16, rows // 4 * 7), dtype=np.uint32)
    used = 0
    for part in parts:
        used = _add_rows(
            part.first, part.second, part.total, part.faces, part.last, pair, total, faces, last, slots, used
        )
    del slots
    first, second = _halves(pair[:used])
    del pair
    return RegionGraph(first, second, NOTHING, total[:used], faces[:used], last[:used], unit)


def added_values(
    graph: RegionGraph, parts: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """The `border_values` of `added(parts)`, in whatever order its rows are, from those of the parts.

    Args:
        graph: the sum.
        parts: (first, second, bins, starts) of each part.
    """
    starts = np.zeros(graph.pairs + 1, dtype=np.int64)
    np.cumsum(graph.faces, out=starts[1:])
    cursor = starts[:-1].copy()
    pair = graph.first.astype(np.uint64) << np.uint64(32) | graph.second.astype(np.uint64)
    slots = np.zeros(max(16, graph.pairs // 4 * 7), dtype=np.uint32)
    _index(pair, slots)
    found = np.empty(int(starts[-1]), dtype=np.uint8)
    for first, second, bins, own_starts in parts:
        _gather(first, second, bins, own_starts, pair, slots, cursor, found)
    return found, starts


@numba.njit(cache=True, nogil=True)
def _halves(pairs):  # type: ignore[no-untyped-def]
    """First and second segments; NumPy's shifts would take 8 bytes a pair more."""
    first, second = np.empty(pairs.size, dtype=np.uint32), np.empty(pairs.size, dtype=np.uint32)
    for row in range(pairs.size):
        first[row] = pairs[row] >> np.uint64(32)
        second[row] = pairs[row] & np.uint64(2**32 - 1)
    return first, second


@numba.njit(cache=True, nogil=True, inline="always")
def _slot_of(pair, pairs, slots):  # type: ignore[no-untyped-def]
    """The slot that holds 1 + the row of a pair, or the free slot where it belongs."""
    mixed = (pair * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
    slot = np.int64((mixed * np.uint64(slots.size)) >> np.uint64(32))
    while slots[slot] and pairs[np.int64(slots[slot]) - 1] != pair:
        slot = slot + 1 if slot + 1 < slots.size else np.int64(0)
    return slot


@numba.njit(cache=True, nogil=True)
def _add_rows(first, second, more, more_faces, more_last, pairs, total, faces, last, slots, used):  # type: ignore[no-untyped-def]
    for i in range(first.size):
        pair = np.uint64(first[i]) << np.uint64(32) | np.uint64(second[i])
        slot = _slot_of(pair, pairs, slots)
        if slots[slot] == 0:
            pairs[used] = pair
            total[used], faces[used], last[used] = 0, 0, 0
            used += 1
            slots[slot] = used
        row = np.int64(slots[slot]) - 1
        total[row] += more[i]
        faces[row] += np.int64(more_faces[i])
        last[row] = max(last[row], more_last[i])
    return used


@numba.njit(cache=True, nogil=True)
def _index(pairs, slots):  # type: ignore[no-untyped-def]
    for row in range(pairs.size):
        slots[_slot_of(pairs[row], pairs, slots)] = row + 1


@numba.njit(cache=True, nogil=True)
def _gather(first, second, bins, starts, pairs, slots, cursor, found):  # type: ignore[no-untyped-def]
    for i in range(first.size):
        pair = np.uint64(first[i]) << np.uint64(32) | np.uint64(second[i])
        row = np.int64(slots[_slot_of(pair, pairs, slots)]) - 1
        for face in range(starts[i], starts[i + 1]):
            found[cursor[row]] = bins[face]
            cursor[row] += 1
