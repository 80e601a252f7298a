"""How a verb is called: its help, and the words after it as arguments of the types that its signature states."""

import difflib
import inspect
import re
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args, get_origin, get_type_hints

from scripts.tools.command_line.argument_types import describe, read_value

OPTION = re.compile(r"--?(?=[A-Za-z_])([\w-]+)(?:=(.*))?$", re.DOTALL)
CUT = re.compile(r"^(Returns|Raises):$", re.MULTILINE)
REQUIRED = inspect.Parameter.empty
VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
SWITCH_WORDS = ("true", "false", "yes", "no", "on", "off", "0", "1", "null", "none")
"""Words that follow a switch as its value; any other word is an argument of the verb."""


class Settings:
    """What a verb takes as `**settings`: names that depend on other options, each with its own type."""

    def names(self, given: Mapping[str, Any]) -> Sequence[str]:
        """The names that are known, where the other options are `given`."""
        raise NotImplementedError

    def read(self, name: str, text: str, given: Mapping[str, Any]) -> Any:
        """The value of one of them; ValueError, in one line, for anything else."""
        raise NotImplementedError


def help_text(verb: str, function: Callable[..., object]) -> str:
    """Usage, what the verb does, its options with ranges and defaults, and its example."""
    parameters = inspect.signature(function).parameters.values()
    hints = get_type_hints(function, include_extras=True)
    fixed = [p for p in parameters if p.kind not in VARIABLE]
    needed = [p.name.upper() if p.kind is p.POSITIONAL_OR_KEYWORD else f"--{p.name} ..." for p in _required(fixed)]
    needed += [f"{p.name.upper()}..." for p in parameters if p.kind is p.VAR_POSITIONAL]
    rest = ["[options]"] if len(needed) < len(fixed) else []
    text = inspect.getdoc(function) or ""
    cut = CUT.search(text)
    lines = (text[: cut.start()] if cut else text).rstrip().splitlines()
    for parameter in fixed:
        for place, line in enumerate(lines):
            if line.startswith(f"    {parameter.name}: "):
                lines[place] = f"    --{line.strip().replace(': ', f'{_noted(parameter, hints)}: ', 1)}"
    shown = ["Options:" if line == "Args:" else line for line in lines]
    return "\n".join([f"usage: {' '.join(['python -m scripts', verb, *needed, *rest])}", "", *shown])


def parse_arguments(
    verb: str, function: Callable[..., object], words: Sequence[str]
) -> tuple[list[Any], dict[str, Any]]:
    """Positional and named arguments for the verb's function.

    Options are `--name value`, `--name=value`, `--switch`, `--noswitch`, or the one letter that only one option begins
    with; dashes in names are underscores. Words without a name go to the verb's first arguments that have no value yet.

    Raises:
        ValueError: an unknown, missing or repeated option, a value of another type or outside its range; in one line,
            with the remedy.
    """
    parameters = inspect.signature(function).parameters
    hints = get_type_hints(function, include_extras=True)
    fixed = [name for name, p in parameters.items() if p.kind not in VARIABLE]
    more = next((name for name, p in parameters.items() if p.kind is p.VAR_POSITIONAL), None)
    settings = next((_settings(hints[name]) for name, p in parameters.items() if p.kind is p.VAR_KEYWORD), None)
    switches = [name for name in fixed if _is_switch(hints[name])]
    options, loose = _parted(words, fixed, switches)
    for name in options:
        if name not in fixed and settings is None:
            raise ValueError(f"unknown option --{name} of '{verb}'; {_nearest(name, fixed)}")
    opened = [name for name in fixed if parameters[name].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    opened = [name for name in opened if name not in options]
    example = f"`python -m scripts {verb} --help` has an example"
    if len(loose) > len(opened) and more is None:
        raise ValueError(f"'{loose[len(opened)]}' is one word too many for '{verb}'; {example}")
    options |= dict(zip(opened, loose, strict=False))
    missing = [f"--{p.name}" for p in _required(list(parameters.values())) if p.name not in options]
    if missing:
        raise ValueError(f"'{verb}' needs {' and '.join(missing)}; {example}")
    for name, text in options.items():
        if text is None and name in fixed:
            raise ValueError(f"--{name} needs a value: {describe(hints[name])}")
    given = {name: read_value(name, text or "", hints[name]) for name, text in options.items() if name in fixed}
    for name, text in options.items():
        if settings is not None and name not in fixed:
            known = settings.names(given)
            if name not in known:
                raise ValueError(f"unknown option --{name} of '{verb}'; {_nearest(name, [*fixed, *known])}")
            if text is None:
                raise ValueError(f"--{name} needs a value")
            given[name] = settings.read(name, text, given)
    return [read_value(str(more), word, hints[str(more)]) for word in loose[len(opened) :]], given


def _parted(
    words: Sequence[str], fixed: Sequence[str], switches: Sequence[str]
) -> tuple[dict[str, str | None], list[str]]:
    """Text of each option by its full name, None where a value is missing; and words that belong to none."""
    options: dict[str, str | None] = {}
    loose: list[str] = []
    place = 0
    while place < len(words):
        found = OPTION.match(words[place])
        place += 1
        if not found:
            loose.append(words[place - 1])
            continue
        name, text = _full(found[1].replace("-", "_"), fixed, switches), found[2]
        switch = name.removeprefix("!")
        follows = words[place] if place < len(words) and not OPTION.match(words[place]) else None
        if name != switch:
            if text is not None:
                raise ValueError(f"--no{switch} takes no value; give --{switch} true or --{switch} false")
            text = "false"
        elif text is None and switch in switches:
            text = follows if follows is not None and follows.lower() in SWITCH_WORDS else None
            place += text is not None
            text = "true" if text is None else text
        elif text is None:
            text = follows
            place += follows is not None
        if switch in options:
            raise ValueError(f"--{switch} is given twice; give it once")
        options[switch] = text
    return options, loose


def _full(name: str, fixed: Sequence[str], switches: Sequence[str]) -> str:
    """The option's full name; with a ! before it where a switch is turned off by `no`."""
    if name in fixed:
        return name
    if name.startswith("no") and name.removeprefix("no") in switches:
        return f"!{name.removeprefix('no')}"
    begin = [known for known in fixed if known.startswith(name)] if len(name) == 1 else []
    return begin[0] if len(begin) == 1 else name


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean --{near[0]}?" if near else f"there are: {', '.join(f'--{one}' for one in known)}"


def _is_switch(kind: Any) -> bool:
    return kind is bool or (get_origin(kind) is types.UnionType and bool in get_args(kind))


def _settings(kind: Any) -> Settings | None:
    return next((part for part in getattr(kind, "__metadata__", ()) if isinstance(part, Settings)), None)


def _required(parameters: Sequence[inspect.Parameter]) -> list[inspect.Parameter]:
    return [p for p in parameters if p.default is REQUIRED and p.kind not in VARIABLE]


def _noted(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> str:
    """Default of an option in brackets, as it is typed."""
    default = parameter.default
    if default is REQUIRED or default is None or default is False:
        return ""
    return f" [{','.join(map(str, default)) if isinstance(default, tuple | list) else default}]"
