"""Sums of squares that stay exact: a volume of 10^12 voxels has sums past 2^64."""

import numpy as np
from numpy.typing import NDArray

_SMALL = 2**20  # squares below 2^40: 8 million of them fit int64
_PART = 2**22


def sum_of_squares(counts: NDArray[np.int64]) -> int:
    """The sum of `c * c`, a whole number of any size."""
    small = counts < _SMALL
    few = counts[small]
    total = sum(int(np.dot(part, part)) for part in np.split(few, range(_PART, few.size, _PART)))
    return total + sum(int(count) ** 2 for count in counts[~small])
