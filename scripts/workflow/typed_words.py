"""The value of a word of the command line, by the rules of JSON and of Python."""

import ast
from typing import Any

WORDS = {"true": True, "false": False, "null": None, "none": None}
"""Words that mean what they mean in JSON; Python's None too."""


def word(value: Any) -> Any:
    """What `true`, `false` or `null` mean; anything else as it is."""
    return WORDS.get(value.lower(), value) if isinstance(value, str) else value


def literal(value: Any) -> Any:
    """A typed word as the Python or JSON value that it writes, else as the text that it is."""
    if not isinstance(value, str):
        return value
    if value.lower() in WORDS:
        return WORDS[value.lower()]
    try:
        return ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return value
