"""The most frequent label of each block of voxels, for the coarser levels of a label volume."""

from collections.abc import Sequence

import numba
import numpy as np
from numpy.typing import NDArray


def block_modes(labels: NDArray[np.integer], factors: Sequence[int]) -> NDArray[np.integer]:
    """The label that most voxels of each block have; of equally frequent ones the first in the order z, y, x.

    Args:
        labels: (z, y, x) integers.
        factors: voxels (z, y, x) of a block; the last block of an axis may be smaller.

    Returns:
        One label a block, in the type of `labels`.
    """
    fz, fy, fx = map(int, factors)
    shape = [-(-size // factor) for size, factor in zip(labels.shape, (fz, fy, fx), strict=True)]
    modes = np.empty(shape, labels.dtype)
    _modes(np.ascontiguousarray(labels), fz, fy, fx, modes)
    return modes


@numba.njit(cache=True)
def _modes(labels, fz, fy, fx, modes):  # type: ignore[no-untyped-def]
    depth, height, width = labels.shape
    seen = np.empty(fz * fy * fx, labels.dtype)
    for k in range(modes.shape[0]):
        for j in range(modes.shape[1]):
            for i in range(modes.shape[2]):
                count = 0
                for z in range(k * fz, min(k * fz + fz, depth)):
                    for y in range(j * fy, min(j * fy + fy, height)):
                        for x in range(i * fx, min(i * fx + fx, width)):
                            seen[count] = labels[z, y, x]
                            count += 1
                best, most = seen[0], 0
                for a in range(count):
                    if seen[a] == best and most > 0:
                        continue
                    equal = 0
                    for b in range(a, count):
                        if seen[b] == seen[a]:
                            equal += 1
                    if equal > most:
                        best, most = seen[a], equal
                modes[k, j, i] = best
