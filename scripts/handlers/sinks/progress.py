"""Show the progress of training: a bar on a terminal, a line every few seconds elsewhere."""

from collections.abc import Mapping
from typing import TextIO

from scripts.engines.duration import duration
from scripts.engines.progress_bar import ProgressBar
from scripts.handlers.sinks.log_sink import LogSink, StepRecord

SMOOTHING = 0.1
"""Weight of the newest iteration in the losses and the speeds shown."""
SCORES = 5
"""Validation scores printed; the log has all of them."""


class Progress(LogSink):
    """Show iterations/s, samples/s, loss and the remaining time.

    Args:
        every_seconds: between two lines where the output is no terminal.
        stream: standard output by default.
    """

    def __init__(self, every_seconds: float = 10.0, stream: TextIO | None = None) -> None:
        self.every_seconds, self.stream = every_seconds, stream
        self._bar: ProgressBar | None = None
        self._iterations = 0
        self._loss = self._seconds = 0.0
        self._terms: dict[str, float] = {}

    def on_start(self, start: int, iterations: int) -> None:
        """Start the bar at the iteration that a resumed run starts from."""
        self._iterations, self._seconds = iterations, 0.0
        self._bar = ProgressBar(iterations, start, "it", self.every_seconds, self.stream)

    def on_step(self, record: StepRecord) -> None:
        """Advance by one iteration."""
        assert self._bar is not None
        first = self._seconds == 0.0
        self._loss = record.loss if first else _smoothed(self._loss, record.loss)
        self._terms = {name: _smoothed(self._terms.get(name, term), term) for name, term in record.terms.items()}
        self._seconds = record.seconds if first else _smoothed(self._seconds, record.seconds)
        terms = ", ".join(f"{name} {term:.3f}" for name, term in self._terms.items())
        state = (
            f"loss {self._loss:.4f}{f' ({terms})' if terms else ''}, lr {record.learning_rate:.2e}, "
            f"{record.samples / max(self._seconds, 1e-9):.1f} samples/s"
        )
        left = duration((self._iterations - record.iteration) * self._seconds)
        speed = f"{1 / max(self._seconds, 1e-9):.2f} iterations/s"
        line = f"iteration {record.iteration}/{self._iterations}: {state}, {speed}, {left} left"
        self._bar.update(1, lambda: line, state, now=first or record.iteration >= self._iterations)

    def on_scores(self, iteration: int, scores: Mapping[str, float]) -> None:
        """Print the first few scores above the bar."""
        shown = ", ".join(f"{name} {value:.4f}" for name, value in list(scores.items())[:SCORES])
        more = f" and {len(scores) - SCORES} more in the log" if len(scores) > SCORES else ""
        bar = self._bar or ProgressBar(0, stream=self.stream)
        bar.write(f"iteration {iteration}: {shown}{more}")

    def close(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()


def _smoothed(old: float, new: float) -> float:
    return old + SMOOTHING * (new - old)
