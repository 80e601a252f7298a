"""Which segments touch, and what the affinities between them say: one row of evidence per touching pair."""

from dataclasses import dataclass

import numba
import numpy as np


@dataclass(frozen=True)
class RegionGraph:
    """Touching pairs of segments, in the order in which a scan (z, then y, then x) meets them.

    Attributes:
        first, second: the two ids of each pair, first < second, neither 0.
        value: float64; the largest affinity of the border, or the sum over its faces, in the affinities' own numbers.
        faces: how many pairs of neighbouring voxels the border has (those above the floor).
    """

    first: np.ndarray
    second: np.ndarray
    value: np.ndarray
    faces: np.ndarray

    @property
    def pairs(self) -> int:
        """Number of touching pairs."""
        return int(self.first.size)


def largest_affinities(segments: np.ndarray, affinities: np.ndarray, above: float) -> RegionGraph:
    """Weight of a border = its largest affinity; faces of affinity <= `above` are no contact (Zlateski & Seung 2015).

    Args:
        segments: (z, y, x) ids, 0 is background.
        affinities: (3, z, y, x) in the form of `NEAREST`, float32 or uint8.
        above: in the affinities' own numbers; -1 takes all faces.
    """
    return _graph(segments, affinities, above, True)


def summed_affinities(segments: np.ndarray, affinities: np.ndarray) -> RegionGraph:
    """Sum of the affinities over all faces of a border, so that value / faces is the mean affinity."""
    return _graph(segments, affinities, -1.0, False)


def border_values(segments: np.ndarray, affinities: np.ndarray, graph: RegionGraph) -> tuple[np.ndarray, np.ndarray]:
    """Every face's affinity as a histogram bin 0..255, grouped by pair: (bins, pairs + 1 starts of the groups).

    Bin of an affinity a is floor(256 a), at most 255; of a uint8 value itself.
    """
    starts = np.zeros(graph.pairs + 1, dtype=np.int64)
    np.cumsum(graph.faces, out=starts[1:])
    bins = np.empty(int(starts[-1]), dtype=np.uint8)
    rows = np.zeros((graph.pairs, 3), dtype=np.uint64)
    rows[:, 0] = graph.first.astype(np.uint64) << np.uint64(32) | graph.second.astype(np.uint64)
    slots = _index(rows, graph.pairs, graph.pairs)
    scale = 1 if affinities.dtype == np.uint8 else 256
    _collect(segments, affinities, scale, rows, slots, starts[:-1].copy(), bins)
    return bins, starts


def _graph(segments: np.ndarray, affinities: np.ndarray, above: float, largest: bool) -> RegionGraph:
    if segments.dtype.itemsize == 8 and segments.max(initial=0) >= 2**32:
        raise ValueError(f"segment id {segments.max()} does not fit 32 bits; relabel consecutively first")
    # Whole numbers make sums independent of the order of faces: sums to 2^-32, maxima exact.
    whole = affinities.dtype == np.uint8
    scale = 1.0 if whole else float(2**62 if largest else 2**32)
    room = 512 + min(4 * int(segments.max(initial=0)), segments.size // 2)
    rows = _scan(segments, affinities, float(above), scale, largest, room)
    first = (rows[:, 0] >> np.uint64(32)).astype(segments.dtype)
    second = (rows[:, 0] & np.uint64(2**32 - 1)).astype(segments.dtype)
    return RegionGraph(first, second, rows[:, 1] / scale, rows[:, 2].astype(np.int64))


# A hash table from pair to row; a row is (pair of ids in one number, value, faces). The first 16 slots tried (one cache
# line) belong to the larger id, as ids that touch in space are met together; a segment with more partners overflows
# to a mixed hash.
@numba.njit(cache=True, nogil=True, inline="always")
def _slot_of(pair, rows, slots):  # type: ignore[no-untyped-def]
    """The slot that holds the pair, or the free slot where it belongs."""
    mask = slots.size - 1
    line = (np.int64(pair & np.uint64(2**32 - 1)) << 4) & mask
    begin = np.int64(pair >> np.uint64(32)) & 15
    for i in range(16):
        slot = line + ((begin + i) & 15)
        row = slots[slot]
        if row == 0 or rows[row - 1, 0] == pair:
            return slot
    slot = np.int64((pair * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(24)) & mask
    while True:
        row = slots[slot]
        if row == 0 or rows[row - 1, 0] == pair:
            return slot
        slot = (slot + 1) & mask


@numba.njit(cache=True, nogil=True)
def _index(rows, room, used):  # type: ignore[no-untyped-def]
    capacity = 1024
    while capacity < 2 * room:
        capacity *= 2
    slots = np.zeros(capacity, dtype=np.uint32)
    for row in range(used):
        slots[_slot_of(rows[row, 0], rows, slots)] = row + 1
    return slots


@numba.njit(cache=True, nogil=True)
def _contacts(here, there, weights, above, found):  # type: ignore[no-untyped-def]
    """Write the positions of a row's contacts to `found`, without a branch; how many."""
    count = 0
    for x in range(here.size):
        found[count] = x
        a, b = here[x], there[x]
        count += (a != b) & (a != 0) & (b != 0) & (weights[x] > above)
    return count


@numba.njit(cache=True, nogil=True, inline="always")
def _rows(segments, affinities, axis, z, y):  # type: ignore[no-untyped-def]
    """A row, its neighbours one step back along the axis, and the affinities between; empty at the border."""
    here, weights = segments[z, y], affinities[axis, z, y]
    if axis == 2:
        return here[1:], here[:-1], weights[1:]
    if axis == 1:
        return (here, segments[z, y - 1], weights) if y > 0 else (here[:0], here[:0], weights[:0])
    return (here, segments[z - 1, y], weights) if z > 0 else (here[:0], here[:0], weights[:0])


@numba.njit(cache=True, nogil=True, inline="always")
def _pair(a, b):  # type: ignore[no-untyped-def]
    return np.uint64(min(a, b)) << np.uint64(32) | np.uint64(max(a, b))


@numba.njit(cache=True, nogil=True)
def _scan(segments, affinities, above, scale, largest, room):  # type: ignore[no-untyped-def]
    nz, ny, nx = segments.shape
    rows = np.empty((room, 3), dtype=np.uint64)
    slots = _index(rows, room, 0)
    found = np.empty(nx, dtype=np.int64)
    used = 0
    for line in range(3 * nz * ny):
        here, there, weights = _rows(segments, affinities, line % 3, line // 3 // ny, line // 3 % ny)
        count = _contacts(here, there, weights, above, found)
        if count and used + count > len(rows):
            rows = np.concatenate((rows, np.empty((len(rows) + nx, 3), dtype=np.uint64)))
            slots = _index(rows, len(rows), used)
        used = _add(here, there, weights, scale, found[:count], rows, slots, used, largest)
    return rows[:used].copy()


@numba.njit(cache=True, nogil=True)
def _add(here, there, weights, scale, found, rows, slots, used, largest):  # type: ignore[no-untyped-def]
    row = np.int64(0)
    for x in found:
        pair = _pair(here[x], there[x])
        weight = np.uint64(np.int64(np.float64(weights[x]) * scale))
        if used == 0 or rows[row, 0] != pair:
            slot = _slot_of(pair, rows, slots)
            if slots[slot] == 0:
                rows[used, 0], rows[used, 1], rows[used, 2] = pair, 0, 0
                used += 1
                slots[slot] = used
            row = np.int64(slots[slot]) - 1
        rows[row, 1] = max(rows[row, 1], weight) if largest else rows[row, 1] + weight
        rows[row, 2] += np.uint64(1)
    return used


@numba.njit(cache=True, nogil=True)
def _collect(segments, affinities, scale, rows, slots, cursor, bins):  # type: ignore[no-untyped-def]
    nz, ny, nx = segments.shape
    found = np.empty(nx, dtype=np.int64)
    for line in range(3 * nz * ny):
        here, there, weights = _rows(segments, affinities, line % 3, line // 3 // ny, line // 3 % ny)
        for x in found[: _contacts(here, there, weights, -1.0, found)]:
            row = np.int64(slots[_slot_of(_pair(here[x], there[x]), rows, slots)]) - 1
            bins[cursor[row]] = min(255, np.int64(weights[x] * scale))
            cursor[row] += 1
