"""Leave a band along the borders of ground-truth objects out of a score, section by section."""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

_U = np.uint64


def without_borders(labels: NDArray[Any], width: int) -> NDArray[np.uint64]:
    """A copy of (z, y, x) labels with 0 wherever the `(2 * width + 1)` square of its section holds two positive ids.

    Background beside an object does not count. At the edge of the array the square is cut off.

    Raises:
        ValueError: a width below 0.
    """
    if width < 0:
        raise ValueError(
            f"border {width} is negative; use the number of voxels to leave out on either side, 0 for none"
        )
    if labels.dtype.kind == "i" and labels.size and labels.min() < 0:
        raise ValueError(f"the ground truth has the negative id {labels.min()}; ids are 0 (nothing) and above")
    ids = np.array(labels, dtype=np.uint64, order="C")
    if width:
        for section in ids:
            low, high = _spread_along_rows(section, width)
            _clear(section, low, high, width)
    return ids


@numba.njit(nogil=True, cache=True)
def _spread_along_rows(section: Any, width: int) -> Any:
    """Smallest and largest positive id within `width` columns; largest and 0 where there is none."""
    rows, columns = section.shape
    low = np.full(section.shape, _U(0xFFFFFFFFFFFFFFFF))
    high = np.zeros(section.shape, np.uint64)
    for y in range(rows):
        for x in range(columns):
            value = section[y, x]
            if value == 0:
                continue
            for k in range(max(0, x - width), min(columns, x + width + 1)):
                low[y, k] = min(low[y, k], value)
                high[y, k] = max(high[y, k], value)
    return low, high


@numba.njit(nogil=True, cache=True)
def _clear(section: Any, low: Any, high: Any, width: int) -> None:
    rows, columns = section.shape
    for y in range(rows):
        for x in range(columns):
            if section[y, x] == 0:
                continue
            for k in range(max(0, y - width), min(rows, y + width + 1)):
                if low[k, x] < section[y, x] or high[k, x] > section[y, x]:
                    section[y, x] = 0
                    break
