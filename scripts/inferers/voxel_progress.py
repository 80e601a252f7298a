"""Show the progress of an inference: voxels done, voxels/s, and the remaining time."""

import time
from typing import TextIO

from scripts.engines.duration import duration
from scripts.engines.progress_bar import ProgressBar


class VoxelProgress:
    """Count the voxels of an inference, and print speed and remaining time.

    Args:
        voxels: of the whole box.
        done: of them in an earlier run.
        every_seconds: between two lines where the output is no terminal.
        stream: standard output by default.
    """

    def __init__(self, voxels: int, done: int = 0, every_seconds: float = 10.0, stream: TextIO | None = None) -> None:
        self.voxels, self.done = voxels, done
        self._before, self._began = done, time.monotonic()
        self._bar = ProgressBar(voxels, done, "voxel", every_seconds, stream)

    @property
    def speed(self) -> float:
        """Voxels/s of this run."""
        return (self.done - self._before) / max(time.monotonic() - self._began, 1e-9)

    def add(self, voxels: int) -> None:
        """Advance by so many voxels."""
        self.done += voxels
        if voxels:
            self._bar.update(voxels, self._line)

    def close(self) -> None:
        """Close the bar, or print the last line."""
        if not self._bar.is_terminal:
            seconds = time.monotonic() - self._began
            self._bar.write(f"{_voxels(self.done - self._before)} in {duration(seconds)}, {_voxels(self.speed)}/s")
        self._bar.close()

    def _line(self) -> str:
        left = (self.voxels - self.done) / max(self.speed, 1e-9)
        share = f"{self.done / self.voxels:.1%} of {_voxels(self.voxels)}"
        return f"{share}, {_voxels(self.speed)}/s, {duration(left)} left"


def _voxels(number: float) -> str:
    for unit, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.3g} {letter}voxel"
    return f"{number:.3g} voxel"
