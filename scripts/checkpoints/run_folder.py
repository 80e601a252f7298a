"""The folder of a run: never written over, resumed only when asked to."""

import os
from pathlib import Path
from typing import Any

import torch.distributed as dist

from scripts.checkpoints.file import load_checkpoint
from scripts.checkpoints.run_log import read_log
from scripts.engines.switches import switch


class RunFolder:
    """Where a run writes, and what an earlier run left there.

    Nothing is written before training begins.

    Args:
        path: the folder; made when first written to.
        resume: go on from its last checkpoint; where there is none, begin at iteration 0.

    Raises:
        ValueError: an earlier run is there and `resume` is false, or its last checkpoint cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str], resume: bool | str = False) -> None:
        self.path = Path(path)
        self.resume = switch(resume, "resume")
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"output_dir '{self.path}' is a file; choose a folder with --output_dir")
        if self.holds_a_run and not self.resume:
            raise ValueError(
                f"output_dir '{self.path}' holds an earlier run ({self._how_far()}). Go on with it: --resume true. "
                f"Keep it and begin anew: --output_dir {self.path}_2"
            )
        self.checkpoint: dict[str, Any] | None = None
        if self.resume and self.last.exists():
            self.checkpoint = load_checkpoint(self.last)
        self.start = int(self.checkpoint["iteration"]) if self.checkpoint else 0
        if dist.is_initialized():
            dist.barrier()  # no process writes before every one has looked

    @property
    def holds_a_run(self) -> bool:
        """Whether a checkpoint or the log of an iteration is there."""
        return self.last.exists() or self.best.exists() or self._logged() > 0

    @property
    def log(self) -> Path:
        """The JSON-lines log."""
        return self.path / "log.jsonl"

    @property
    def last(self) -> Path:
        """The newest checkpoint, the one to resume from."""
        return self.path / "checkpoints" / "last.pt"

    @property
    def best(self) -> Path:
        """The network with the lowest validation loss."""
        return self.path / "checkpoints" / "best.pt"

    def kept(self, iteration: int) -> Path:
        """A checkpoint that stays for good."""
        return self.path / "checkpoints" / f"iteration_{iteration:07d}.pt"

    def _logged(self) -> int:
        """The last iteration in the log; 0 where there is none."""
        entries = read_log(self.log) if self.log.exists() else []
        return int(entries[-1]["iteration"]) if entries else 0

    def _how_far(self) -> str:
        last = self._logged()
        return f"iteration {last:,} is the last in its log" if last else "a checkpoint without a log"
