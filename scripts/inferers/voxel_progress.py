"""How far an inference is: voxels done, voxels/s, and the time left."""

import sys
import time
from typing import TextIO

from tqdm import tqdm

from scripts.engines.duration import duration


class VoxelProgress:
    """A bar on a terminal, a line now and then elsewhere.

    Args:
        voxels: of the whole box.
        done: of them in an earlier run.
        every_seconds: between two lines where the output is no terminal.
        stream: where to; standard output.
    """

    def __init__(self, voxels: int, done: int = 0, every_seconds: float = 10.0, stream: TextIO | None = None) -> None:
        self.voxels, self.done, self.every_seconds = voxels, done, every_seconds
        self.stream = sys.stdout if stream is None else stream
        self._before, self._began = done, time.monotonic()
        self._last_line = self._began
        self._bar: tqdm | None = None
        if self.stream.isatty():
            self._bar = tqdm(
                total=voxels, initial=done, unit="voxel", unit_scale=True, file=self.stream, dynamic_ncols=True
            )

    @property
    def speed(self) -> float:
        """Voxels/s of this run."""
        return (self.done - self._before) / max(time.monotonic() - self._began, 1e-9)

    def add(self, voxels: int) -> None:
        """Move on."""
        self.done += voxels
        if self._bar is not None:
            self._bar.update(voxels)
            return
        now = time.monotonic()
        if voxels and (now - self._last_line >= self.every_seconds):
            self._last_line = now
            left = (self.voxels - self.done) / max(self.speed, 1e-9)
            share = f"{self.done / self.voxels:.1%} of {_voxels(self.voxels)}"
            print(f"{share}, {_voxels(self.speed)}/s, {duration(left)} left", file=self.stream, flush=True)

    def close(self) -> None:
        """End the bar, or say the last line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        else:
            seconds = time.monotonic() - self._began
            text = f"{_voxels(self.done - self._before)} in {duration(seconds)}, {_voxels(self.speed)}/s"
            print(text, file=self.stream, flush=True)


def _voxels(number: float) -> str:
    for unit, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.3g} {letter}voxel"
    return f"{number:.3g} voxel"
