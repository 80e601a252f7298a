"""Options of a bundle's command line: refuse those that no config knows, and give each knob the value that was typed.

MONAI ignores an unknown option, and reads words by Python's rules: `false` and `null` become text, a path such as
`20260101_120000` becomes a number.
"""

import ast
import inspect
import itertools
import sys
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser, run

from scripts.workflow.config_ids import RENAMED, check_overlay, check_replaced, nearest
from scripts.workflow.expressions import check_expression
from scripts.workflow.knobs import KNOBS, knob_value
from scripts.workflow.typed_words import WORDS, literal

RUN_OPTIONS = {name for name, parameter in inspect.signature(run).parameters.items() if name != "override"}
"""What `python -m monai.bundle run` itself takes."""
TRAINING = "train"
"""A config that trains has this id."""
COMPUTED = ("$", "@", "%")
"""First characters of a value that MONAI computes."""


def check_overrides(
    settings: MutableMapping[str, Any] | None = None, arguments: Sequence[str] | None = None
) -> dict[str, Any]:
    """Check the options of `monai.bundle run` and all knobs of its configs, before anything is opened.

    Args:
        settings: values by config id that MONAI has resolved so far (`$__local_refs` in a config); the value of each
            typed knob is written there, so that all that is resolved later reads it.
        arguments: the words after `python -m monai.bundle`; those of this program where it is one, else nothing is
            checked.

    Returns:
        The typed options by id, with the values that they stand for.

    Raises:
        ValueError: an unknown option or id of an overlay, with the nearest known one; a value that its knob does not
            allow; a word that belongs to no option.
    """
    if arguments is None:
        if Path(sys.argv[0]).parts[-3:] != ("monai", "bundle", "__main__.py"):
            return {}
        arguments = sys.argv[1:]
    given = given_options(arguments)
    from_file = ConfigParser.load_config_files(str(given["args_file"])) if "args_file" in given else {}
    given = {**from_file, **given}
    files = _as_list(given.get("config_file"))
    configs = [ConfigParser.load_config_file(file) for file in files]
    if not configs:
        return {}
    refuse_stray_words(arguments)
    merged: dict[str, Any] = dict(itertools.chain.from_iterable(config.items() for config in configs))
    training = TRAINING in merged
    refuse_unknown(given, merged)
    for number in range(1, len(configs)):
        before = {name for config in configs[:number] for name in config}
        check_overlay(files[number], configs[number], dict.fromkeys(before), merged)
    options = {name: value for name, value in given.items() if name not in RUN_OPTIONS}
    for option, value in options.items():
        check_replaced(option.lstrip("+").replace("::", "#"), value, merged)
        check_expression(option, value, merged.get("imports", ()))
    written: dict[str, Any] = {}
    for config in configs:  # a later config replaces a value by a computed one too
        written = {name: value for name, value in written.items() if name not in config}
        written.update(checked_values(config, training))
    values = checked_values(options, training)
    if settings is not None:
        changed = {name: value for name, value in written.items() if name not in options and value != merged[name]}
        settings.update({name: value for name, value in {**changed, **values}.items() if not _is_component(value)})
    return values


def refuse_stray_words(arguments: Sequence[str]) -> None:
    """Raise ValueError for the first word that is neither an option nor its value: MONAI would take it for an id.

    `python -m monai.bundle run ID` is left to MONAI where the word is right behind `run`.
    """
    for place in range(2, len(arguments)):
        word, before = arguments[place], arguments[place - 1]
        if word != "--" and not _is_option(word) and not (_is_option(before) and "=" not in before):
            raise ValueError(
                f"the word {word!r} belongs to no option; write --NAME VALUE, quote a value with spaces, and give "
                "several volumes as a list, \"['a.h5','b.h5']\""
            )


def checked_values(settings: Mapping[str, Any], training: bool = True) -> dict[str, Any]:
    """Values by id of the settings that are not computed by MONAI.

    Args:
        settings: by option, as typed or from a config.
        training: whether the configs train.

    Raises:
        ValueError: a knob has a value that it does not allow; a word that would reach a nested setting as text.
    """
    values: dict[str, Any] = {}
    for option, value in settings.items():
        name = option.lstrip("+").replace("::", "#")
        if option.startswith(("+", "_")) or _is_component(value):
            continue
        if isinstance(value, str) and value.startswith(COMPUTED):
            continue
        if "#" in name:
            if isinstance(value, str) and value in WORDS:
                raise ValueError(f"--{option} {value} would be text; write {WORDS[value]}")
        elif name in KNOBS:
            values[name] = knob_value(name, value, training)
        elif isinstance(value, str) and value in WORDS:
            values[name] = WORDS[value]
    return values


def refuse_unknown(given: Iterable[str], known: Iterable[str]) -> None:
    """Raise ValueError for the first name that is neither known nor one of MONAI's own."""
    names = {name.lstrip("+") for name in known}
    knobs = sorted(name for name in names if not name.startswith("_"))
    for option in given:
        name = option.lstrip("+").replace("::", "#").split("#")[0]
        if name in names or name in RUN_OPTIONS:
            continue
        if RENAMED.get(name) in names:
            raise ValueError(f"unknown option --{name}: it is --{RENAMED[name]} now")
        near = nearest(name, [*knobs, *RUN_OPTIONS])
        there = ", ".join(knob for knob in knobs if knob in KNOBS)
        raise ValueError(f"unknown option --{name}; {f'did you mean --{near}?' if near else f'there are: {there}'}")


def given_options(arguments: Sequence[str]) -> dict[str, Any]:
    """Options by name, as python-fire reads them: `--name value`, `--name=value`, `-name value`, dashes as underscores;
    a name without a value is true."""
    found: dict[str, Any] = {}
    for place, option in enumerate(arguments):
        if not _is_option(option):
            continue
        name, equals, value = option.lstrip("-").partition("=")
        if equals:
            found[name.replace("-", "_")] = value
        else:
            alone = place + 1 >= len(arguments) or _is_option(arguments[place + 1])
            found[name.replace("-", "_")] = True if alone else arguments[place + 1]
    return found


def _is_option(text: str) -> bool:
    """Whether a word of the command line is the name of an option; `-1` is a value."""
    return text.startswith("-") and (text.lstrip("-")[:1].isalpha() or text.lstrip("-").startswith(("_", "+")))


def _is_component(value: Any) -> bool:
    """Whether MONAI makes an object of a value."""
    found = literal(value)
    return isinstance(found, Mapping) and "_target_" in found


def _as_list(files: Any) -> list[str]:
    if files is None:
        return []
    if isinstance(files, str) and files.lstrip().startswith(("[", "(")):
        files = ast.literal_eval(files)
    return [files] if isinstance(files, str) else list(files)
