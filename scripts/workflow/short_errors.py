"""End a run that failed by a user error with the message of that error, without the trace around it."""

import sys
from types import TracebackType

from scripts.engines.switches import switch
from scripts.messages import one_line, show_messages

USER_ERRORS = (ValueError, OSError, ImportError, FloatingPointError, MemoryError)


def short_errors(debug: bool | str = False) -> None:
    """Make the last line of a failing program the message of what went wrong; show the lines that are logged.

    MONAI wraps what a component raises; the innermost cause is what helps. Anything that is no user error
    keeps its trace, and with `debug` everything does.
    """
    show_messages()
    if not switch(debug, "debug"):
        sys.excepthook = _print_error


def root_cause(error: BaseException) -> BaseException:
    """Return the first user error among the explicit causes, or the error itself."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, USER_ERRORS):
            return seen
        seen = seen.__cause__
    return error


def error_text(error: BaseException) -> str:
    """Return the message, or the kind of error without one, without the trace that a worker process puts into it."""
    text = str(error) or type(error).__name__
    if "Original Traceback (most recent call last)" not in text:
        return text
    kind, _, message = text[text.rindex(f"{type(error).__name__}: ") :].partition(": ")
    return message or kind


def _print_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    cause = root_cause(error)
    if isinstance(error, KeyboardInterrupt):
        print("\nstopped at once; resume from the last checkpoint with --resume true", file=sys.stderr)
    elif isinstance(cause, USER_ERRORS):
        print(f"\nerror: {one_line(error_text(cause))}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)
