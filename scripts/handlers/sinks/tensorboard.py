"""Write curves and pictures for TensorBoard."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from scripts.handlers.sinks.log_sink import LogSink, StepRecord

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoard(LogSink):
    """Write scalars `train/...` and `validation/...`, and images.

    Args:
        folder: of the event files.
        every: iterations between two training points.

    Example::

        MetricLogger(optimizer, samples=24, sinks=[TensorBoard("runs/a")]).attach(trainer)
    """

    def __init__(self, folder: str | os.PathLike[str], every: int = 10) -> None:
        self.folder = os.fspath(folder)
        self.every = every
        self._writer: SummaryWriter | None = None

    def on_start(self, start: int, iterations: int) -> None:
        """Open an event file; TensorBoard hides the points of earlier files after `start`."""
        from torch.utils.tensorboard import SummaryWriter  # imports slowly, and only one process of a run writes

        self._writer = SummaryWriter(self.folder, purge_step=start + 1 if start else None)

    def on_step(self, record: StepRecord) -> None:
        """Add a point to the training curves."""
        if self._writer is None or record.iteration % self.every:
            return
        self._writer.add_scalar("train/loss", record.loss, record.iteration)
        for name, value in record.terms.items():
            self._writer.add_scalar(f"train/loss_{name}", value, record.iteration)
        self._writer.add_scalar("train/learning_rate", record.learning_rate, record.iteration)
        self._writer.add_scalar("train/samples_per_second", record.samples_per_second, record.iteration)

    def on_scores(self, iteration: int, scores: Mapping[str, float]) -> None:
        """Add a point to each validation curve."""
        if self._writer is not None:
            for name, value in scores.items():
                self._writer.add_scalar(f"validation/{name}", value, iteration)

    def image(self, name: str, picture: torch.Tensor, iteration: int) -> None:
        """Add a picture, grey (y, x) or in colour (y, x, 3), in [0, 1]."""
        if self._writer is not None:
            self._writer.add_image(name, picture, iteration, dataformats="HW" if picture.ndim == 2 else "HWC")

    def flush(self) -> None:
        """Write buffered points to disk."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
