"""How training is getting on: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Mapping
from typing import TextIO

from tqdm import tqdm

from scripts.engines.duration import duration
from scripts.handlers.metric_logger import LogSink, StepRecord

SMOOTHING = 0.1
"""Weight of the newest iteration in the losses and the speeds shown."""
SCORES = 5
"""Validation scores printed; the log has them all."""


class Progress(LogSink):
    """Show iterations/s, samples/s, loss and the time left.

    Args:
        every_seconds: between two lines where the output is no terminal.
        stream: where to; standard output.
    """

    def __init__(self, every_seconds: float = 10.0, stream: TextIO | None = None) -> None:
        self.every_seconds = every_seconds
        self.stream = sys.stdout if stream is None else stream
        self._bar: tqdm | None = None
        self._iterations = 0
        self._loss = self._seconds = 0.0
        self._parts: dict[str, float] = {}
        self._last_line = 0.0

    def begin(self, start: int, iterations: int) -> None:
        """Start the bar at the iteration a resumed run goes on from."""
        self._iterations, self._seconds, self._last_line = iterations, 0.0, time.monotonic()
        if self.stream.isatty():
            self._bar = tqdm(total=iterations, initial=start, unit="it", file=self.stream, dynamic_ncols=True)

    def training(self, record: StepRecord) -> None:
        """Move on by one."""
        first = self._seconds == 0.0
        self._loss = record.loss if first else _towards(self._loss, record.loss)
        self._parts = {name: _towards(self._parts.get(name, part), part) for name, part in record.parts.items()}
        self._seconds = record.seconds if first else _towards(self._seconds, record.seconds)
        parts = ", ".join(f"{name} {part:.3f}" for name, part in self._parts.items())
        text = (
            f"loss {self._loss:.4f}{f' ({parts})' if parts else ''}, lr {record.learning_rate:.2e}, "
            f"{record.samples / max(self._seconds, 1e-9):.1f} samples/s"
        )
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update(1)
            return
        now = time.monotonic()
        done = record.iteration >= self._iterations
        if first or done or now - self._last_line >= self.every_seconds:
            self._last_line = now
            left = (self._iterations - record.iteration) * self._seconds
            speed = f"{1 / max(self._seconds, 1e-9):.2f} iterations/s"
            self._say(f"iteration {record.iteration}/{self._iterations}: {text}, {speed}, {duration(left)} left")

    def validation(self, iteration: int, scores: Mapping[str, float]) -> None:
        """Print the first few scores above the bar."""
        shown = ", ".join(f"{name} {value:.4f}" for name, value in list(scores.items())[:SCORES])
        more = f" and {len(scores) - SCORES} more in the log" if len(scores) > SCORES else ""
        self._say(f"iteration {iteration}: {shown}{more}")

    def close(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _say(self, line: str) -> None:
        if self._bar is not None:
            self._bar.write(line, file=self.stream)
        else:
            print(line, file=self.stream, flush=True)


def _towards(old: float, new: float) -> float:
    return old + SMOOTHING * (new - old)
