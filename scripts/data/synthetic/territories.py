"""Territories of the synthetic volume: which tubes are near each node of a grid that is coarse within the section."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from scripts.data.synthetic.neurites import Tubes
from scripts.ops.box import Size3

NODE_NM = 24.0
"""Distance of nodes in y and x; in z there is one at every section."""
NEAR = 4
"""Tubes remembered at a node."""
REACH_NM = np.float32(115.0)
"""A node this far outside a tube does not know of it."""


@dataclass(frozen=True)
class Nodes:
    """The grid of nodes: every section, and every `stride`-th voxel of y and x from 0 to the far border.

    Attributes:
        offset: (Z, Y, X, 2) float32 nm; what is at (y, x) in the image was at (y, x) + offset in the unbent tissue.
        stride: voxels between nodes in y and x.
        step_nm: (z, y, x) distance of nodes.
    """

    offset: np.ndarray
    stride: int
    step_nm: tuple[float, float, float]


def lay_nodes(
    shape: Size3,
    voxel_size_nm: tuple[float, float, float],
    slips_nm: np.ndarray,
    generator: np.random.Generator,
) -> Nodes:
    """Nodes for a volume: the tissue is bent smoothly, each section is moved a little, slipped ones by `slips_nm`."""
    stride = max(1, round(NODE_NM / voxel_size_nm[1]))
    counts = (shape[0], -(-shape[1] // stride) + 1, -(-shape[2] // stride) + 1)
    step = (voxel_size_nm[0], stride * voxel_size_nm[1], stride * voxel_size_nm[2])
    offset = np.empty((*counts, 2), np.float32)
    for axis in (0, 1):
        bend = smooth_noise(counts, [400.0 / s for s in step], generator) * np.float32(30.0)
        bend += smooth_noise(counts, [90.0 / s for s in step], generator) * np.float32(4.5)
        wobble = slips_nm[:, axis] + generator.normal(0.0, 2.5, counts[0])
        offset[..., axis] = bend + wobble.astype(np.float32)[:, None, None]
    return Nodes(offset, stride, step)


def smooth_noise(shape: Sequence[int], period: Sequence[float], generator: np.random.Generator) -> np.ndarray:
    """Unit-variance float32 noise whose grains are `period` elements wide: random lattice values, cubic B-splines."""
    lattice = tuple(int(np.ceil(n / p)) + 4 for n, p in zip(shape, period, strict=True))
    field = generator.standard_normal(lattice, dtype=np.float32)
    for axis, (count, width) in enumerate(zip(shape, period, strict=True)):
        base, t = np.divmod(np.arange(count) / width, 1.0)
        cubic = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]) / 6
        weights = cubic.astype(np.float32).reshape(4, *[-1 if i == axis else 1 for i in range(len(shape))])
        terms = [weights[k] * np.take(field, base.astype(int) + k, axis) for k in range(4)]
        field = terms[0] + terms[1] + terms[2] + terms[3]
    deviation: np.ndarray = field / np.float32(0.32 if len(shape) == 3 else 0.47)
    return deviation


def near_tubes(section: int, nodes: Nodes, tubes: Tubes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The `NEAR` nearest tubes of each node of a section.

    Returns:
        tube numbers (Y, X, NEAR) int32, 0 where there is none; distances to the surface of the tube in nm, negative
        inside, ascending, REACH_NM where there is none; and the z component of the unit vector away from the tube.
    """
    shape = (*nodes.offset.shape[1:3], NEAR)
    numbers, slopes = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    distances = np.full(shape, REACH_NM, np.float32)
    step_z, step_y, step_x = nodes.step_nm
    geometry = np.array([(section + 0.5) * step_z, step_y, step_x], np.float32)
    balls = tubes.balls.astype(np.float32)
    _stamp(geometry, nodes.offset[section], balls, tubes.number, tubes.joined, numbers, distances, slopes)
    return numbers, distances, slopes


@njit(cache=True, nogil=True)
def _enter(
    number: int,
    distance: float,
    slope: float,
    j: int,
    i: int,
    numbers: np.ndarray,
    distances: np.ndarray,
    slopes: np.ndarray,
) -> None:
    """Insert one tube into the ascending list of node (j, i), one entry a number."""
    slot = NEAR - 1
    for k in range(NEAR):
        if numbers[j, i, k] == number:
            if distances[j, i, k] <= distance:
                return
            slot = k
            break
    while slot > 0 and distances[j, i, slot - 1] > distance:
        numbers[j, i, slot], distances[j, i, slot] = numbers[j, i, slot - 1], distances[j, i, slot - 1]
        slopes[j, i, slot] = slopes[j, i, slot - 1]
        slot -= 1
    numbers[j, i, slot], distances[j, i, slot], slopes[j, i, slot] = number, distance, slope


@njit(cache=True, nogil=True)
def _stamp(
    geometry: np.ndarray,
    offset: np.ndarray,
    balls: np.ndarray,
    owner: np.ndarray,
    joined: np.ndarray,
    numbers: np.ndarray,
    distances: np.ndarray,
    slopes: np.ndarray,
) -> None:
    pz, step_y, step_x = geometry[0], geometry[1], geometry[2]
    ny, nx = offset.shape[0], offset.shape[1]
    low_y, high_y, low_x, high_x = np.float32(1e9), np.float32(-1e9), np.float32(1e9), np.float32(-1e9)
    for j in range(ny):
        for i in range(nx):
            low_y, high_y = min(low_y, offset[j, i, 0]), max(high_y, offset[j, i, 0])
            low_x, high_x = min(low_x, offset[j, i, 1]), max(high_x, offset[j, i, 1])
    zero, one = np.float32(0.0), np.float32(1.0)
    for ball in range(owner.size):
        z1, y1, x1, r1 = balls[ball, 0], balls[ball, 1], balls[ball, 2], balls[ball, 3]
        z0, y0, x0, r0 = z1, y1, x1, r1
        if joined[ball]:
            z0, y0, x0, r0 = balls[ball - 1, 0], balls[ball - 1, 1], balls[ball - 1, 2], balls[ball - 1, 3]
        elif ball + 1 < owner.size and joined[ball + 1]:
            continue  # the next piece has this end
        away = max(zero, min(z0, z1) - pz, pz - max(z0, z1))
        reach = max(r0, r1) + REACH_NM
        if away >= reach:
            continue
        reach = np.sqrt(reach * reach - away * away)
        dz, dy, dx = z1 - z0, y1 - y0, x1 - x0
        inverse = one / (dz * dz + dy * dy + dx * dx + np.float32(1e-6))
        number = owner[ball]
        first_y = max(0, int(np.floor((min(y0, y1) - reach - high_y) / step_y)))
        last_y = min(ny, int(np.ceil((max(y0, y1) + reach - low_y) / step_y)) + 1)
        first_x = max(0, int(np.floor((min(x0, x1) - reach - high_x) / step_x)))
        last_x = min(nx, int(np.ceil((max(x0, x1) + reach - low_x) / step_x)) + 1)
        fz = pz - z0
        for j in range(first_y, last_y):
            row = np.float32(j) * step_y - y0
            for i in range(first_x, last_x):
                fy, fx = row + offset[j, i, 0], np.float32(i) * step_x + offset[j, i, 1] - x0
                t = min(one, max(zero, (fz * dz + fy * dy + fx * dx) * inverse))
                vz, vy, vx = fz - t * dz, fy - t * dy, fx - t * dx
                far = vz * vz + vy * vy + vx * vx
                wide = r0 + t * (r1 - r0)
                known = wide + distances[j, i, NEAR - 1]
                if known > zero and far < known * known:
                    far = np.sqrt(far)
                    _enter(number, far - wide, vz / (far + one), j, i, numbers, distances, slopes)
