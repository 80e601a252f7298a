"""Order statistics of affinities, exact, from counts that add up over the parts of a volume."""

from collections.abc import Sequence

import numba
import numpy as np

_WITHOUT_SIGN = np.uint32(0x7FFFFFFF)
"""Affinities are 0 or more, so a sign is that of -0, which counts as 0."""


def affinity_ranks(affinities: np.ndarray, fractions: Sequence[float]) -> tuple[float, ...]:
    """For each fraction, the smallest value that at least this fraction of all values do not exceed, as an affinity."""
    found = bins_of_ranks(value_counts(affinities), fractions)
    return tuple(
        affinity_of_rank(affinities.dtype, value, below, counts_within(affinities, value)) for value, below in found
    )


def value_counts(affinities: np.ndarray) -> np.ndarray:
    """How many values are in each bin: the 256 values of uint8, or the upper 16 bits of float32 (>= 0 sort as bits)."""
    flat = np.ascontiguousarray(affinities).reshape(-1)
    if flat.dtype == np.uint8:
        return np.bincount(flat, minlength=256)
    counts: np.ndarray = _count_upper(flat.view(np.uint32))
    return counts


def bins_of_ranks(counts: np.ndarray, fractions: Sequence[float]) -> list[tuple[int, int]]:
    """For each fraction the bin that holds its rank, and the rank counted from the first value of that bin."""
    upto = np.cumsum(counts)
    found = []
    for fraction in fractions:
        rank = max(0, int(np.ceil(fraction * int(upto[-1]))) - 1)
        value = int(np.searchsorted(upto, rank, "right"))
        found.append((value, rank - (int(upto[value - 1]) if value else 0)))
    return found


def counts_within(affinities: np.ndarray, value: int) -> np.ndarray:
    """How many values of one bin have each lower half of 16 bits; nothing to count for uint8."""
    if affinities.dtype == np.uint8:
        return np.zeros(0, dtype=np.int64)
    counts: np.ndarray = _count_lower(np.ascontiguousarray(affinities).reshape(-1).view(np.uint32), value)
    return counts


def affinity_of_rank(dtype: np.dtype, value: int, rank: int, within: np.ndarray) -> float:
    """The affinity at a rank of a bin."""
    if dtype == np.uint8:
        return float(value) / 255
    bits = value << 16 | int(np.searchsorted(np.cumsum(within), rank, "right"))
    return float(np.uint32(bits).view(np.float32))


@numba.njit(cache=True, nogil=True)
def _count_upper(bits):  # type: ignore[no-untyped-def]
    counts = np.zeros(65536, dtype=np.int64)
    for i in range(bits.size):
        counts[(bits[i] & _WITHOUT_SIGN) >> 16] += 1
    return counts


@numba.njit(cache=True, nogil=True)
def _count_lower(bits, upper):  # type: ignore[no-untyped-def]
    counts = np.zeros(65536, dtype=np.int64)
    for i in range(bits.size):
        if (bits[i] & _WITHOUT_SIGN) >> 16 == upper:
            counts[bits[i] & 65535] += 1
    return counts
