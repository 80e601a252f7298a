"""Which border joins two segments, and the borders of a segment, while segments merge: 14 bytes a border.

Half 2e of border e belongs to its first segment, half 2e + 1 to its second. The borders of a segment are a list of
halves, linked by `after`. The border of two segments is found in a table with open addressing that keeps the number of
the border alone; the segments are those of its halves.
"""

import numba
import numpy as np

from scripts.ops.decoding.face_scan import pair_key
from scripts.ops.union_find import find_root

NONE = np.uint32(2**32 - 1)
REMOVED = np.uint32(2**32 - 2)


@numba.njit(cache=True, nogil=True)
def lists_of_borders(first, second, count):  # type: ignore[no-untyped-def]
    """(after, head, degree): the next half of each half, the first half and the number of halves of each segment."""
    after = np.empty(2 * first.size, dtype=np.uint32)
    head = np.full(count + 1, NONE, dtype=np.uint32)
    degree = np.zeros(count + 1, dtype=np.uint32)
    for half in range(after.size):
        segment = first[half >> 1] if half % 2 == 0 else second[half >> 1]
        after[half], head[segment] = head[segment], half
        degree[segment] += np.uint32(1)
    return after, head, degree


@numba.njit(cache=True, nogil=True, inline="always")
def end_of(first, second, half):  # type: ignore[no-untyped-def]
    """A member of the segment that a half of a border belongs to."""
    return np.int64(second[half >> 1]) if half & 1 else np.int64(first[half >> 1])


@numba.njit(cache=True, nogil=True)
def new_table(first, second, faces, parent):  # type: ignore[no-untyped-def]
    """The table of all borders that have faces, and how many of its slots are free."""
    table = np.full(max(16, first.size // 2 * 3), NONE, dtype=np.uint32)
    return table, _filled(table, first, second, faces, parent)


@numba.njit(cache=True, nogil=True)
def refill(table, first, second, faces, parent):  # type: ignore[no-untyped-def]
    """Fill the table anew, which frees the slots of removed borders; returns how many are free."""
    table[:] = NONE
    return _filled(table, first, second, faces, parent)


@numba.njit(cache=True, nogil=True)
def find_border(table, first, second, parent, a, b):  # type: ignore[no-untyped-def]
    """(border, slot) of segments a and b; border -1 and the slot where it would be put where there is none."""
    slot = _begin(table, a, b)
    vacant = np.int64(-1)
    while table[slot] != NONE:
        if table[slot] == REMOVED:
            if vacant < 0:
                vacant = slot
        else:
            border = np.int64(table[slot])
            one, other = find_root(parent, np.int64(first[border])), find_root(parent, np.int64(second[border]))
            if (one == a and other == b) or (one == b and other == a):
                return border, slot
        slot = slot + 1 if slot + 1 < table.size else 0
    return np.int64(-1), vacant if vacant >= 0 else slot


@numba.njit(cache=True, nogil=True)
def forget_border(table, border, a, b):  # type: ignore[no-untyped-def]
    """Remove a border that was put in for segments a and b."""
    slot = _begin(table, a, b)
    while table[slot] != border:
        slot = slot + 1 if slot + 1 < table.size else 0
    table[slot] = REMOVED


@numba.njit(cache=True, nogil=True, inline="always")
def _begin(table, a, b):  # type: ignore[no-untyped-def]
    mixed = (pair_key(a, b) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
    return np.int64((mixed * np.uint64(table.size)) >> np.uint64(32))


@numba.njit(cache=True, nogil=True)
def _filled(table, first, second, faces, parent):  # type: ignore[no-untyped-def]
    free = table.size
    for border in range(faces.size):
        if faces[border]:
            slot = _begin(
                table, find_root(parent, np.int64(first[border])), find_root(parent, np.int64(second[border]))
            )
            while table[slot] != NONE:
                slot = slot + 1 if slot + 1 < table.size else 0
            table[slot] = border
            free -= 1
    return free
