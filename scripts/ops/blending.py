"""How much each voxel of a window counts where windows overlap, and what the counts of all windows add up to."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from scripts.ops.windows import Range

SIGMA = 0.125
"""Standard deviation of the Gaussian, as a share of the window's length along each axis."""
LEAST = 1e-3
"""No voxel counts less, so that a corner that one window alone reaches is divided by no vanishing number."""


def gaussian_weights(window: Sequence[int]) -> np.ndarray:
    """Weights (z, y, x) float32: exp(-sum over axes of d^2 / (2 (n / 8)^2)), at least 1e-3.

    d is a voxel's distance from the middle of the window, n the window's length along that axis, in voxels. These are
    the numbers that MONAI's sliding-window inferer uses by default.
    """
    weights = np.ones((1, 1, 1), np.float64)
    for axis, size in enumerate(window):
        distance = np.arange(size) - (size - 1) / 2
        line = np.exp(-(distance**2) / (2 * (SIGMA * size) ** 2))
        weights = weights * line.reshape([-1 if other == axis else 1 for other in range(3)])
    return np.maximum(weights, LEAST).astype(np.float32)


def constant_weights(window: Sequence[int]) -> np.ndarray:
    """Weights (z, y, x) float32 of 1: overlapping windows are averaged."""
    return np.ones(tuple(window), np.float32)


BLENDS: dict[str, Callable[[Sequence[int]], np.ndarray]] = {"gaussian": gaussian_weights, "constant": constant_weights}
"""By the name that configs use."""


def blend_weights(name: str, window: Sequence[int]) -> np.ndarray:
    """The weights (z, y, x) of that name.

    Raises:
        ValueError: an unknown name.
    """
    if name not in BLENDS:
        raise ValueError(f"unknown blend '{name}'; there are: {', '.join(BLENDS)}")
    return BLENDS[name](window)


class TotalWeights:
    """The sum, at any voxel of the padded volume, of the weights of all windows that cover it.

    The sum depends on a voxel only through the distances from it to the starts of the windows over it. There are few
    different ones along an axis, however long it is, so a table of a few MiB serves volumes of any size.

    Args:
        weights: of one window, (z, y, x) float32, none zero.
        starts: first voxels of the windows along each axis.
        padded: voxels of the padded volume.
    """

    def __init__(self, weights: np.ndarray, starts: Sequence[Sequence[int]], padded: Sequence[int]) -> None:
        self.rows: list[np.ndarray] = []
        table = weights.astype(np.float64)
        for axis in range(3):
            patterns, row = _patterns(starts[axis], weights.shape[axis], padded[axis])
            table = np.stack([table.take(pattern, axis).sum(axis) for pattern in patterns], axis)
            self.rows.append(row)
        self.table = table.astype(np.float32)

    def at(self, z: Range, y: Range, x: Range) -> np.ndarray:
        """The sums in a box of the padded volume, (z, y, x) float32."""
        rows = [row[low:high] for row, (low, high) in zip(self.rows, (z, y, x), strict=True)]
        return self.table[np.ix_(*rows)]


def _patterns(starts: Sequence[int], window: int, size: int) -> tuple[list[tuple[int, ...]], np.ndarray]:
    """Different sets of places that a voxel has in the windows over it, and which of them each voxel has."""
    covering: list[list[int]] = [[] for _ in range(size)]
    for start, place in itertools.product(starts, range(window)):
        covering[start + place].append(place)
    numbers: dict[tuple[int, ...], int] = {}
    rows = [numbers.setdefault(tuple(places), len(numbers)) for places in covering]
    return list(numbers), np.array(rows)
