"""Options of a bundle's command line that no config knows: MONAI would pass over them without a word."""

import ast
import difflib
import inspect
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser, run

RUN_OPTIONS = {name for name, parameter in inspect.signature(run).parameters.items() if name != "override"}
"""What `python -m monai.bundle run` itself takes."""


def check_overrides(arguments: Sequence[str] | None = None) -> None:
    """Refuse options of `monai.bundle run` that override nothing.

    Args:
        arguments: the words after `python -m monai.bundle`; those of this program where it is one, else nothing is
            checked.

    Raises:
        ValueError: an unknown option, with the nearest known one.
    """
    if arguments is None:
        if Path(sys.argv[0]).parts[-3:] != ("monai", "bundle", "__main__.py"):
            return
        arguments = sys.argv[1:]
    given = given_options(arguments)
    files = _as_list(given.get("config_file"))
    if "args_file" in given:
        from_file = ConfigParser.load_config_files(given["args_file"])
        files = files or _as_list(from_file.get("config_file"))
        given = {**from_file, **given}
    known = {name for file in files for name in ConfigParser.load_config_file(file)}
    if files:
        refuse_unknown(given, known)


def refuse_unknown(given: Iterable[str], known: Iterable[str]) -> None:
    """Raise ValueError for the first name that is neither known nor one of MONAI's own."""
    names = {name.lstrip("+") for name in known}
    knobs = sorted(name for name in names if not name.startswith("_"))
    for option in given:
        name = option.lstrip("+").replace("::", "#").split("#")[0]
        if name in names or name in RUN_OPTIONS:
            continue
        near = difflib.get_close_matches(name, [*knobs, *RUN_OPTIONS], n=1, cutoff=0.5)
        raise ValueError(f"unknown option --{name}; {f'did you mean --{near[0]}?' if near else f'there are: {knobs}'}")


def given_options(arguments: Sequence[str]) -> dict[str, str]:
    """Options by name, as python-fire reads them: `--name value`, `--name=value`, `-name value`, dashes as
    underscores."""
    found: dict[str, str] = {}
    for place, word in enumerate(arguments):
        if not word.startswith("-") or not word.lstrip("-")[:1].isalpha():
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if not equals and place + 1 < len(arguments):
            value = arguments[place + 1]
        found[name.replace("-", "_")] = value
    return found


def _as_list(files: Any) -> list[str]:
    if files is None:
        return []
    if isinstance(files, str) and files.lstrip().startswith(("[", "(")):
        files = ast.literal_eval(files)
    return [files] if isinstance(files, str) else list(files)
