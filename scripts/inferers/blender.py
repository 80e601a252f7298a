"""Weighted sums of overlapping windows, held for the planes that a window spans and no more."""

import mmap
import os
from pathlib import Path

import numpy as np
import torch

from scripts.ops.blending import TotalWeights
from scripts.ops.windows import WindowGrid, WindowRow


class Blender:
    """Adds up the windows of a box, plane by plane, and hands out the blended maps of what has ended.

    The sums are a ring of as many sections of the box as a window has: channels x these x lines x columns float32,
    however many sections the box has. What windows say of voxels outside the box is left out.

    Args:
        grid: the windows.
        totals: the sums of the weights of its windows.
        device: where the sums are kept.
        scratch: a folder for a file that holds the sums in place of memory, where they take more than `limit` bytes.
            The file has no name and goes with the program.
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
        self._pages: mmap.mmap | None = None

    def plane_bytes(self, channels: int) -> int:
        """Bytes of the sums."""
        return 4 * channels * self.grid.window[0] * self.grid.shape[1] * self.grid.shape[2]

    def open(self, channels: int) -> None:
        """Make room for the sums of that many channels, at the first call; `device` is where they are.

        Raises:
            OSError: no room for the scratch file.
        """
        if self._sums is None:
            self._sums = self._room(channels)
            self.device = self._sums.device

    def add(self, z: int, y: int, x: int, votes: torch.Tensor, weights: torch.Tensor) -> None:
        """Add a window at (z, y, x) of the padded box: votes (C, z, y, x) times weights (C, z, y, x)."""
        assert self._sums is not None
        (z0, z1), (y0, y1), (x0, x1) = (
            self.grid.in_box((start, start + size), axis)
            for axis, (start, size) in enumerate(zip((z, y, x), self.grid.window, strict=True))
        )
        first_y, first_x = y0 + self.grid.before[1] - y, x0 + self.grid.before[2] - x
        lines, columns = slice(first_y, first_y + y1 - y0), slice(first_x, first_x + x1 - x0)
        below = z0 + self.grid.before[0] - z
        for here, there in self._ring(z0, z1, below):
            room = self._sums[:, here, y0:y1, x0:x1]
            room.addcmul_(votes[:, there, lines, columns], weights[:, there, lines, columns])

    def ended(self, step: WindowRow) -> torch.Tensor | None:
        """The blended maps of what `step` has ended, cut to the box: (C, z, y, x) float32; None outside the box.

        To be called once a step, in order: the sums of these voxels start anew.
        """
        assert self._sums is not None
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
        if self._pages is not None:
            self._pages.madvise(mmap.MADV_DONTNEED)  # what was written stays in the file
        return blended

    def _ring(self, first: int, stop: int, begin: int = 0) -> list[tuple[slice, slice]]:
        """Where sections first to stop of the box, no more than a window has, are in the ring; and the same counted
        from `begin`."""
        depth = self.grid.window[0]
        low, count = first % depth, stop - first
        till = min(count, depth - low)
        whole = [(slice(low, low + till), slice(begin, begin + till))]
        if till < count:
            whole.append((slice(0, count - till), slice(begin + till, begin + count)))
        return whole

    def _room(self, channels: int) -> torch.Tensor:
        shape = (channels, self.grid.window[0], *self.grid.shape[1:])
        if self.scratch is None or self.plane_bytes(channels) <= self.limit:
            return torch.zeros(shape, device=self.device)
        path = self.scratch / f"sums.{os.getpid()}"
        with path.open("w+b") as file:
            os.posix_fallocate(file.fileno(), 0, self.plane_bytes(channels))  # a full disk is found here
            self._pages = mmap.mmap(file.fileno(), self.plane_bytes(channels))
        path.unlink()
        return torch.from_numpy(np.frombuffer(self._pages, np.float32).reshape(shape))
