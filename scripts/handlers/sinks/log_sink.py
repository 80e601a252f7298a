"""The record of one optimizer step, and the interface of everything that receives it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class StepRecord:
    """One optimizer step.

    Args:
        iteration: counted from 1.
        loss: mean over the whole batch, all processes.
        learning_rate: the rate this step was made with.
        samples: crops of this step, all processes.
        seconds: wall time since the previous step.
        waiting: the share of `seconds` spent waiting for data.
        elapsed: wall seconds of training since iteration 1, including earlier runs that this one resumes.
        batch: the crops of this process, to name the location of a bad one.
        terms: the terms of the loss by name, where it is a sum.
    """

    iteration: int
    loss: float
    learning_rate: float
    samples: int
    seconds: float
    waiting: float
    elapsed: float
    batch: Mapping[str, Any]
    terms: Mapping[str, float] = field(default_factory=dict)

    @property
    def samples_per_second(self) -> float:
        """Crops a second of this step alone."""
        return self.samples / self.seconds if self.seconds > 0 else 0.0


class LogSink:
    """Receive the records of a `MetricLogger`; each method does nothing unless overridden.

    Example::

        class LargestLoss(LogSink):
            largest = 0.0

            def on_step(self, record: StepRecord) -> None:
                self.largest = max(self.largest, record.loss)
    """

    def on_start(self, start: int, iterations: int) -> None:
        """Training begins after iteration `start` and ends after `iterations`."""

    def on_step(self, record: StepRecord) -> None:
        """An optimizer step was completed."""

    def on_scores(self, iteration: int, scores: Mapping[str, float]) -> None:
        """A validation was completed; its scores by name."""

    def flush(self) -> None:
        """Write everything received to disk: a checkpoint follows."""

    def close(self) -> None:
        """Training ended or failed."""
