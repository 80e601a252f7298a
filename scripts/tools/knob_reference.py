"""docs/knobs.md: everything that is meant to be set in the configs of all bundles, from the configs themselves."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scripts.workflow.knobs import knob_type

HEAD = """# Knobs

Everything that is meant to be set in the configs of the bundles, on the command line (`--iterations 5000`) or in an
overlay (`"iterations": 5000`). `make configs` writes this page from the configs. [P], [M], [A], [L] and [H] are the
sources of numbers that each `train.json` names in its first line. A default that begins with `$` or `@` is computed.
"""
WITH_KNOBS = ("train.json", "evaluate.json", "inference.json", "probe.json")
LAST = "imports"
"""The first key of a config that is no knob."""


def knob_reference(files: Mapping[str, Mapping[str, str]]) -> str:
    """The page.

    Args:
        files: bundle -> name of a config -> its text.
    """
    text = HEAD
    for name in WITH_KNOBS:
        groups: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {}
        for bundle, texts in files.items():
            if name in texts:
                config = json.loads(texts[name])
                names = tuple(knob for knobs, _ in knob_groups(config) for knob in knobs)
                alike = [key for key in groups if set(key) <= set(names) or set(names) <= set(key)]
                groups.setdefault(alike[0] if alike else names, {})[bundle] = config
        for configs in groups.values():
            text += (
                f"\n## {name} of {', '.join(configs)}\n\n| knob | default | allowed | meaning |\n|---|---|---|---|\n"
            )
            text += "".join(f"| {' | '.join(row)} |\n" for row in _rows(configs, name == WITH_KNOBS[0]))
    return text


def knob_groups(config: Mapping[str, Any]) -> Iterator[tuple[list[str], str]]:
    """Names of knobs that stand together, and the comment on them; "" where there is none."""
    waiting: list[str] = []
    for key, value in config.items():
        if key == LAST:
            break
        if not key.startswith("_"):
            waiting.append(key)
        elif waiting:
            yield waiting, value
            waiting = []
    if waiting:
        yield waiting, ""


def _rows(configs: Mapping[str, Mapping[str, Any]], training: bool) -> Iterator[Sequence[str]]:
    first = max(configs.values(), key=lambda config: sum(len(names) for names, _ in knob_groups(config)))
    comments: dict[str, dict[str, str]] = {}
    for bundle, config in configs.items():
        for names, comment in knob_groups(config):
            comments.setdefault(names[0], {})[bundle] = comment
    for names, _ in knob_groups(first):
        for number, name in enumerate(names):
            defaults = {bundle: f"`{json.dumps(config[name])}`" for bundle, config in configs.items() if name in config}
            meaning = _once(comments[names[0]]) if number == 0 else f"see `{names[0]}`"
            where = "" if len(defaults) == len(configs) else f" ({', '.join(defaults)})"
            yield f"`{name}`{where}", _once(defaults), str(knob_type(name, training)).replace("|", "\\|"), meaning


def _once(values: Mapping[str, str]) -> str:
    """One value where all bundles have the same, else each with its bundle; safe in a table."""
    texts = {bundle: value.replace("|", "\\|") for bundle, value in values.items()}
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return "<br>".join(f"{bundle}: {text}" for bundle, text in texts.items())
