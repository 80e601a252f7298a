"""Skeletons of the synthetic volume: neurites that grow one after another into the space that is still free."""

from dataclasses import dataclass

import numpy as np
from numba import njit

STEP_NM = 60.0
"""Length of one step of a growing tip, and the side of the cells of the clearance map."""
MARGIN_NM = 150.0
"""Neurites also grow this far outside the block, so that its faces cut through them."""
FREE_NM = 400.0
"""Clearance of a point that no neurite is near to."""
THINNEST_NM = 42.0
"""Smallest radius of a tip; below it the membranes of both sides would meet."""
DENDRITES_PER_UM3 = 0.42
MYELINATED_PER_UM3 = 0.04
SPINES_A_BALL = 0.16
NECK_NM = 38.0
AXON_NM = 88.0
"""Median radius of an axon."""
LEAST_GAP_NM = 92.0
"""A gap with less clearance than this is left to its neighbours."""


@dataclass(frozen=True)
class Tubes:
    """Tubes as chains of balls, in nm from the corner of the block.

    Attributes:
        balls: (N, 4) float64: z, y, x, radius.
        number: (N,) int32, the neurite or organelle each ball belongs to, from 1.
        joined: (N,) bool, whether ball i and ball i - 1 are the two ends of one piece of tube.
    """

    balls: np.ndarray
    number: np.ndarray
    joined: np.ndarray


def grow_neurites(extent_nm: tuple[float, float, float], generator: np.random.Generator) -> tuple[Tubes, int, int]:
    """Fill a block of `extent_nm` (z, y, x): myelinated axons, dendrites with spines, then axons into every gap.

    A tip steps to where it has room and keeps its heading; its radius follows a slow swelling but never exceeds the
    room there is. A walk that stays short, or that ends inside the block, may join its neighbour as a branch.

    Returns:
        the neurites; how many, the first, are myelinated; and the number of the last dendrite, after them.
    """
    padded = np.asarray(extent_nm) + 2 * MARGIN_NM
    cells = tuple(int(n) for n in np.ceil(padded / STEP_NM) + 1)
    volume_um3 = float(np.prod(padded)) / 1e9
    capacity = int(1500 * volume_um3) + 4000
    count = max(1, int(generator.poisson(DENDRITES_PER_UM3 * volume_um3)))
    thick = np.sort(np.clip(generator.lognormal(np.log(205.0), 0.4, count), 120.0, 430.0))[::-1].copy()
    myelinated = generator.uniform(240.0, 360.0, int(generator.poisson(MYELINATED_PER_UM3 * volume_um3)))
    order = generator.permutation(int(np.prod(cells)))
    state = np.array([generator.integers(1, 2**62)], dtype=np.uint64)
    balls = np.empty((capacity, 4))
    neurite, joined = np.zeros(capacity, np.int32), np.zeros(capacity, np.bool_)
    clearance = np.full(cells, FREE_NM, np.float32)
    nearest = np.full(cells, -1, np.int32)
    used, sheathed, dendrites = _grow(myelinated, thick, order, state, clearance, nearest, balls, neurite, joined)
    balls[:used, :3] -= MARGIN_NM
    return Tubes(balls[:used].copy(), neurite[:used].copy(), joined[:used].copy()), int(sheathed), int(dendrites)


@njit(cache=True, nogil=True)
def _uniform(state):  # splitmix64, so that the result depends on nothing but the seed
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.float64(z >> np.uint64(11)) / 9007199254740992.0


@njit(cache=True, nogil=True)
def _direction(state):
    """A random unit vector."""
    while True:
        z, y, x = 2.0 * _uniform(state) - 1.0, 2.0 * _uniform(state) - 1.0, 2.0 * _uniform(state) - 1.0
        length = np.sqrt(z * z + y * y + x * x)
        if 0.05 < length < 1.0:
            return z / length, y / length, x / length


@njit(cache=True, nogil=True)
def _cell(z, y, x, shape):
    """Flat index of the cell of a point in nm, or -1 outside."""
    k, j, i = int(np.floor(z / STEP_NM + 0.5)), int(np.floor(y / STEP_NM + 0.5)), int(np.floor(x / STEP_NM + 0.5))
    if k < 0 or j < 0 or i < 0 or k >= shape[0] or j >= shape[1] or i >= shape[2]:
        return -1
    return (k * shape[1] + j) * shape[2] + i


@njit(cache=True, nogil=True)
def _walk(z, y, x, tz, ty, tx, target, swelling, state, room_at, shape, path):
    """Step from a point along a trend until the tip leaves the block, has no room, turns on itself or fills `path`.

    `path` receives z, y, x, radius of each step; returns (steps, whether the tip left the block).
    """
    period, phase = 700.0 + 900.0 * _uniform(state), 6.2832 * _uniform(state)
    for step in range(path.shape[0]):
        best, best_room, bz, by, bx = -1e9, 0.0, tz, ty, tx
        for _ in range(10):
            rz, ry, rx = _direction(state)
            rz, ry, rx = tz + 0.75 * rz, ty + 0.75 * ry, tx + 0.75 * rx
            length = np.sqrt(rz * rz + ry * ry + rx * rx)
            rz, ry, rx = rz / length, ry / length, rx / length
            cell = _cell(z + STEP_NM * rz, y + STEP_NM * ry, x + STEP_NM * rx, shape)
            room = target if cell < 0 else room_at[cell]
            value = min(room / target, 1.4) + 0.5 * (rz * tz + ry * ty + rx * tx)
            if value > best:
                best, best_room, bz, by, bx = value, room, rz, ry, rx
        if best_room < THINNEST_NM:
            return step, False
        z, y, x = z + STEP_NM * bz, y + STEP_NM * by, x + STEP_NM * bx
        tz, ty, tx = 0.8 * tz + 0.2 * bz, 0.8 * ty + 0.2 * by, 0.8 * tx + 0.2 * bx
        length = np.sqrt(tz * tz + ty * ty + tx * tx)
        tz, ty, tx = tz / length, ty / length, tx / length
        if step >= 10:
            dz, dy, dx = z - path[step - 10, 0], y - path[step - 10, 1], x - path[step - 10, 2]
            if dz * dz + dy * dy + dx * dx < (5 * STEP_NM) ** 2:
                return step, False
        wave = max(0.0, np.sin(6.2832 * step * STEP_NM / period + phase))
        path[step, 0], path[step, 1], path[step, 2] = z, y, x
        path[step, 3] = max(THINNEST_NM, min(target * (1.0 + swelling * wave**4), best_room))
        if _cell(z, y, x, shape) < 0:
            return step + 1, True
    return path.shape[0], True


@njit(cache=True, nogil=True)
def _put(ball, z, y, x, wide, join, owner, balls, neurite, joined):
    balls[ball, 0], balls[ball, 1], balls[ball, 2], balls[ball, 3] = z, y, x, wide
    neurite[ball], joined[ball] = owner, join


@njit(cache=True, nogil=True)
def _occupy(first, last, balls, clearance, nearest):
    """Enter balls `first ... last - 1` in the clearance map."""
    nz, ny, nx = clearance.shape
    for ball in range(first, last):
        cz, cy, cx = balls[ball, 0] / STEP_NM, balls[ball, 1] / STEP_NM, balls[ball, 2] / STEP_NM
        own = balls[ball, 3]
        reach = (own + FREE_NM) / STEP_NM
        for z in range(max(0, int(cz - reach)), min(nz, int(cz + reach) + 2)):
            for y in range(max(0, int(cy - reach)), min(ny, int(cy + reach) + 2)):
                flat = (z - cz) ** 2 + (y - cy) ** 2
                if flat > reach * reach:
                    continue
                for x in range(max(0, int(cx - reach)), min(nx, int(cx + reach) + 2)):
                    room = STEP_NM * np.sqrt(flat + (x - cx) ** 2) - own
                    if room < clearance[z, y, x]:
                        clearance[z, y, x] = room
                        nearest[z, y, x] = ball


@njit(cache=True, nogil=True)
def _place(z, y, x, target, swelling, may_join, used, fresh, state, clearance, nearest, balls, neurite, joined, path):
    """Walk both ways from a point and enter the balls; returns (balls used, next free neurite number).

    `may_join` is the least neurite it may become a branch of; -1 for none.
    """
    if used + 2 * path.shape[0] + 4 > neurite.size:
        return used, fresh
    shape, room_at = clearance.shape, clearance.reshape(-1)
    hz, hy, hx = _direction(state)
    back, left_back = _walk(z, y, x, -hz, -hy, -hx, target, swelling, state, room_at, shape, path)
    first = used
    for step in range(back):
        i = back - 1 - step
        _put(used, path[i, 0], path[i, 1], path[i, 2], path[i, 3], step > 0, fresh, balls, neurite, joined)
        used += 1
    _put(used, z, y, x, target, back > 0, fresh, balls, neurite, joined)
    used += 1
    steps, left = _walk(z, y, x, hz, hy, hx, target, swelling, state, room_at, shape, path)
    for i in range(steps):
        _put(used, path[i, 0], path[i, 1], path[i, 2], path[i, 3], i >= 0, fresh, balls, neurite, joined)
        used += 1
    if may_join >= 0 and used - first < 3:
        return first, fresh  # a pocket, left to its neighbours
    for i in range(first + 1, used - 1):  # no sudden steps of the calibre
        balls[i, 3] = 0.25 * balls[i - 1, 3] + 0.5 * balls[i, 3] + 0.25 * balls[i + 1, 3]
    if may_join >= 0 and (steps + back < 7 or (not (left and left_back) and _uniform(state) < 0.5)):
        tip = first if left else used - 1  # grow on to the nearest neighbour and become its branch
        cell = _cell(balls[tip, 0], balls[tip, 1], balls[tip, 2], shape)
        near = np.int64(-1) if cell < 0 else np.int64(nearest.reshape(-1)[cell])
        if near >= 0 and neurite[near] >= may_join:
            wide = 1.6 * NECK_NM
            for end in (tip, near):
                bz, by, bx, own = balls[end, 0], balls[end, 1], balls[end, 2], balls[end, 3]
                _put(used, bz, by, bx, min(own, wide), end == near, np.int64(neurite[near]), balls, neurite, joined)
                used += 1
            for i in range(first, used):
                neurite[i] = neurite[near]
            fresh -= 1
    _occupy(first, used, balls, clearance, nearest)
    return used, fresh + 1


@njit(cache=True, nogil=True)
def _grow(myelinated, thick, order, state, clearance, nearest, balls, neurite, joined):
    shape, room_at = clearance.shape, clearance.reshape(-1)
    plane = shape[1] * shape[2]
    path = np.empty((300, 4))
    used, fresh = np.int64(0), np.int64(1)
    sheathed = np.int64(0)
    for turn in range(myelinated.size + thick.size):
        if turn == myelinated.size:
            sheathed = fresh - 1
        target = myelinated[turn] if turn < myelinated.size else thick[turn - myelinated.size]
        for _ in range(60):
            cell = int(_uniform(state) * order.size)
            if room_at[cell] > min(target, FREE_NM - 1.0):
                z, y, x = STEP_NM * (cell // plane), STEP_NM * (cell // shape[2] % shape[1]), STEP_NM * (cell % shape[2])
                used, fresh = _place(
                    z, y, x, target, 0.15, np.int64(-1), used, fresh, state, clearance, nearest, balls, neurite, joined, path
                )
                break
    dendrites = fresh - 1
    for ball in range(used):  # spines: a thin neck and a head
        if neurite[ball] <= sheathed or _uniform(state) > SPINES_A_BALL or used + 4 > neurite.size:
            continue
        rz, ry, rx = _direction(state)
        length = balls[ball, 3] + 180.0 + 220.0 * _uniform(state)
        bz, by, bx = balls[ball, 0], balls[ball, 1], balls[ball, 2]
        cell = _cell(bz + length * rz, by + length * ry, bx + length * rx, shape)
        if cell < 0 or room_at[cell] < 80.0:
            continue
        head = min(room_at[cell], 90.0 + 80.0 * _uniform(state))
        for share, wide in ((0.0, 1.5 * NECK_NM), (0.75, NECK_NM), (1.0, head)):
            far = share * length
            oz, oy, ox = bz + far * rz, by + far * ry, bx + far * rx
            _put(used, oz, oy, ox, wide, share > 0.0, np.int64(neurite[ball]), balls, neurite, joined)
            used += 1
        _occupy(used - 3, used, balls, clearance, nearest)
    for least in (160.0, 110.0, LEAST_GAP_NM):
        for cell in order:
            if room_at[cell] < least:
                continue
            z, y, x = STEP_NM * (cell // plane), STEP_NM * (cell // shape[2] % shape[1]), STEP_NM * (cell % shape[2])
            normal = np.sqrt(-2.0 * np.log(_uniform(state) + 1e-12)) * np.cos(6.2832 * _uniform(state))
            target = min(max(THINNEST_NM, AXON_NM * np.exp(0.38 * normal)), room_at[cell])
            used, fresh = _place(
                z, y, x, target, 1.1, sheathed + 1, used, fresh, state, clearance, nearest, balls, neurite, joined, path
            )
    return used, sheathed, dendrites
