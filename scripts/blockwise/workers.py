"""Run a task for every block: in this process, one block after the other."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from scripts.blockwise.plan import PLAN, Plan

logger = logging.getLogger(__name__)

Task = Callable[[Path, int], Any]
"""What is done with a block: (folder of the run, number of the block) to something small."""
TRIES = 2
"""A block that fails so often stops the run."""


class BlockError(OSError):
    """A block failed as often as it is tried."""


class Workers(Protocol):
    """What runs tasks."""

    def run(self, task: Task, folder: Path, numbers: Sequence[int]) -> Iterator[tuple[int, Any]]:
        """(number, result) of every block, in the order in which they end.

        Raises:
            BlockError: a block that cannot be done.
        """


class ThisProcess:
    """One block after the other, without dask."""

    def run(self, task: Task, folder: Path, numbers: Sequence[int]) -> Iterator[tuple[int, Any]]:
        """See `Workers`. Errors of the file system are tried again, others are not."""
        for number in numbers:
            for attempt in range(1, TRIES + 1):
                try:
                    yield number, task(folder, number)
                    break
                except (ValueError, OSError, MemoryError) as error:
                    if attempt == TRIES or isinstance(error, ValueError):
                        raise BlockError(failure(folder, number, error, attempt)) from error


def failure(folder: Path, number: int, error: BaseException, attempts: int) -> str:
    """What failed, where and how often, in one line."""
    place = f" (voxels {Plan.load(folder).grid.box(number)} of the box)" if (folder / PLAN).exists() else ""
    return f"block {number}{place} failed{' twice' if attempts == 2 else ''}: {type(error).__name__}: {error}"


class Progress:
    """Print blocks, voxels a second and the time left, at most every few seconds."""

    def __init__(self, title: str, plan: Plan, total: int, seconds: float = 10.0) -> None:
        self.title, self.plan, self.total, self.seconds = title, plan, total, seconds
        self.begin = self.printed = time.perf_counter()
        self.blocks = self.voxels = 0

    def add(self, number: int) -> None:
        """Count a block."""
        self.blocks += 1
        self.voxels += self.plan.grid.box(number).voxels
        now = time.perf_counter()
        if now - self.printed >= self.seconds:
            self.printed = now
            spent = now - self.begin
            left = spent / self.blocks * (self.total - self.blocks)
            logger.info(
                f"{self.title}: {self.blocks} of {self.total} blocks, {self.voxels / spent / 1e6:.1f} Mvoxel/s, "
                f"{left:.0f} s left"
            )
