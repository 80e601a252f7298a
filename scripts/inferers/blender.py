"""Weighted sums of overlapping windows, kept for the planes that one window spans."""

import mmap
import os
from pathlib import Path

import numpy as np
import torch

from scripts.inferers.window_bounds import WindowBounds
from scripts.ops.blending import TotalWeights
from scripts.ops.windows import WindowGrid, WindowRow


class Blender:
    """Add up the windows of a box, plane by plane, and return the blended maps of completed planes.

    The sums are a ring of as many sections of the box as a window has: channels x these x lines x columns float32,
    however many sections the box has. Values of windows outside the box are left out.

    A weighted mean is between its values, but its rounding may not: sum and divisor are rounded differently, so a
    network of ones would give up to 1.0000005. Blended values are clamped to the lowest and highest value of the
    windows over their voxel, which leaves all others as they are.

    Args:
        grid: the windows.
        totals: the sums of the weights of its windows.
        device: where the sums are kept.
        scratch: a folder for a file that keeps the sums in place of memory, where they take more than `limit` bytes.
            The file has no name and is deleted with the process.
        limit: bytes.
    """

    def __init__(
        self,
        grid: WindowGrid,
        totals: TotalWeights,
        device: torch.device,
        scratch: Path | None = None,
        limit: float = float("inf"),
    ) -> None:
        self.grid, self.device, self.scratch, self.limit = grid, device, scratch, limit
        self.totals = totals
        self._sums: torch.Tensor | None = None
        self._bounds: WindowBounds | None = None
        self._pages: mmap.mmap | None = None

    def plane_bytes(self, channels: int) -> int:
        """Bytes of the sums."""
        return 4 * channels * self.grid.window[0] * self.grid.shape[1] * self.grid.shape[2]

    @property
    def opened(self) -> bool:
        """Whether the sums are allocated."""
        return self._sums is not None

    def open(self, channels: int) -> None:
        """Allocate the sums of that many channels, at the first call; `device` is then theirs.

        Raises:
            OSError: no space for the scratch file.
        """
        if self._sums is None:
            self._sums = self._allocated(channels)
            self.device = self._sums.device
            self._bounds = WindowBounds(self.grid, channels, self.device)

    def add(self, z: int, y: int, x: int, votes: torch.Tensor, weights: torch.Tensor, bounds: torch.Tensor) -> None:
        """Add a window at (z, y, x) of the padded volume.

        Args:
            z, y, x: first voxel of the window.
            votes: (C, z, y, x), summed over flips.
            weights: (C, z, y, x), for a sum over flips.
            bounds: (2, C) lowest values of the network in this window, and negated highest ones.
        """
        assert self._sums is not None
        assert self._bounds is not None
        self._bounds.add(z, y, x, bounds)
        (z0, z1), (y0, y1), (x0, x1) = (
            self.grid.in_box((start, start + size), axis)
            for axis, (start, size) in enumerate(zip((z, y, x), self.grid.window, strict=True))
        )
        first_y, first_x = y0 + self.grid.before[1] - y, x0 + self.grid.before[2] - x
        lines, columns = slice(first_y, first_y + y1 - y0), slice(first_x, first_x + x1 - x0)
        below = z0 + self.grid.before[0] - z
        for here, there in self._ring(z0, z1, below):
            sums = self._sums[:, here, y0:y1, x0:x1]
            sums.addcmul_(votes[:, there, lines, columns], weights[:, there, lines, columns])

    def completed(self, step: WindowRow) -> torch.Tensor | None:
        """Return the blended maps that `step` completes, cut to the box: (C, z, y, x) float32; None outside the box.

        Call it once a step, in order: the sums of these voxels are set to zero.
        """
        assert self._sums is not None
        assert self._bounds is not None
        (z0, z1), (y0, y1) = self.grid.in_box(step.ended_z, 0), self.grid.in_box(step.ended_y, 1)
        if z0 >= z1 or y0 >= y1:
            return None
        spans = ((z0, z1), (y0, y1), (0, self.grid.shape[2]))
        z, y, x = ((low + before, high + before) for (low, high), before in zip(spans, self.grid.before, strict=True))
        totals = torch.from_numpy(self.totals.at(z, y, x)).to(self.device)
        blended = self._sums.new_empty((len(self._sums), *totals.shape))
        for here, there in self._ring(z0, z1):
            sums = self._sums[:, here, y0:y1]
            torch.div(sums, totals[there], out=blended[:, there])
            sums.zero_()
        self._bounds.clamp(blended, z, y)
        if self._pages is not None:
            self._pages.madvise(mmap.MADV_DONTNEED)  # written pages stay in the file
        return blended

    def _ring(self, first: int, stop: int, begin: int = 0) -> list[tuple[slice, slice]]:
        """Return the slices of the ring that hold sections first to stop of the box, at most a window's, each with the
        same sections counted from `begin`."""
        depth = self.grid.window[0]
        low, count = first % depth, stop - first
        till = min(count, depth - low)
        whole = [(slice(low, low + till), slice(begin, begin + till))]
        if till < count:
            whole.append((slice(0, count - till), slice(begin + till, begin + count)))
        return whole

    def _allocated(self, channels: int) -> torch.Tensor:
        shape = (channels, self.grid.window[0], *self.grid.shape[1:])
        if self.scratch is None or self.plane_bytes(channels) <= self.limit:
            return torch.zeros(shape, device=self.device)
        path = self.scratch / f"sums.{os.getpid()}"
        with path.open("w+b") as file:
            os.posix_fallocate(file.fileno(), 0, self.plane_bytes(channels))  # reports a full disk
            self._pages = mmap.mmap(file.fileno(), self.plane_bytes(channels))
        path.unlink()
        return torch.from_numpy(np.frombuffer(self._pages, np.float32).reshape(shape))
