"""The range of the values that are blended in a voxel: from the lowest to the highest of the windows over it."""

import itertools
from collections.abc import Iterator

import numpy as np
import torch

from scripts.ops.windows import Range, WindowGrid


class WindowBounds:
    """Keep the lowest and highest value of each window; clamp blended maps to those of the windows over each voxel.

    A window without values, such as one that is masked, restricts nothing. Places are those of the padded volume.

    Args:
        grid: the windows.
        channels: of the maps.
        device: of the maps.
    """

    def __init__(self, grid: WindowGrid, channels: int, device: torch.device) -> None:
        self.grid = grid
        self._numbers = [{start: number for number, start in enumerate(starts)} for starts in grid.starts]
        self._unknown = torch.full((2, channels, *map(len, grid.starts[1:])), torch.inf, device=device)
        self._planes: dict[int, torch.Tensor] = {}
        """By the first plane of the windows: (2, C, windows along y, along x), lowest values and negated highest ones,
        so that one minimum serves both."""
        self._windows_of_column = torch.from_numpy(_covering(grid)).to(device)

    def add(self, z: int, y: int, x: int, bounds: torch.Tensor) -> None:
        """Keep the lowest values and the negated highest values of the window at (z, y, x), (2, C)."""
        if z not in self._planes:
            self._planes[z] = self._unknown.clone()
        self._planes[z][:, :, self._numbers[1][y], self._numbers[2][x]] = bounds

    def clamp(self, blended: torch.Tensor, planes: Range, lines: Range) -> None:
        """Clamp maps (C, z, y, x) of these planes and lines and of all columns of the box.

        Call it with planes that never decrease: windows that end before them are dropped.
        """
        for start in [start for start in self._planes if start + self.grid.window[0] <= planes[0]]:
            del self._planes[start]
        for (z0, z1), zs in self._cells(0, planes):
            found = [self._planes[start] for start in zs if start in self._planes]
            if not found:
                continue
            plane = torch.stack(found).amin(0)
            for (y0, y1), ys in self._cells(1, lines):
                first, last = self._numbers[1][ys[0]], self._numbers[1][ys[-1]]
                line = plane[:, :, first : last + 1].amin(2)
                low, negated = line[:, :, self._windows_of_column].amin(3)[:, :, None, None]
                blended[:, z0 - planes[0] : z1 - planes[0], y0 - lines[0] : y1 - lines[0]].clamp_(low, -negated)

    def _cells(self, axis: int, span: Range) -> Iterator[tuple[Range, list[int]]]:
        """Divide a range of an axis where a window begins or ends: each part with the first voxels of the windows over
        it."""
        starts, window = self.grid.starts[axis], self.grid.window[axis]
        edges = {edge for start in starts for edge in (start, start + window)}
        inner = sorted({*span, *(edge for edge in edges if span[0] < edge < span[1])})
        for low, high in itertools.pairwise(inner):
            yield (low, high), [start for start in starts if start <= low < start + window]


def _covering(grid: WindowGrid) -> np.ndarray:
    """Return the numbers of the windows over each column of the box, (x, most of them), the last one repeated."""
    starts = np.array(grid.starts[2])
    columns = np.arange(grid.before[2], grid.before[2] + grid.shape[2])
    first = np.searchsorted(starts, columns - grid.window[2], side="right")
    last = np.searchsorted(starts, columns, side="right") - 1
    return np.minimum(first[:, None] + np.arange((last - first).max() + 1), last[:, None])
