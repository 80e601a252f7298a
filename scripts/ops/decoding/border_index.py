"""Which border joins two segments, and the borders of a segment, while segments merge: 14 bytes a border.

Half 2e of border e belongs to its first segment, half 2e + 1 to its second. The borders of a segment are a list of
halves, linked by `after`. The border of two segments is found in a table with open addressing that keeps the number of
the border alone, and above it as many bits of a hash of its segments as there is room for; the segments are those of
its halves.
"""

import numba
import numpy as np

from scripts.ops.decoding.face_scan import pair_key
from scripts.ops.union_find import find_root

NONE = np.uint32(2**32 - 1)


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
    bits = 1
    while first.size + 1 > 1 << bits:
        bits += 1
    table = np.empty(16 + first.size // 2 * 3, dtype=np.uint32), np.int64(bits)
    return table, refill(table, first, second, faces, parent)


@numba.njit(cache=True, nogil=True)
def refill(table, first, second, faces, parent):  # type: ignore[no-untyped-def]
    """Fill the table anew, which frees the slots of borders from before merges; returns how many are free."""
    slots = table[0]
    slots[:] = NONE
    free = slots.size
    for border in range(faces.size):
        if faces[border]:
            a, b = find_root(parent, np.int64(first[border])), find_root(parent, np.int64(second[border]))
            slot, tag = _begin(table, a, b)
            while slots[slot] != NONE:
                slot = slot + 1 if slot + 1 < slots.size else 0
            slots[slot] = tag | np.uint64(border)
            free -= 1
    return free


@numba.njit(cache=True, nogil=True)
def find_border(table, first, second, faces, parent, a, b, own):  # type: ignore[no-untyped-def]
    """(border, slot) of segments a and b beside `own`; border -1 and a free slot for `own` where there is none.

    Entries from before a merge stay until the table is filled anew. They do no harm: borders without faces are passed
    over, and the ends of all others are looked up.
    """
    slots, bits = table
    slot, tag = _begin(table, a, b)
    while slots[slot] != NONE:
        border = np.int64(np.uint64(slots[slot]) ^ tag)
        if border >> bits == 0 and border != own and faces[border]:
            one, other = find_root(parent, np.int64(first[border])), find_root(parent, np.int64(second[border]))
            if (one == a and other == b) or (one == b and other == a):
                return border, slot
        slot = slot + 1 if slot + 1 < slots.size else 0
    return np.int64(-1), slot


@numba.njit(cache=True, nogil=True)
def keep_border(table, slot, border, a, b):  # type: ignore[no-untyped-def]
    """Put the border of segments a and b into the slot of `find_border`; returns how many free slots that took."""
    slots = table[0]
    taken = np.int64(slots[slot] == NONE)
    slots[slot] = _begin(table, a, b)[1] | np.uint64(border)
    return taken


@numba.njit(cache=True, nogil=True, inline="always")
def _begin(table, a, b):  # type: ignore[no-untyped-def]
    """The first slot for segments a and b, and the bits that their entry has above the number of the border."""
    slots, bits = table
    mixed = (pair_key(a, b) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
    return np.int64((mixed * np.uint64(slots.size)) >> np.uint64(32)), (mixed << np.uint64(bits)) & np.uint64(2**32 - 1)
