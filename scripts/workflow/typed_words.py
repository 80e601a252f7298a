"""The value of a word of the command line, by the rules of JSON and of Python."""

import ast
from typing import Any

WORDS = {"true": True, "false": False, "null": None, "none": None}
"""Words that mean what they mean in JSON; Python's None too."""


def word(value: Any) -> Any:
    """What `true`, `false` or `null` mean; anything else as it is."""
    return WORDS.get(value.lower(), value) if isinstance(value, str) else value


def literal(value: Any) -> Any:
    """A typed word as the Python or JSON value that it writes, else as the text that it is.

    Example:
        >>> literal("['a.h5', null]"), literal("1_000"), literal("my maps")
        (['a.h5', None], 1000, 'my maps')
    """
    if not isinstance(value, str):
        return value
    if value.lower() in WORDS:
        return WORDS[value.lower()]
    try:
        return ast.literal_eval(_JsonWords().visit(ast.parse(value.strip(), mode="eval")))
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return value


class _JsonWords(ast.NodeTransformer):
    """Put the values of `true`, `false` and `null` into lists and objects."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(WORDS[node.id]) if node.id in WORDS else node
