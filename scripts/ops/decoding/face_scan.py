"""Compiled scans over the faces between segments, with a hash table from a pair of segments to its row."""

import numba
import numpy as np


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
def index_pairs(rows, room, used):  # type: ignore[no-untyped-def]
    """Hash table of the pairs of the first `used` rows, with capacity for `room` rows."""
    capacity = 1024
    while capacity < 2 * room:
        capacity *= 2
    slots = np.zeros(capacity, dtype=np.uint32)
    for row in range(used):
        slots[_slot_of(rows[row, 0], rows, slots)] = row + 1
    return slots


@numba.njit(cache=True, nogil=True)
def _room_for_contacts(width):  # type: ignore[no-untyped-def]
    """What `_contacts` writes of a row of `width` voxels: positions, and a mark for each in whole words of 8."""
    size = 8 * (width // 8 + 1)
    return np.empty(size, dtype=np.int64), np.zeros(size, dtype=np.uint8)


@numba.njit(cache=True, nogil=True)
def _contacts(here, there, weights, above, room):  # type: ignore[no-untyped-def]
    """The positions of a row's contacts. Marks take vector instructions, and words without a mark are skipped."""
    found, marks = room
    for x in range(here.size):
        a, b = here[x], there[x]
        marks[x] = (a != b) & (a != 0) & (b != 0) & (weights[x] > above)
    marks[here.size :] = 0
    words = marks.view(np.uint64)
    count = 0
    for word in range(words.size):
        if words[word]:
            for x in range(8 * word, 8 * word + 8):
                found[count] = x
                count += marks[x]
    return found[:count]


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
def pair_key(a, b):  # type: ignore[no-untyped-def]
    """Two ids in one number, the smaller one above."""
    return np.uint64(min(a, b)) << np.uint64(32) | np.uint64(max(a, b))


@numba.njit(cache=True, nogil=True)
def scan_faces(segments, affinities, bits, above, steps, room, columns, where):  # type: ignore[no-untyped-def]
    """Rows of all touching pairs, in the order in which a scan meets them."""
    nz, ny, nx = segments.shape
    rows = np.empty((room, columns), dtype=np.uint64)
    slots = index_pairs(rows, room, 0)
    contacts = _room_for_contacts(nx)
    used = np.int64(0)  # not the literal 0, for which `_add` would be compiled as well
    start, corner, shape = where[0], where[1], where[2]
    for line in range(3 * nz * ny):
        axis, z, y = line % 3, line // 3 // ny, line // 3 % ny
        if z < start[0] or y < start[1]:
            continue
        here, there, weights = _rows(segments, affinities, axis, z, y, start[2])
        found = _contacts(here, there, weights, above, contacts)
        if found.size and used + found.size > len(rows):
            grown = np.empty((len(rows) // 2 * 3 + nx, columns), dtype=np.uint64)
            grown[:used] = rows[:used]  # the rest takes no memory until it is written
            rows = grown
            slots = index_pairs(rows, len(rows), used)
        first = max(start[2], np.int64(axis == 2))
        voxel = ((z + corner[0]) * shape[1] + y + corner[1]) * shape[2] + first + corner[2]
        values = bits[axis, z, y, first:]
        used = _add(here, there, weights, values, steps, 3 * voxel + axis, found, rows, slots, used)
    return rows[:used]


@numba.njit(cache=True, nogil=True)
def _add(here, there, weights, bits, steps, face, found, rows, slots, used):  # type: ignore[no-untyped-def]
    """Add the contacts of one row of voxels to the rows of their pairs; return the number of rows in use."""
    row = np.int64(0)
    for x in found:
        pair = pair_key(here[x], there[x])
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
            rows[row, 2] += np.uint64(np.int64(np.rint(np.float64(weights[x]) * steps)))
            rows[row, 3] = max(rows[row, 3], np.uint64(face + 3 * x))
    return used


@numba.njit(cache=True, nogil=True)
def collect_bins(segments, affinities, scale, rows, slots, cursor, bins, start):  # type: ignore[no-untyped-def]
    """Write the histogram bin of every face at the cursor of its pair."""
    nz, ny, nx = segments.shape
    contacts = _room_for_contacts(nx)
    row = np.int64(0)
    for line in range(3 * nz * ny):
        axis, z, y = line % 3, line // 3 // ny, line // 3 % ny
        if z < start[0] or y < start[1]:
            continue
        here, there, weights = _rows(segments, affinities, axis, z, y, start[2])
        for x in _contacts(here, there, weights, -1.0, contacts):
            pair = pair_key(here[x], there[x])
            if rows[row, 0] != pair:
                row = np.int64(slots[_slot_of(pair, rows, slots)]) - 1
            bins[cursor[row]] = min(255, np.int64(weights[x] * scale))
            cursor[row] += 1
