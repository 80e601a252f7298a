"""Mistakes a user can mend end with their own words, not with the trace of the machinery around them."""

import sys
from types import TracebackType

from scripts.engines.switches import switch
from scripts.messages import show_messages

MENDABLE = (ValueError, OSError, ImportError, FloatingPointError, MemoryError)


def short_errors(debug: bool | str = False) -> None:
    """Make the last line of a failing program the message of what went wrong; show the lines that are logged.

    MONAI wraps what a component raises; the innermost cause is what helps. Anything that is not the user's to mend
    keeps its trace, and with `debug` everything does.
    """
    show_messages()
    if not switch(debug, "debug"):
        sys.excepthook = _say


def root_cause(error: BaseException) -> BaseException:
    """The first mendable error on the way down the explicit causes, or the error itself."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MENDABLE):
            return seen
        seen = seen.__cause__
    return error


def own_words(error: BaseException) -> str:
    """The message, without the trace that a worker process puts into it."""
    text = str(error)
    if "Original Traceback (most recent call last)" not in text:
        return text
    kind, _, message = text[text.rindex(f"{type(error).__name__}: ") :].partition(": ")
    return message or kind


def _say(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    cause = root_cause(error)
    if isinstance(error, KeyboardInterrupt):
        print("\nstopped at once; resume from the last checkpoint with --resume true", file=sys.stderr)
    elif isinstance(cause, MENDABLE):
        print(f"\nerror: {' '.join(own_words(cause).split())}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)
