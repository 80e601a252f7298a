"""Watershed basins of an affinity graph by steepest ascent, plateaus split by distance (Zlateski & Seung 2015).

The rules, for voxels v with edges of affinity w > low, where every w >= high counts as equal and highest:
1. m(v) is the largest w at v; a voxel without edges is background, 0.
2. v ascends along an edge of weight m(v). Where the other end has a larger m the step leads uphill: v is an exit.
   Among several such steps the neighbour of lowest index (z, then y, then x) is taken.
3. Voxels joined by edges that are m at both ends form a plateau. Without exits it is a regional maximum, one basin.
   With exits, each other voxel steps to the plateau neighbour that is nearer to an exit, counted in steps; among
   several the one of lowest index.
4. A basin is everything that ends in the same regional maximum. Basins are numbered by the lowest index of that.
"""

import numba
import numpy as np

from scripts.ops.box import Window, whole
from scripts.ops.decoding.basin_numbers import numbered
from scripts.ops.decoding.open_plateaus import open_plateaus, row_of, split_plateaus, with_room
from scripts.ops.union_find import find_root

# Directions 0..5 are -z -y -x +x +y +z: ascending index of the neighbour, so the lowest set bit is the lowest index
# (6: no bit is set).
# Direction d and its way back add up to 5. Bits 0-5 of a code are steepest edges, bits 6-7 the distance to an exit
# modulo 3, plus 1 (0: not reached); on open plateaus 2, and 3 for exits. `bounds` are those of the block in the array,
# z0 z1 y0 y1 x0 x1: paths end where they leave it.
_LOWEST = np.array([6] + [(code & -code).bit_length() - 1 for code in range(1, 64)], dtype=np.uint8)


def basins(affinities: np.ndarray, low: float, high: float) -> tuple[np.ndarray, int]:
    """(3, z, y, x) float32 or uint8 affinities in the form of `NEAREST` to (basins (z, y, x), how many).

    `low` and `high` are in the array's own numbers: an edge exists where the value is > low; values >= high are equal.
    Basins are 1, 2, ..., uint32 below 2^31 voxels and uint64 from there; 0 is background.
    """
    labels, ends, *_ = labelled(affinities, low, high, whole(affinities.shape[1:]))
    return labels, ends.size


def labelled(
    affinities: np.ndarray, low: float, high: float, block: Window
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Labels of the block (voxels around it hold none), ends, codes, voxels of open plateaus, cap of the weights."""
    codes = np.empty(affinities.shape[1:], dtype=np.uint8)
    kind = affinities.dtype.type
    # Weights are capped at high; where low reaches high the cap must still be above low.
    above = min(low + 1, 255) if kind is np.uint8 else np.nextafter(np.float32(low), np.float32(2))
    high = kind(max(high, above))
    _steepest_edges(affinities, kind(low), high, codes)
    wide = codes.size >= 2**31
    parent = np.empty(codes.size, dtype=np.uint64 if wide else np.uint32)
    top = np.uint64(2**63) if wide else np.uint32(2**31)
    flat, step = codes.reshape(-1), steps_of(codes.shape)
    bounds = np.array([edge for part in block for edge in (part.start, part.stop)])
    shape = np.array(codes.shape, dtype=np.int64)
    jump = np.append(step, 0)[_LOWEST]
    exits = _ascend(codes, parent, jump, bounds)
    open_ = np.empty(0, dtype=parent.dtype)
    if block != whole(codes.shape):
        open_ = open_plateaus(affinities, high, flat, step, shape, bounds, parent[:1])
        exits = exits[flat[exits] >> 6 == 1]
    split_plateaus(flat, parent, step, exits)
    _join_maxima(flat, parent, step, shape, bounds)
    ends = numbered(flat, parent, top, shape, bounds)
    return parent.reshape(codes.shape), ends, codes, open_, high


def steps_of(shape: tuple[int, ...]) -> np.ndarray:
    """Change of the flat index in directions 0..5."""
    _, ny, nx = shape
    return np.array([-ny * nx, -nx, -1, 1, nx, ny * nx], dtype=np.int64)


@numba.njit(cache=True, nogil=True)
def _steepest_edges(affinities, low, high, codes):  # type: ignore[no-untyped-def]
    _, nz, ny, nx = affinities.shape
    nothing = np.zeros(nx, dtype=affinities.dtype)
    along = np.zeros(nx + 1, dtype=affinities.dtype)
    for z in range(nz):
        for y in range(ny):
            for x in range(1, nx):
                along[x] = affinities[2, z, y, x]
            _steepest_row(
                affinities[0, z, y] if z > 0 else nothing,
                affinities[1, z, y] if y > 0 else nothing,
                along,
                affinities[1, z, y + 1] if y + 1 < ny else nothing,
                affinities[0, z + 1, y] if z + 1 < nz else nothing,
                low,
                high,
                codes[z, y],
            )


@numba.njit(cache=True, nogil=True)
def _steepest_row(up, back, along, ahead, down, low, high, codes):  # type: ignore[no-untyped-def]
    for x in range(codes.size):
        a, b, c = min(up[x], high), min(back[x], high), min(along[x], high)
        d, e, f = min(along[x + 1], high), min(ahead[x], high), min(down[x], high)
        best = max(max(max(a, b), max(c, d)), max(e, f))
        code = (a == best) | (b == best) << 1 | (c == best) << 2
        code |= (d == best) << 3 | (e == best) << 4 | (f == best) << 5
        codes[x] = code if best > low else 0


@numba.njit(cache=True, nogil=True)
def _ascend(codes, parent, jump, bounds):  # type: ignore[no-untyped-def]
    """Rule 2: every exit gets its parent, everything else itself; returns the exits on plateaus, in ascending order."""
    nz, ny, nx = codes.shape
    found = np.int64(0)
    exits = np.empty(1024, dtype=parent.dtype)
    nothing = np.zeros(nx, dtype=np.uint8)
    along = np.zeros(nx + 2, dtype=np.uint8)  # a row between two voxels of no edges
    uphill, mutual = np.empty(nx, dtype=np.uint8), np.empty(nx, dtype=np.uint8)
    hits = np.empty(nx, dtype=np.int64)
    for line in range(nz * ny):
        z, y = line // ny, line % ny
        here, row = codes[z, y], parent[line * nx : line * nx + nx]
        for x in range(nx):
            row[x] = line * nx + x
        first, stop = row_of(line, codes.shape, bounds)
        if first == stop:
            continue
        for x in range(nx):
            along[x + 1] = here[x]
        _directions(
            codes[z - 1, y] if z > 0 else nothing,
            codes[z, y - 1] if y > 0 else nothing,
            along,
            codes[z, y + 1] if y + 1 < ny else nothing,
            codes[z + 1, y] if z + 1 < nz else nothing,
            uphill,
            mutual,
        )
        count = 0
        for x in range(first - line * nx, stop - line * nx):  # no branch: which way is hard to predict
            row[x] = line * nx + x + jump[uphill[x]]
            here[x] |= np.uint8(uphill[x] != 0) << 6
            hits[count] = line * nx + x
            count += (uphill[x] != 0) & (mutual[x] != 0)
        exits = with_room(exits, found + count)
        exits[found : found + count] = hits[:count]
        found += count
    return exits[:found]


@numba.njit(cache=True, nogil=True)
def _directions(up, back, along, ahead, down, uphill, mutual):  # type: ignore[no-untyped-def]
    """Steepest edges of a row that are not steepest at their other end, and those that are, as bits."""
    for x in range(uphill.size):
        code = along[x + 1] & 63
        both = (up[x] >> 5 & 1) | (back[x] >> 4 & 1) << 1 | (along[x] >> 3 & 1) << 2
        both |= (along[x + 2] >> 2 & 1) << 3 | (ahead[x] >> 1 & 1) << 4 | (down[x] & 1) << 5
        uphill[x], mutual[x] = code & ~both, code & both


@numba.njit(cache=True, nogil=True)
def _join_maxima(codes, parent, step, shape, bounds):  # type: ignore[no-untyped-def]
    """Union of the plateaus without exits; the lowest index becomes the root.

    A voxel is joined with others only from the scan's visit on, so until then it is its own root.
    """
    for line in range(shape[0] * shape[1]):
        first, stop = row_of(line, shape, bounds)
        lower_z, lower_y = line // shape[1] > bounds[0], line % shape[1] > bounds[2]
        for v in range(first, stop):
            code = codes[v]
            if code > 63 or code & 7 == 0:
                continue
            root = np.int64(v)
            if code & 4 and v > first:
                root = find_root(parent, v - 1)
            if code & 2 and lower_y:
                root = _joined(parent, root, v + step[1])
            if code & 1 and lower_z:
                root = _joined(parent, root, v + step[0])
            parent[v] = root


@numba.njit(cache=True, nogil=True, inline="always")
def _joined(parent, root, v):  # type: ignore[no-untyped-def]
    """The root of two trees, that of `root` and that of voxel v, after their union."""
    if parent[v] == root:
        return root
    other = find_root(parent, v)
    low, high = min(root, other), max(root, other)
    parent[high] = low
    return low
