"""Values that begin with `$`: Python that MONAI evaluates, and paths that only look like it."""

import ast
import builtins
import re
from collections.abc import Iterable
from typing import Any


def check_expression(option: str, value: Any, imports: Iterable[str]) -> None:
    """Refuse a typed value that begins with `$` and is no Python, or uses names that the config does not import.

    Args:
        option: for the message.
        value: as typed.
        imports: of the config, such as `$import os`.

    Raises:
        ValueError: names the option and, for a path, what to write.
    """
    if not isinstance(value, str) or not value.startswith("$"):
        return
    text = re.sub(r"@[\w#:]+", "None", value[1:])
    try:
        unknown = _names(ast.parse(text.strip(), mode="eval")) - set(dir(builtins)) - _imported(imports) - MONAI_NAMES
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        problem = " ".join(str(error).split())[:80]
    else:
        if not unknown:
            return
        problem = f"it uses {', '.join(sorted(unknown))}, which the config does not import"
    raise ValueError(
        f"--{option} {value[:60]!r} begins with $, so it would be evaluated as Python ({problem}); write "
        f"./{value[:60]} if it is a path, or let the shell replace its variables"
    )


MONAI_NAMES = {"monai", "torch", "np", "numpy", "ignite", "__local_refs"}
"""What MONAI's expressions can always use."""


def _names(tree: ast.AST) -> set[str]:
    """Names that an expression uses and does not bind."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    bound = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return {node.id for node in names} - bound


def _imported(imports: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for line in imports:
        for node in ast.walk(ast.parse(str(line).lstrip("$"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                found |= {(name.asname or name.name).split(".")[0] for name in node.names}
    return found
