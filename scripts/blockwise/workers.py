"""Run a task for every block: in this process, one block after the other."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from scripts.blockwise.grid import BlockGrid
from scripts.blockwise.plan import PLAN, BlockShapes

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
        """See `Workers`. Errors of the file system and lack of memory are tried again, wrong values are not."""
        for number in numbers:
            for attempt in range(1, TRIES + 1):
                try:
                    yield number, task(folder, number)
                    break
                except Exception as error:
                    if not isinstance(error, ValueError | OSError) and not out_of_memory(error):
                        raise
                    if attempt == TRIES or isinstance(error, ValueError):
                        raise BlockError(failure(folder, number, error, attempt)) from error


def failure(folder: Path, number: int, error: BaseException, attempts: int, limit: float | None = None) -> str:
    """What failed, where and how often, in one line; of a lack of memory also what was needed, and smaller blocks.

    Args:
        folder: of the run.
        number: of the block.
        error: what it raised, or dask's error of a task that ended its worker.
        attempts: how often it was tried.
        limit: GiB that a worker may take, if known.
    """
    failed = f"failed{' twice' if attempts == 2 else ''}: {type(error).__name__}: {error}"
    if not (folder / PLAN).exists():
        return f"task {number} {failed}"
    shapes = BlockShapes.load(folder)
    place = f"block {number} (voxels {shapes.voxels(number)} of the box)"
    killed = type(error).__name__ == "KilledWorker"
    if not killed and not out_of_memory(error):
        return f"{place} {failed}"
    deaths = getattr(error, "allowed_failures", TRIES - 1) + 1
    what = f"ended its worker {deaths} times, most likely for lack of memory" if killed else "ran out of memory"
    of_limit = "" if limit is None else f" of the {limit:.2f} that a worker may take"
    fitting = ",".join(map(str, shapes.smaller((shapes.gib if limit is None else limit) / 2)))
    return (
        f"{place} {what}: its arrays take about {shapes.gib:.2f} GiB{of_limit}; give workers more, start fewer, or "
        f"begin anew with smaller blocks: --blocks {fitting}"
    )


def out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python, numpy or torch is a lack of memory, of the machine or of the GPU."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in str(error) or "can't allocate memory" in str(error))
    )


class HasGrid(Protocol):
    """What has blocks."""

    @property
    def grid(self) -> BlockGrid:
        """The blocks."""


class Progress:
    """Print blocks, voxels a second and the time left, at most every few seconds."""

    def __init__(self, title: str, plan: HasGrid, total: int, seconds: float = 10.0) -> None:
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
                f"{self.title}: {self.blocks} of {self.total} blocks, {self.voxels / spent / 1e6:.3g} Mvoxel/s, "
                f"{left:.0f} s left"
            )
