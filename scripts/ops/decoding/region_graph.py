"""Which segments touch, and the affinities between them: one row per touching pair."""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np

FLOAT_UNIT = 2**24
"""Float affinities are summed in steps of 1 / 2^24, each rounded once; uint8 in steps of 1 / 255."""


@dataclass(frozen=True)
class RegionGraph:
    """Touching pairs of segments. A face is a pair of neighbouring voxels that belong to the two segments.

    Nothing here depends on the order in which faces are met: the sums are integers. Rows of one pair from different
    parts of a volume add up (the largest of `largest` and `last`, the sum of `total` and `faces`).

    Attributes:
        first, second: the two ids of each pair, first < second, neither 0.
        largest: the largest affinity of the border, in the affinities' own numbers and dtype.
        total: int64 sum of the affinities over the faces, in steps of 1 / unit.
        faces: int64, how many faces the border has (those above the floor).
        last: int64, the last face: 3 * linear index of its upper voxel + its axis (z 0, y 1, x 2).
        unit: 255 or `FLOAT_UNIT`.
    """

    first: np.ndarray
    second: np.ndarray
    largest: np.ndarray
    total: np.ndarray
    faces: np.ndarray
    last: np.ndarray
    unit: int

    @property
    def pairs(self) -> int:
        """Number of touching pairs."""
        return int(self.first.size)


@dataclass(frozen=True)
class Place:
    """Where an array is in its volume, and which of its faces count.

    Attributes:
        start: (z, y, x) the first voxel whose faces to the voxel before it count; voxels before are neighbours only.
        corner: (z, y, x) of the array's first voxel in the volume.
        shape: (z, y, x) of the volume.
    """

    start: tuple[int, int, int]
    corner: tuple[int, int, int]
    shape: tuple[int, int, int]


def region_graph(segments: np.ndarray, affinities: np.ndarray, place: Place | None = None) -> RegionGraph:
    """Gather the faces of every touching pair; the pairs come in the order in which a scan meets them.

    Args:
        segments: (z, y, x) ids below 2^32, 0 is background.
        affinities: (3, z, y, x) in the form of `NEAREST`, float32 or uint8.
        place: of a block in its volume; by default the array is the volume.

    Raises:
        ValueError: an id of 2^32 or more.
    """
    return _graph(segments, affinities, -1.0, 4, place)


def largest_affinities(
    segments: np.ndarray, affinities: np.ndarray, above: float, place: Place | None = None
) -> RegionGraph:
    """As `region_graph`, without `total` and `last` (which stay empty).

    Args:
        segments, affinities, place: as in `region_graph`.
        above: faces of an affinity <= `above`, in the affinities' own numbers, are no contact (Zlateski & Seung 2015
            leave out those <= low); -1 takes all faces.
    """
    return _graph(segments, affinities, above, 2, place)


def added(parts: Sequence[RegionGraph]) -> RegionGraph:
    """The graph of a volume from those of its blocks: rows of one pair added, ordered by pair.

    Raises:
        ValueError: no parts.
    """
    if not parts:
        raise ValueError("no graphs to add; a volume has one block at least")
    order, pair = _by_pair(parts)
    begins = np.flatnonzero(np.concatenate([[True], pair[1:] != pair[:-1]])) if pair.size else np.empty(0, np.int64)
    pair = pair[begins]

    def column(name: str, add: np.ufunc) -> np.ndarray:
        values = np.concatenate([getattr(part, name) for part in parts])
        if values.size == 0:
            return values
        summed: np.ndarray = add.reduceat(values[order], begins)
        return summed

    return RegionGraph(
        first=(pair >> np.uint64(32)).astype(np.uint32),
        second=(pair & np.uint64(2**32 - 1)).astype(np.uint32),
        largest=column("largest", np.maximum),
        total=column("total", np.add),
        faces=column("faces", np.add),
        last=column("last", np.maximum),
        unit=parts[0].unit,
    )


def added_values(
    parts: Sequence[RegionGraph], values: Sequence[tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """The `border_values` of `added(parts)` from those of the parts."""
    order, pair = _by_pair(parts)
    bins = np.concatenate([part for part, _ in values])
    faces = np.concatenate([np.diff(starts) for _, starts in values])
    found = np.empty_like(bins)
    _gather(bins, np.concatenate([[0], np.cumsum(faces)]), order, found)
    ends = np.cumsum(faces[order])[np.flatnonzero(np.concatenate([pair[1:] != pair[:-1], [True]])[: pair.size])]
    return found, np.concatenate([[0], ends]).astype(np.int64)


def _by_pair(parts: Sequence[RegionGraph]) -> tuple[np.ndarray, np.ndarray]:
    """Order of all rows by pair, and the pairs in that order."""
    first, second = (np.concatenate([getattr(part, side) for part in parts]) for side in ("first", "second"))
    pair = first.astype(np.uint64) << np.uint64(32) | second.astype(np.uint64)
    order = np.argsort(pair, kind="stable")
    return order, pair[order]


@numba.njit(cache=True, nogil=True)
def _gather(bins, starts, order, found):  # type: ignore[no-untyped-def]
    position = 0
    for e in order:
        for i in range(starts[e], starts[e + 1]):
            found[position] = bins[i]
            position += 1


def border_values(
    segments: np.ndarray, affinities: np.ndarray, graph: RegionGraph, place: Place | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Every face's affinity as a histogram bin 0..255, grouped by pair: (bins, pairs + 1 starts of the groups).

    Bin of an affinity a is floor(256 a), at most 255; of a uint8 value itself.
    """
    starts = np.zeros(graph.pairs + 1, dtype=np.int64)
    np.cumsum(graph.faces, out=starts[1:])
    bins = np.empty(int(starts[-1]), dtype=np.uint8)
    rows = np.zeros((graph.pairs, 4), dtype=np.uint64)
    rows[:, 0] = graph.first.astype(np.uint64) << np.uint64(32) | graph.second.astype(np.uint64)
    slots = _index(rows, graph.pairs, graph.pairs)
    scale = 1 if affinities.dtype == np.uint8 else 256
    start = np.array((0, 0, 0) if place is None else place.start)
    _collect(segments, affinities, scale, rows, slots, starts[:-1].copy(), bins, start)
    return bins, starts


def _graph(
    segments: np.ndarray, affinities: np.ndarray, above: float, columns: int, place: Place | None
) -> RegionGraph:
    if segments.dtype.itemsize == 8 and segments.max(initial=0) >= 2**32:
        raise ValueError(f"segment id {segments.max()} does not fit 32 bits; relabel consecutively first")
    room = 512 + min(4 * int(segments.max(initial=0)), segments.size // 2)
    z, y, x = segments.shape
    place = place or Place((0, 0, 0), (0, 0, 0), (z, y, x))
    where = np.array([place.start, place.corner, place.shape])
    rows = _scan(segments, affinities, _bits(affinities), float(above), _steps(affinities), room, columns, where)
    nothing = np.empty(0, dtype=np.int64)
    return RegionGraph(
        first=(rows[:, 0] >> np.uint64(32)).astype(segments.dtype),
        second=(rows[:, 0] & np.uint64(2**32 - 1)).astype(segments.dtype),
        largest=_affinities_of((rows[:, 1] >> np.uint64(32)).astype(np.uint32), affinities.dtype),
        total=rows[:, 2].astype(np.int64) if columns == 4 else nothing,
        faces=(rows[:, 1] & np.uint64(2**32 - 1)).astype(np.int64),
        last=rows[:, 3].astype(np.int64) if columns == 4 else nothing,
        unit=255 if affinities.dtype == np.uint8 else FLOAT_UNIT,
    )


def _steps(affinities: np.ndarray) -> float:
    """What an affinity is multiplied with to be counted: 1 for uint8."""
    return 1.0 if affinities.dtype == np.uint8 else float(FLOAT_UNIT)


def _bits(affinities: np.ndarray) -> np.ndarray:
    """Integers in the order of the affinities: floats >= 0 sort as their bits."""
    return affinities if affinities.dtype == np.uint8 else affinities.view(np.uint32)


def _affinities_of(bits: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return bits.astype(np.uint8) if dtype == np.uint8 else bits.view(np.float32)


# A hash table from pair to row; a row is (pair of ids, largest and faces), two numbers in one each, and where wanted
# (total, last). The first 16 slots tried (one cache line) belong to the larger id, as ids that touch in space are met
# together; a segment with more partners overflows to a mixed hash.
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
def _rows(segments, affinities, axis, z, y, start):  # type: ignore[no-untyped-def]
    """A row, its neighbours one step back along the axis, and the affinities between; empty at the border."""
    first = max(start, np.int64(axis == 2))
    here, weights = segments[z, y, first:], affinities[axis, z, y, first:]
    if axis == 2:
        return here, segments[z, y, first - 1 : -1], weights
    if axis == 1:
        return (here, segments[z, y - 1, first:], weights) if y > 0 else (here[:0], here[:0], weights[:0])
    return (here, segments[z - 1, y, first:], weights) if z > 0 else (here[:0], here[:0], weights[:0])


@numba.njit(cache=True, nogil=True, inline="always")
def _pair(a, b):  # type: ignore[no-untyped-def]
    return np.uint64(min(a, b)) << np.uint64(32) | np.uint64(max(a, b))


@numba.njit(cache=True, nogil=True)
def _scan(segments, affinities, bits, above, steps, room, columns, where):  # type: ignore[no-untyped-def]
    nz, ny, nx = segments.shape
    rows = np.empty((room, columns), dtype=np.uint64)
    slots = _index(rows, room, 0)
    found = np.empty(nx, dtype=np.int64)
    used = 0
    start, corner, shape = where[0], where[1], where[2]
    for line in range(3 * nz * ny):
        axis, z, y = line % 3, line // 3 // ny, line // 3 % ny
        if z < start[0] or y < start[1]:
            continue
        here, there, weights = _rows(segments, affinities, axis, z, y, start[2])
        count = _contacts(here, there, weights, above, found)
        if count and used + count > len(rows):
            rows = np.concatenate((rows, np.empty((len(rows) + nx, columns), dtype=np.uint64)))
            slots = _index(rows, len(rows), used)
        first = max(start[2], np.int64(axis == 2))
        voxel = ((z + corner[0]) * shape[1] + y + corner[1]) * shape[2] + first + corner[2]
        values = bits[axis, z, y, first:]
        used = _add(here, there, weights, values, steps, 3 * voxel + axis, found[:count], rows, slots, used)
    return rows[:used].copy()


@numba.njit(cache=True, nogil=True)
def _add(here, there, weights, bits, steps, face, found, rows, slots, used):  # type: ignore[no-untyped-def]
    row = np.int64(0)
    for x in found:
        pair = _pair(here[x], there[x])
        if used == 0 or rows[row, 0] != pair:
            slot = _slot_of(pair, rows, slots)
            if slots[slot] == 0:
                rows[used, 0], rows[used, 1:] = pair, 0
                used += 1
                slots[slot] = used
            row = np.int64(slots[slot]) - 1
        largest = max(rows[row, 1] >> np.uint64(32), np.uint64(bits[x]) & np.uint64(0x7FFFFFFF))  # -0.0 is 0
        rows[row, 1] = (rows[row, 1] & np.uint64(2**32 - 1)) + np.uint64(1) | largest << np.uint64(32)
        if rows.shape[1] == 4:
            rows[row, 2] += np.uint64(np.rint(np.float64(weights[x]) * steps))
            rows[row, 3] = max(rows[row, 3], np.uint64(face + 3 * x))
    return used


@numba.njit(cache=True, nogil=True)
def _collect(segments, affinities, scale, rows, slots, cursor, bins, start):  # type: ignore[no-untyped-def]
    nz, ny, nx = segments.shape
    found = np.empty(nx, dtype=np.int64)
    for line in range(3 * nz * ny):
        axis, z, y = line % 3, line // 3 // ny, line // 3 % ny
        if z < start[0] or y < start[1]:
            continue
        here, there, weights = _rows(segments, affinities, axis, z, y, start[2])
        for x in found[: _contacts(here, there, weights, -1.0, found)]:
            row = np.int64(slots[_slot_of(_pair(here[x], there[x]), rows, slots)]) - 1
            bins[cursor[row]] = min(255, np.int64(weights[x] * scale))
            cursor[row] += 1
