"""How a verb is called: its help, and what is wrong with the words that follow it, before it starts."""

import difflib
import inspect
import re
from collections.abc import Callable, Sequence

OPTION = re.compile(r"--?(?=[A-Za-z_])([\w-]+)(=.*)?$", re.DOTALL)
CUT = re.compile(r"^(Returns|Raises):$", re.MULTILINE)
REQUIRED = inspect.Parameter.empty
VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def help_text(verb: str, function: Callable[..., object]) -> str:
    """Usage, what the verb does, its options with defaults, and its example, from signature and docstring."""
    parameters = inspect.signature(function).parameters.values()
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
                default = "" if parameter.default in (REQUIRED, None, False) else f" [{_words(parameter.default)}]"
                lines[place] = f"    --{line.strip().replace(': ', f'{default}: ', 1)}"
    shown = ["Options:" if line == "Args:" else line for line in lines]
    return "\n".join([f"usage: {' '.join(['python -m scripts', verb, *needed, *rest])}", "", *shown])


def argument_error(verb: str, function: Callable[..., object], words: Sequence[str]) -> str | None:
    """What is wrong with the words after a verb, in one line with the remedy; None where nothing is."""
    parameters = inspect.signature(function).parameters.values()
    known = [p.name for p in parameters if p.kind not in VARIABLE]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    takes_more = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    options, loose = _parted(words)
    for name in options:
        fits = name in known or name.removeprefix("no") in known or (len(name) == 1 and _one(name, known))
        if not fits and not takes_any:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean --{near[0]}?" if near else f"there are: {', '.join(f'--{one}' for one in known)}"
            return f"unknown option --{name} of '{verb}'; {hint}"
    given = {_one(name, known) or name for name in options}
    open_ = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name not in given]
    if len(loose) > len(open_) and not takes_more:
        return (
            f"'{loose[len(open_)]}' is one word too many for '{verb}'; `python -m scripts {verb} --help` has an example"
        )
    given |= {p.name for p in open_[: len(loose)]}
    missing = [f"--{p.name}" for p in _required(list(parameters)) if p.name not in given]
    if missing:
        return f"'{verb}' needs {' and '.join(missing)}; `python -m scripts {verb} --help` has an example"
    return None


def _parted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of options, and words that belong to none, as python-fire reads them."""
    options, loose = [], []
    place = 0
    while place < len(words):
        found = OPTION.match(words[place])
        if not found:
            loose.append(words[place])
        else:
            options.append(found[1].replace("-", "_"))
            follows = place + 1 < len(words) and not OPTION.match(words[place + 1])
            place += int(not found[2] and follows)
        place += 1
    return options, loose


def _one(letter: str, known: Sequence[str]) -> str | None:
    """The only option that begins with a letter."""
    begin = [name for name in known if name.startswith(letter)] if len(letter) == 1 else []
    return begin[0] if len(begin) == 1 else None


def _required(parameters: Sequence[inspect.Parameter]) -> list[inspect.Parameter]:
    return [p for p in parameters if p.default is REQUIRED and p.kind not in VARIABLE]


def _words(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
