"""Show the progress of long work: a bar on a terminal, a line every few seconds elsewhere."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

from tqdm import tqdm


class ProgressBar:
    """A tqdm bar where the output is a terminal; else lines of text that a log file keeps readable.

    Args:
        total: amount of work.
        done: of it in an earlier run.
        unit: of the amounts, such as "it" or "voxel".
        every_seconds: between two lines where the output is no terminal.
        stream: standard output by default.

    Example::

        bar = ProgressBar(total=100)
        for number in range(100):
            bar.update(1, lambda: f"{number} of 100")
        bar.close()
    """

    def __init__(
        self,
        total: int,
        done: int = 0,
        unit: str = "it",
        every_seconds: float = 10.0,
        stream: TextIO | None = None,
    ) -> None:
        self.stream = sys.stdout if stream is None else stream
        self.every_seconds = every_seconds
        self._last_line = time.monotonic()
        self._bar: tqdm | None = None
        if self.stream.isatty():
            self._bar = tqdm(
                total=total, initial=done, unit=unit, unit_scale=unit != "it", file=self.stream, dynamic_ncols=True
            )

    @property
    def is_terminal(self) -> bool:
        """Whether a bar is shown in place of lines."""
        return self._bar is not None

    def update(self, amount: int, line: Callable[[], str], state: str = "", now: bool = False) -> None:
        """Advance.

        Args:
            amount: of work done since the last call.
            line: returns the line to print; called when one is due.
            state: shown behind the bar.
            now: print a line in any case.
        """
        if self._bar is not None:
            if state:
                self._bar.set_postfix_str(state, refresh=False)
            self._bar.update(amount)
            return
        moment = time.monotonic()
        if now or moment - self._last_line >= self.every_seconds:
            self._last_line = moment
            self.write(line())

    def write(self, line: str) -> None:
        """Print a line, above the bar where there is one."""
        if self._bar is not None:
            self._bar.write(line, file=self.stream)
        else:
            print(line, file=self.stream, flush=True)

    def close(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
