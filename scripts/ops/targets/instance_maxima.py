"""Divide a value at each voxel by the largest of its instance, without sorting the ids."""

from typing import Any

import numba
import numpy as np

_U = np.uint64


def relative_to_maximum(ids: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(z, y, x) float32 values over the largest of each positive instance, 1 where that is infinite; -1 at id 0.

    Args:
        ids: (z, y, x) int64, C-contiguous; 0 is no instance.
        values: float32 of the same shape, C-contiguous, above 0 or infinite in instances.
    """
    relative = np.empty(values.shape, np.float32)
    flat = ids.reshape(-1)
    runs = _count_runs(flat)
    bits = max(1, int(2 * runs - 1).bit_length())
    _divide(flat, values.reshape(-1), relative.reshape(-1), np.zeros(1 << bits, np.int64), 64 - bits)
    return relative


@numba.njit(nogil=True, cache=True)
def _count_runs(ids: Any) -> int:
    runs = 1
    for i in range(1, ids.size):
        runs += ids[i] != ids[i - 1]
    return runs


@numba.njit(nogil=True, cache=True)
def _slot(keys: Any, key: int, shift: int) -> Any:
    """Where a key is in the table, or the free place for it: open addressing, at most half full."""
    slot = np.int64((_U(key) * _U(0x9E3779B97F4A7C15)) >> _U(shift))
    while keys[slot] not in (0, key):
        slot = (slot + 1) & (keys.size - 1)
    return slot


@numba.njit(nogil=True, cache=True)
def _divide(ids: Any, values: Any, relative: Any, keys: Any, shift: int) -> None:
    """Two sweeps over runs of one id: find the largest value of each, then divide by it."""
    largest = np.zeros(keys.size, np.float32)
    for sweep in range(2):
        first = 0
        while first < ids.size:
            end = first + 1
            while end < ids.size and ids[end] == ids[first]:
                end += 1
            if ids[first] == 0:
                if sweep == 1:
                    relative[first:end] = -1
            else:
                slot = _slot(keys, ids[first], shift)
                if sweep == 0:
                    keys[slot] = ids[first]
                    largest[slot] = max(largest[slot], values[first:end].max())
                elif largest[slot] == np.inf:
                    relative[first:end] = 1
                else:
                    factor = 1 / largest[slot]
                    for i in range(first, end):
                        relative[i] = values[i] * factor
            first = end
