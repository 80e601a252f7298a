"""Write the log that plots read: one JSON object a line, each iteration once, also after kills and resumes."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import torch

from scripts.checkpoints.run_log import keep_until
from scripts.data.files.replacing import full_disk_error, is_full
from scripts.handlers.sinks.log_sink import LogSink, StepRecord


class JsonlLog(LogSink):
    """Append a line for each iteration and each validation; a resumed run first drops the lines after its checkpoint.

    A training line has iteration, loss, loss_NAME for each term of a sum, lr, samples_per_s, seconds, waiting (the
    share of them spent waiting for data) and elapsed; a validation line has iteration and the scores by name, such as
    val_loss. A value that is not finite is written as null.

    Args:
        path: the file; its folder is made when training begins.

    Raises:
        OSError: of a write, no space is left; with path, free bytes and remedy.

    Example::

        MetricLogger(optimizer, samples=24, sinks=[JsonlLog("runs/a/log.jsonl")]).attach(trainer)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._file: TextIO | None = None

    def on_start(self, start: int, iterations: int) -> None:
        """Open the file, without the lines of iterations after `start`."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        keep_until(self.path, start)
        self._file = self.path.open("a", encoding="utf-8", buffering=1)

    def on_step(self, record: StepRecord) -> None:
        """Write an iteration; "skipped" counts crops rejected for values that are not finite, where there were any."""
        skipped = int(torch.as_tensor(record.batch.get("skipped", 0)).sum())
        self._write(
            {
                "iteration": record.iteration,
                "loss": record.loss,
                **{f"loss_{name}": value for name, value in record.terms.items()},
                "lr": record.learning_rate,
                "samples_per_s": round(record.samples_per_second, 3),
                "seconds": record.seconds,
                "waiting": record.waiting,
                "elapsed": record.elapsed,
                **({"skipped": skipped} if skipped else {}),
            }
        )

    def on_scores(self, iteration: int, scores: Mapping[str, float]) -> None:
        """Write a validation."""
        self._write({"iteration": iteration, **scores})

    def flush(self) -> None:
        """Force the lines to disk, so that no checkpoint is ahead of the log."""
        if self._file is not None:
            with self._full_disk_reported():
                self._file.flush()
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; what a full disk refused is reported as by a write."""
        file, self._file = self._file, None
        if file is not None:
            with self._full_disk_reported():
                file.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._file is None:
            return
        finite = {key: value if value - value == 0 else None for key, value in line.items()}
        with self._full_disk_reported():
            self._file.write(json.dumps(finite) + "\n")

    @contextmanager
    def _full_disk_reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not is_full(error):
                raise
            remedy = "Checkpoints are kept: resume with --resume true"
            raise full_disk_error(self.path, remedy=remedy) from error
