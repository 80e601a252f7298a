"""Kernels that grow the neurites of the synthetic volume: steps, avoidance, swellings, branches, spines."""

import numpy as np
from numba import njit

from scripts.ops.box import Size3

STEP_NM = 75.0
"""Length of one step of a growing tip, and the side of the cells of the clearance map."""
FREE_NM = 400.0
"""Clearance of a point that no neurite is near to."""
THINNEST_NM = 52.0
"""Smallest radius of a tip; below it the membranes of both sides would meet."""
SPINES_A_BALL = 0.2
NECK_NM = 42.0
AXON_NM = 92.0
"""Median radius of an axon."""
LEAST_GAP_NM = 92.0
"""A gap with less clearance than this is left to its neighbours."""

Vector = tuple[float, float, float]
Space = tuple[np.ndarray, np.ndarray]
Grown = tuple[np.ndarray, np.ndarray, np.ndarray]


@njit(cache=True, nogil=True)
def _uniform(state: np.ndarray) -> float:  # splitmix64, so that the result depends on nothing but the seed
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.float64(z >> np.uint64(11)) / 9007199254740992.0


@njit(cache=True, nogil=True)
def _direction(state: np.ndarray) -> Vector:
    """A random unit vector."""
    while True:
        z, y, x = 2.0 * _uniform(state) - 1.0, 2.0 * _uniform(state) - 1.0, 2.0 * _uniform(state) - 1.0
        length = np.sqrt(z * z + y * y + x * x)
        if 0.05 < length < 1.0:
            return z / length, y / length, x / length


@njit(cache=True, nogil=True)
def _cell(z: float, y: float, x: float, shape: Size3) -> int:
    """Flat index of the cell of a point in nm, or -1 outside."""
    k, j, i = int(np.floor(z / STEP_NM + 0.5)), int(np.floor(y / STEP_NM + 0.5)), int(np.floor(x / STEP_NM + 0.5))
    if k < 0 or j < 0 or i < 0 or k >= shape[0] or j >= shape[1] or i >= shape[2]:
        return -1
    return (k * shape[1] + j) * shape[2] + i


@njit(cache=True, nogil=True)
def _point(cell: int, shape: Size3) -> Vector:
    """The middle of a cell in nm."""
    plane = shape[1] * shape[2]
    return STEP_NM * (cell // plane), STEP_NM * (cell // shape[2] % shape[1]), STEP_NM * (cell % shape[2])


@njit(cache=True, nogil=True)
def _walk(
    point: Vector, trend: Vector, target: float, swelling: float, state: np.ndarray, space: Space, path: np.ndarray
) -> tuple[int, bool]:
    """Step from a point along a trend until the tip leaves the block, has no room, turns on itself or fills `path`.

    `path` receives z, y, x, radius of each step; returns (steps, whether the tip left the block).
    """
    z, y, x = point
    tz, ty, tx = trend
    shape, room_at = space[0].shape, space[0].reshape(-1)
    period, phase = 700.0 + 900.0 * _uniform(state), 6.2832 * _uniform(state)
    for step in range(path.shape[0] - 1):
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
        if step >= 8:
            dz, dy, dx = z - path[step - 8, 0], y - path[step - 8, 1], x - path[step - 8, 2]
            if dz * dz + dy * dy + dx * dx < (4 * STEP_NM) ** 2:
                return step, False
        wave = max(0.0, np.sin(6.2832 * step * STEP_NM / period + phase))
        path[step, 0], path[step, 1], path[step, 2] = z, y, x
        path[step, 3] = max(THINNEST_NM, min(target * (1.0 + swelling * wave**4), best_room))
        if _cell(z, y, x, shape) < 0:
            return step + 1, True
    return path.shape[0] - 1, True


@njit(cache=True, nogil=True)
def _put(ball: int, point: Vector, radius: float, join: bool, owner: int, grown: Grown) -> None:
    balls, neurite, joined = grown
    balls[ball, 0], balls[ball, 1], balls[ball, 2] = point
    balls[ball, 3], neurite[ball], joined[ball] = radius, owner, join


@njit(cache=True, nogil=True)
def _occupy(first: int, last: int, balls: np.ndarray, space: Space) -> None:
    """Enter balls `first ... last - 1` in the clearance map."""
    clearance, nearest = space
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
def _place(
    start: Vector,
    target: float,
    swelling: float,
    may_join: int,
    counts: np.ndarray,
    state: np.ndarray,
    space: Space,
    grown: Grown,
    paths: np.ndarray,
) -> None:
    """Walk both ways from a point and enter the balls; a short or dead-ended one joins a neurite >= `may_join`."""
    balls, neurite, _ = grown
    used, fresh = counts[0], counts[1]
    if used + 2 * paths.shape[1] + 4 > neurite.size:
        return
    steps, left = np.zeros(2, np.int64), np.zeros(2, np.bool_)
    heading = _direction(state)
    for side in range(2):
        sign = 2.0 * side - 1.0
        trend = sign * heading[0], sign * heading[1], sign * heading[2]
        steps[side], left[side] = _walk(start, trend, target, swelling, state, space, paths[side])
    first, back = used, steps[0]
    paths[1, -1, 0], paths[1, -1, 1], paths[1, -1, 2] = start
    paths[1, -1, 3] = target
    for n in range(back + 1 + steps[1]):  # the way back in reverse, the start, the way forth
        side = 0 if n < back else 1
        i = back - 1 - n if n < back else n - back - 1  # -1, the last, holds the start
        point = paths[side, i, 0], paths[side, i, 1], paths[side, i, 2]
        _put(used, point, paths[side, i, 3], n > 0, fresh, grown)
        used += 1
    if used - first < 2:
        return  # a pocket, left to its neighbours
    for i in range(first + 1, used - 1):  # no sudden steps of the calibre
        balls[i, 3] = 0.25 * balls[i - 1, 3] + 0.5 * balls[i, 3] + 0.25 * balls[i + 1, 3]
    if steps[1] + back < 5 or (not (left[0] and left[1]) and _uniform(state) < 0.5):
        tip = first if left[1] else used - 1  # grow on to the nearest neighbour and become its branch
        cell = _cell(balls[tip, 0], balls[tip, 1], balls[tip, 2], space[0].shape)
        near = space[1].reshape(-1)[max(cell, 0)]
        if cell >= 0 and near >= 0 and neurite[near] >= may_join:
            owner = neurite[near]
            for step in range(2):
                end = tip if step == 0 else near
                point = balls[end, 0], balls[end, 1], balls[end, 2]
                _put(used, point, min(balls[end, 3], 1.6 * NECK_NM), step > 0, owner, grown)
                used += 1
            for i in range(first, used):
                neurite[i] = owner
            fresh -= 1
    _occupy(first, used, balls, space)
    counts[0], counts[1] = used, fresh + 1


@njit(cache=True, nogil=True)
def grow(
    myelinated: np.ndarray, thick: np.ndarray, order: np.ndarray, state: np.ndarray, space: Space, grown: Grown
) -> Size3:
    """Fill the space; returns (balls used, number of the last myelinated axon, of the last dendrite).

    Args:
        myelinated, thick: radii in nm of what is placed first.
        order: every cell once, in the order in which gaps are looked for.
        state: (1,) uint64, of the random numbers.
        space: (Z, Y, X) float32, nm to the nearest surface, FREE_NM to begin with; and int64, the nearest ball.
        grown: out, balls, neurite and joined as in `Tubes`; growth ends when they are full.
    """
    balls, neurite, _ = grown
    room_at, shape = space[0].reshape(-1), space[0].shape
    paths = np.empty((2, 300, 4))
    counts = np.array([0, 1])  # balls used, next free neurite
    sheathed, nobody = counts[0], neurite.size
    for turn in range(myelinated.size + thick.size):
        if turn == myelinated.size:
            sheathed = counts[1] - 1
        target = myelinated[turn] if turn < myelinated.size else thick[turn - myelinated.size]
        for _ in range(60):
            cell = int(_uniform(state) * order.size)
            if room_at[cell] > min(target, FREE_NM - 1.0):
                _place(_point(cell, shape), target, 0.15, nobody, counts, state, space, grown, paths)
                break
    dendrites = counts[1] - 1
    for ball in range(counts[0]):  # spines: a thin neck and a head
        used = counts[0]
        if neurite[ball] <= sheathed or _uniform(state) > SPINES_A_BALL or used + 4 > neurite.size:
            continue
        rz, ry, rx = _direction(state)
        length = balls[ball, 3] + 180.0 + 220.0 * _uniform(state)
        bz, by, bx, owner = balls[ball, 0], balls[ball, 1], balls[ball, 2], neurite[ball]
        cell = _cell(bz + length * rz, by + length * ry, bx + length * rx, shape)
        if cell < 0 or room_at[cell] < 80.0:
            continue
        head = min(room_at[cell], 90.0 + 80.0 * _uniform(state))
        for share, wide in ((0.0, 1.5 * NECK_NM), (0.75, NECK_NM), (1.0, head)):
            far = share * length
            _put(used, (bz + far * rz, by + far * ry, bx + far * rx), wide, share > 0.0, owner, grown)
            used += 1
        _occupy(counts[0], used, balls, space)
        counts[0] = used
    for least in (160.0, 110.0, LEAST_GAP_NM):
        for cell in order:
            if room_at[cell] < least:
                continue
            normal = np.sqrt(-2.0 * np.log(_uniform(state) + 1e-12)) * np.cos(6.2832 * _uniform(state))
            target = min(max(THINNEST_NM, AXON_NM * np.exp(0.38 * normal)), np.float64(room_at[cell]))
            _place(_point(cell, shape), target, 1.1, sheathed + 1, counts, state, space, grown, paths)
    return counts[0], sheathed, dendrites
