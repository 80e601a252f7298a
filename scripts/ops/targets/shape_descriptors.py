"""Local shape descriptors: what does the part of an object around a voxel look like (Sheridan et al. 2023)?"""

import math
from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from scipy.ndimage import find_objects, maximum_filter

from scripts.ops.box import Size3, Window, whole
from scripts.ops.labels.label_checks import labels_as_stored

CHANNELS = (
    *("offset z", "offset y", "offset x"),
    *("variance z", "variance y", "variance x"),
    *("correlation zy", "correlation zx", "correlation yx"),
    "size",
)
"""Names of the descriptors, in their order."""
TRUNCATE = 2.0
"""Standard deviations at which the Gaussian window ends, to save time; 95 % of it along each axis."""
PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
"""Axes of the variances and correlations."""
X_SUMS = ((0, 1), (0, 3), (1, 0), (0, 2), (0, 5), (2, 0), (0, 4), (1, 1), (1, 3), (0, 0))
"""Of each moment: the power of the step along x, and the sum over sections and rows that it weighs."""
SMALLEST = 1e-6
"""Voxels squared; where the root of the product of two variances is less, they are those of a line: correlation 0."""


def descriptor_reach(sigma: Sequence[float]) -> Size3:
    """Voxels (z, y, x) that the window of these standard deviations reaches to each side."""
    z, y, x = (math.ceil(TRUNCATE * one) for one in sigma)
    return z, y, x


def shape_descriptors(label: np.ndarray, sigma: Sequence[float], inner: Window | None = None) -> np.ndarray:
    """(z, y, x) labels to (10, z, y, x) float32 descriptors from 0 to 1, in the order of `CHANNELS`.

    For a voxel v of an object, the voxels of this object around v, weighed by a Gaussian window w of sum 1, have the
    share s of the window, the mean m and the covariance c of their coordinates (Sheridan et al. 2023):

    - offset: (m - v) / sigma / 2 + 1/2 along each axis;
    - variance: c_ii / sigma_i^2;
    - correlation: c_ij / sqrt(c_ii c_jj) / 2 + 1/2, which is 1/2 where a variance is 0;
    - size: s.

    All are cut to 0 .. 1. Nothing is outside the volume. Background and unknown voxels (-1) have 0.

    Args:
        label: instances.
        sigma: standard deviations of the window (z, y, x) in voxels.
        inner: the requested window; labels around it are read too.

    Raises:
        ValueError: labels that are not labels.
    """
    label = labels_as_stored(label, least=-1)
    inner = inner or whole(label.shape)
    reach = descriptor_reach(sigma)
    window = _weights(sigma[0], reach[0]), _weights(sigma[1], reach[1]), _weights(sigma[2], reach[2])
    compact = _numbered(label)
    own = compact[inner]
    made = np.zeros((len(CHANNELS), *own.shape), np.float32)
    first = [part.start for part in inner]
    seen, there = find_objects(compact), find_objects(own)
    for number, place in enumerate(there, 1):
        if place is None:
            continue
        # the part of the object that the windows of its voxels within `inner` see, and these voxels within it
        ends = [(part.start + a, part.stop + a) for part, a in zip(place, first, strict=True)]
        near = tuple(
            slice(max(part.start, low - far), min(part.stop, high + far))
            for part, (low, high), far in zip(seen[number - 1], ends, reach, strict=True)
        )
        corner = tuple(low - part.start for (low, _), part in zip(ends, near, strict=True))
        mask = (compact[near] == number).astype(np.float32)
        _moments(mask, corner, made[(slice(None), *place)], window)
    _normalise(made.reshape(len(CHANNELS), -1), np.asarray(sigma, np.float32))
    return made


def descriptors_known(label: np.ndarray, sigma: Sequence[float], inner: Window | None = None) -> np.ndarray:
    """(z, y, x) labels to (10, z, y, x) bool: within an object, and no voxel of the window has an unknown label (-1).

    Background has no shape, so nothing is known there.
    """
    label = labels_as_stored(label, least=-1)
    inner = inner or whole(label.shape)
    known = label[inner] > 0
    unknown = label < 0
    if unknown.any():
        reach = descriptor_reach(sigma)
        size = [2 * one + 1 for one in reach]
        known &= maximum_filter(unknown.view(np.uint8), size, mode="constant")[inner] == 0
    return np.broadcast_to(known, (len(CHANNELS), *known.shape)).copy()


def _weights(sigma: float, reach: int) -> np.ndarray:
    """(3, 2 * reach + 1) float32: a Gaussian of sum 1, and it times the step and its square."""
    steps = np.arange(-reach, reach + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    return (weights / weights.sum() * np.stack([steps**0, steps, steps**2])).astype(np.float32)


def _numbered(label: np.ndarray) -> np.ndarray:
    """The same objects by int32 numbers from 1 without gaps, 0 elsewhere."""
    numbered = np.empty(label.shape, np.int32)
    ids = np.ascontiguousarray(label).astype(np.int64, copy=False)  # ids above 2^63 wrap, and stay different
    _number(ids.reshape(-1), np.ascontiguousarray(label > 0).reshape(-1), numbered.reshape(-1))
    return numbered


@numba.njit(nogil=True, cache=True)
def _moments(mask: Any, first: Any, made: Any, window: Any) -> None:
    """Fill the moments of one object, one axis after the other, at its own voxels alone.

    Args:
        mask: (z, y, x) float32, 1 where the object is, of the part that is seen.
        first: of the voxels of `made` in it.
        made: (10, z, y, x) float32: sums of w times dz, dy, dx, dz dz, dy dy, dx dx, dz dy, dz dx, dy dx and 1.
        window: along z, y, x: (3, 2 * reach + 1) float32, w times 1, the step, its square.
    """
    depth, height, width = mask.shape
    along_z, along_y, along_x = window
    far_z, far_y, far_x = along_z.shape[1] // 2, along_y.shape[1] // 2, along_x.shape[1] // 2
    _, sections, rows, columns = made.shape
    low, high = np.full(height, width), np.zeros(height, np.int64)  # columns of each row, in any section
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                if mask[z, y, x] > 0:
                    low[y] = min(low[y], x)
                    high[y] = max(high[y], x + 1)
    by_z = np.empty((3, height, width), np.float32)  # sums over sections of w times 1, dz, dz dz
    by_y = np.empty((6, width), np.float32)  # over rows too: 1, dz, dz dz, dy, dz dy, dy dy
    by_x = np.empty((10, columns), np.float32)
    for k in range(sections):
        z = first[0] + k
        by_z[:] = 0
        for j in range(max(0, z - far_z), min(depth, z + far_z + 1)):
            for power in range(3):
                _add(by_z[power].reshape(-1), along_z[power, j - z + far_z], mask[j].reshape(-1))
        for i in range(rows):
            y = first[1] + i
            own = mask[z, y, first[2] : first[2] + columns]
            left, right = _ends(own)
            if left >= right:
                continue
            start, stop = max(0, first[2] + left - far_x), min(width, first[2] + right + far_x)
            by_y[:, start:stop] = 0
            for j in range(max(0, y - far_y), min(height, y + far_y + 1)):
                a, b = max(start, low[j]), min(stop, high[j])
                if a >= b:
                    continue
                w0, w1, w2 = along_y[:, j - y + far_y]
                for power in range(3):
                    _add(by_y[power, a:b], w0, by_z[power, j, a:b])
                for power in range(2):
                    _add(by_y[3 + power, a:b], w1, by_z[power, j, a:b])
                _add(by_y[5, a:b], w2, by_z[0, j, a:b])
            by_x[:, left:right] = 0
            for j in range(-far_x, far_x + 1):
                shift = first[2] + j
                a, b = max(left, start - shift), min(right, stop - shift)
                if a >= b:
                    continue
                for channel, (power, source) in enumerate(X_SUMS):
                    _add(by_x[channel, a:b], along_x[power, j + far_x], by_y[source, a + shift : b + shift])
            for x in range(left, right):
                if own[x] > 0:
                    made[:, k, i, x] = by_x[:, x]


@numba.njit(nogil=True, cache=True)
def _add(total: Any, weight: Any, values: Any) -> None:
    for x in range(len(total)):
        total[x] += weight * values[x]


@numba.njit(nogil=True, cache=True)
def _ends(row: Any) -> tuple[int, int]:
    """First place above 0, and last + 1."""
    left, right = len(row), 0
    for x in range(len(row)):
        if row[x] > 0:
            left = min(left, x)
            right = x + 1
    return left, right


@numba.njit(nogil=True, cache=True)
def _normalise(made: Any, sigma: Any) -> None:
    """Turn the moments of every voxel of an object into its descriptors, in place; made: (10, voxels)."""
    zero, one, half = np.float32(0), np.float32(1), np.float32(0.5)
    for v in range(made.shape[1]):
        size = made[9, v]
        if size == 0:
            continue
        for channel in range(9):
            made[channel, v] /= size
        for channel, (first, second) in enumerate(PAIRS):
            made[3 + channel, v] -= made[first, v] * made[second, v]
        for channel, (first, second) in enumerate(PAIRS[3:]):
            spread = np.sqrt(max(made[3 + first, v], zero) * max(made[3 + second, v], zero))
            made[6 + channel, v] = half + half * (made[6 + channel, v] / spread if spread > SMALLEST else zero)
        for axis in range(3):
            made[axis, v] = half + half * made[axis, v] / sigma[axis]
            made[3 + axis, v] /= sigma[axis] * sigma[axis]
        for channel in range(10):
            made[channel, v] = min(max(made[channel, v], zero), one)


@numba.njit(nogil=True, cache=True)
def _number(ids: Any, foreground: Any, numbered: Any) -> None:
    """Number the objects 1, 2, ... as they are met, 0 elsewhere; all of (voxels,)."""
    numbers = numba.typed.Dict.empty(numba.int64, numba.int32)
    last, number = np.int64(0), np.int32(0)
    for v in range(len(ids)):
        if not foreground[v]:
            numbered[v] = 0
            continue
        if ids[v] != last or number == 0:
            last = ids[v]
            number = numbers.get(last, np.int32(len(numbers) + 1))
            numbers[last] = number
        numbered[v] = number
