"""Count pairs of ids in a hash table: the one pass over the voxels that every score is made from."""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

_U = np.uint64
_GOLD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, Knuth's multiplicative hash
_SILVER = np.uint64(0xC2B2AE3D27D4EB4F)  # an odd 64-bit prime, mixes the second id
_SIZE = 1024
_STRIDE = 8  # voxels compared at once; 16 and 32 read slower on sections with a border every 15-30 voxels


class PairCounter:
    """Counts how often id `g` of one array meets id `p` of another; memory grows with the pairs, not the voxels.

    Equal pairs in a row are counted before the table is touched, so contiguous sections are fastest.
    Ids are 64-bit integers all the way: none is rounded, whatever its size.

    Args:
        gt_dtype, pred_dtype: the integer types of all blocks to come (bool, signed or unsigned, any byte order).

    Raises:
        ValueError: a type that is not an integer's.
    """

    def __init__(self, gt_dtype: np.dtype[Any], pred_dtype: np.dtype[Any]) -> None:
        self._types = _unsigned("ground truth", gt_dtype), _unsigned("prediction", pred_dtype)
        self._limits = _largest(gt_dtype), _largest(pred_dtype)
        self._keys = np.empty((_SIZE, 2), np.uint64)
        self._counts = np.zeros(_SIZE, np.int64)
        self._used = np.zeros(1, np.int64)

    def add(self, gt: NDArray[Any], pred: NDArray[Any]) -> None:
        """Count the pairs of two arrays of one shape. Contiguous native arrays are not copied; none is changed."""
        if gt.size == 0:
            return
        left, right = (
            _native(array, kind).view(kind).reshape(-1) for array, kind in zip((gt, pred), self._types, strict=True)
        )
        at = 0
        while True:
            at = _count(left, right, at, self._keys, self._counts, self._used)
            if 2 * self._used[0] < self._counts.size:
                return
            self._keys, self._counts = _grow(self._keys, self._counts)
            if at == left.size:
                return

    def cells(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]:
        """`(gt ids, pred ids, counts)`, in no order.

        Raises:
            ValueError: an id was negative.
        """
        full = self._counts > 0
        gt, pred = self._keys[full, 0], self._keys[full, 1]
        for name, ids, limit, kind in zip(
            ("ground truth", "prediction"), (gt, pred), self._limits, self._types, strict=True
        ):
            if ids.size and int(ids.max()) > limit:
                negative = int(ids.max()) - 2 ** (8 * kind.itemsize)
                raise ValueError(
                    f"the {name} has the negative id {negative}; ids are 0 (nothing) and above: "
                    "relabel it, or write the voxels to be left out as 0"
                )
        return gt, pred, self._counts[full]


def _unsigned(name: str, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The native unsigned type of the same width."""
    if dtype.kind not in "biu":
        raise ValueError(
            f"the {name} is of type {dtype}, not integers; scores compare ids: pass labels, or decode first"
        )
    return np.dtype(f"u{dtype.itemsize}")


def _largest(dtype: np.dtype[Any]) -> int:
    return 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)


def _native(array: NDArray[Any], kind: np.dtype[Any]) -> NDArray[Any]:
    if array.dtype.kind == "b":
        return np.ascontiguousarray(array)
    return np.ascontiguousarray(array, dtype=np.dtype(f"{array.dtype.kind}{kind.itemsize}"))


@numba.njit(nogil=True, cache=True)
def _put(keys: Any, counts: Any, used: Any, g: Any, p: Any, count: Any) -> Any:
    """Add `count` to the cell `(g, p)`, linear probing; the number of cells in use comes back."""
    mask = _U(counts.size - 1)
    slot = ((((g * _GOLD) ^ p) * _SILVER) >> _U(32)) & mask
    while counts[slot] != 0:
        if keys[slot, 0] == g and keys[slot, 1] == p:
            counts[slot] += count
            return used
        slot = (slot + _U(1)) & mask
    keys[slot, 0] = g
    keys[slot, 1] = p
    counts[slot] = count
    return used + 1


@numba.njit(nogil=True, cache=True)
def _grow(keys: Any, counts: Any) -> Any:
    wider = np.empty((4 * counts.size, 2), np.uint64)
    sums = np.zeros(4 * counts.size, np.int64)
    used = 0
    for i in range(counts.size):
        if counts[i] != 0:
            used = _put(wider, sums, used, keys[i, 0], keys[i, 1], counts[i])
    return wider, sums


@numba.njit(nogil=True, cache=True)
def _count(gt: Any, pred: Any, at: int, keys: Any, counts: Any, state: Any) -> Any:
    """Count pairs from voxel `at` on; stops at the voxel where the table is half full, or at the end.

    No allocation in here: a table that may be replaced inside the loop makes the loop ten times slower.
    """
    n = _U(gt.size)
    used = state[0]
    limit = counts.size // 2
    i = _U(at)
    if i >= n:
        return at
    g = gt[i]
    p = pred[i]
    start = i
    while i < n:
        if i + _U(_STRIDE) <= n:
            differs = (gt[i] ^ g) | (pred[i] ^ p)
            for k in range(1, _STRIDE):
                differs |= (gt[i + _U(k)] ^ g) | (pred[i + _U(k)] ^ p)
            if differs == 0:
                i += _U(_STRIDE)
                continue
            end = i + _U(_STRIDE)
        else:
            end = n
        while i < end:
            if ((gt[i] ^ g) | (pred[i] ^ p)) != 0:
                used = _put(keys, counts, used, _U(g), _U(p), np.int64(i - start))
                g = gt[i]
                p = pred[i]
                start = i
                if used >= limit:
                    state[0] = used
                    return np.int64(i)
            i += _U(1)
    used = _put(keys, counts, used, _U(g), _U(p), np.int64(n - start))
    state[0] = used
    return np.int64(n)
