"""The folder of a run: one process trains in it, an earlier run is never written over, and resumed on request."""

import logging
import os
from pathlib import Path
from typing import Any

import torch.distributed as dist

from scripts.checkpoints.file import load_checkpoint
from scripts.checkpoints.run_files import BEST, CHECKPOINTS, KEPT, LAST, LOCK, LOG
from scripts.checkpoints.run_log import read_log
from scripts.data.files.output_lock import OutputLock
from scripts.engines.switches import switch

logger = logging.getLogger(__name__)


class RunFolder:
    """Where a run writes, and what an earlier run left there.

    Nothing is written before `lock`, which training calls first.

    Args:
        path: the folder; made when first written to.
        resume: continue from its last checkpoint; where there is none, start at iteration 0.

    Raises:
        ValueError: an earlier run is there and `resume` is false, or its last checkpoint cannot be read.

    Example::

        folder = RunFolder("runs/affinity", resume=True)
        print(folder.start, folder.best)
    """

    def __init__(self, path: str | os.PathLike[str], resume: bool | str = False) -> None:
        self.path = Path(path)
        self.resume = switch(resume, "resume")
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"output_dir '{self.path}' is a file; choose a folder with --output_dir")
        if self.holds_a_run and not self.resume:
            raise ValueError(
                f"output_dir '{self.path}' holds an earlier run ({self._progress()}). Resume it: --resume true. "
                f"Keep it and start a new one: --output_dir {self.path}_2"
            )
        self._state = self._files()
        self.checkpoint: dict[str, Any] | None = None
        if self.resume and self.last.exists():
            self.checkpoint = load_checkpoint(self.last)
        self.start = int(self.checkpoint["iteration"]) if self.checkpoint else 0
        self._lock: OutputLock | None = None
        if dist.is_initialized():
            dist.barrier()  # no process writes before every process has read

    @property
    def holds_a_run(self) -> bool:
        """Whether a checkpoint or the log of an iteration is there."""
        return self.last.exists() or self.best.exists() or self._logged() > 0

    @property
    def log(self) -> Path:
        """The JSON-lines log."""
        return self.path / LOG

    @property
    def last(self) -> Path:
        """The newest checkpoint, to resume from."""
        return self.path / CHECKPOINTS / LAST

    @property
    def best(self) -> Path:
        """The network with the best validation score."""
        return self.path / CHECKPOINTS / BEST

    def kept(self, iteration: int) -> Path:
        """A checkpoint that stays."""
        return self.path / CHECKPOINTS / KEPT.format(iteration)

    def lock(self) -> None:
        """Keep other processes from training here, and remove the unfinished files of a killed run.

        With several processes of one run, the first one locks for all.

        Raises:
            BlockingIOError: another process trains here.
            ValueError: another process trained here since this folder was read.
        """
        if self._lock is not None or (dist.is_initialized() and dist.get_rank() > 0):
            return
        self._lock = OutputLock(self.path / LOCK, self.path)
        if self._files() != self._state:
            self.unlock()
            raise ValueError(
                f"output_dir '{self.path}' changed since this program started: another process trained there. Start "
                "again with --resume true, or choose another --output_dir"
            )
        for left in sorted((self.path / CHECKPOINTS).glob(".*")):
            if left.suffix in (".tmp", ".partial"):
                logger.info(
                    "removed     %s (%.1f MB), unfinished when a run was killed", left, left.stat().st_size / 1e6
                )
                left.unlink()

    def unlock(self) -> None:
        """Let other processes train here."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _files(self) -> list[tuple[int, int] | None]:
        """Size and time of the files that a run writes."""
        stats = [path.stat() if path.exists() else None for path in (self.last, self.best, self.log)]
        return [None if stat is None else (stat.st_size, stat.st_mtime_ns) for stat in stats]

    def _logged(self) -> int:
        """The last iteration in the log; 0 where there is none."""
        entries = read_log(self.log) if self.log.exists() else []
        return int(entries[-1]["iteration"]) if entries else 0

    def _progress(self) -> str:
        last = self._logged()
        return f"iteration {last:,} is the last in its log" if last else "a checkpoint without a log"
