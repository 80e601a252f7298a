"""Weighted sums of overlapping windows, held for the planes that a window spans and no more."""

import mmap
import os
from pathlib import Path

import numpy as np
import torch

from scripts.ops.blending import TotalWeights
from scripts.ops.windows import Step, WindowGrid


class Blender:
    """Adds up the windows of a box, plane by plane, and hands out the blended maps of what has ended.

    The sums are a ring of `window z` planes of the padded box: as many float32 as channels x planes x lines x columns,
    however many sections the box has.

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
        return 4 * channels * self.grid.window[0] * self.grid.padded[1] * self.grid.padded[2]

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
        depth, height, width = self.grid.window
        for here, there in self._ring(z, z + depth):
            room = self._sums[:, here, y : y + height, x : x + width]
            room.addcmul_(votes[:, there], weights[:, there])

    def ended(self, step: Step) -> torch.Tensor | None:
        """The blended maps of what `step` has ended, cut to the box: (C, z, y, x) float32; None outside the box.

        To be called once a step, in order: the sums of these voxels start anew.
        """
        assert self._sums is not None
        width = self.grid.shape[2]
        blended = None
        inside = [self._inside(ended, axis) for axis, ended in enumerate((step.ended_z, step.ended_y))]
        if all(low < high for low, high in inside):
            (z0, z1), (y0, y1) = inside
            x0 = self.grid.before[2]
            totals = torch.from_numpy(self.totals.at((z0, z1), (y0, y1), (x0, x0 + width))).to(self.device)
            blended = self._sums.new_empty((len(self._sums), z1 - z0, y1 - y0, width))
            for here, there in self._ring(z0, z1):
                sums = self._sums[:, here, y0:y1, x0 : x0 + width]
                torch.div(sums, totals[there], out=blended[:, there])
        for here, _ in self._ring(*step.ended_z):
            self._sums[:, here, slice(*step.ended_y)] = 0
        if self._pages is not None:
            self._pages.madvise(mmap.MADV_DONTNEED)  # what was written stays in the file
        return blended

    def _ring(self, first: int, stop: int) -> list[tuple[slice, slice]]:
        """Where the planes first to stop, no more than a window has, are in the ring, and which of them these are."""
        depth = self.grid.window[0]
        low, count = first % depth, stop - first
        till = min(count, depth - low)
        whole = [(slice(low, low + till), slice(0, till)), (slice(0, count - till), slice(till, count))]
        return whole if till < count else whole[:1]

    def _inside(self, ended: tuple[int, int], axis: int) -> tuple[int, int]:
        """The part of a range of the padded box that is in the box."""
        low, before = self.grid.in_box(ended, axis), self.grid.before[axis]
        return low[0] + before, low[1] + before

    def _room(self, channels: int) -> torch.Tensor:
        shape = (channels, self.grid.window[0], *self.grid.padded[1:])
        if self.scratch is None or self.plane_bytes(channels) <= self.limit:
            return torch.zeros(shape, device=self.device)
        path = self.scratch / f"sums.{os.getpid()}"
        with path.open("w+b") as file:
            os.posix_fallocate(file.fileno(), 0, self.plane_bytes(channels))  # a full disk is found here
            self._pages = mmap.mmap(file.fileno(), self.plane_bytes(channels))
        path.unlink()
        return torch.from_numpy(np.frombuffer(self._pages, np.float32).reshape(shape))
