"""Options of a bundle's command line: refuse those that no config knows, and give each knob the value that was typed.

MONAI ignores an unknown option, and reads words by Python's rules: `false` and `null` become text, a path such as
`20260101_120000` becomes a number.
"""

import ast
import difflib
import inspect
import sys
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser, run

from scripts.workflow.knobs import KNOBS, knob_value
from scripts.workflow.typed_words import WORDS, literal

RUN_OPTIONS = {name for name, parameter in inspect.signature(run).parameters.items() if name != "override"}
"""What `python -m monai.bundle run` itself takes."""
RENAMED = {
    "reduce": "downsample",
    "decoder": "unetr_decoder",
    "decode": "instance_decoder",
    "decode_settings": "instance_decoder_settings",
    "choices": "decoder_grid",
}
"""Earlier names of knobs."""
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
        ValueError: an unknown option, with the nearest known one; a value that its knob does not allow.
    """
    if arguments is None:
        if Path(sys.argv[0]).parts[-3:] != ("monai", "bundle", "__main__.py"):
            return {}
        arguments = sys.argv[1:]
    given = given_options(arguments)
    from_file = ConfigParser.load_config_files(str(given["args_file"])) if "args_file" in given else {}
    given = {**from_file, **given}
    configs = [ConfigParser.load_config_file(file) for file in _as_list(given.get("config_file"))]
    if not configs:
        return {}
    refuse_unknown(given, {name for config in configs for name in config})
    training = any(TRAINING in config for config in configs)
    for config in configs:
        checked_values(config, training)
    values = checked_values({name: value for name, value in given.items() if name not in RUN_OPTIONS}, training)
    if settings is not None:
        settings.update({name: value for name, value in values.items() if not _is_component(value)})
    return values


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
        near = difflib.get_close_matches(name, [*knobs, *RUN_OPTIONS], n=1, cutoff=0.5)
        raise ValueError(f"unknown option --{name}; {f'did you mean --{near[0]}?' if near else f'there are: {knobs}'}")


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
