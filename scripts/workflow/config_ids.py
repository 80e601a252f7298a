"""Ids of configs: what an option or an overlay sets must be there, or be used by something that is."""

import difflib
import inspect
import json
import re
from collections.abc import Collection, Mapping, Sequence
from pydoc import locate
from typing import Any

from scripts.workflow.knobs import KNOBS
from scripts.workflow.typed_words import literal

OF_MONAI = {"imports", "initialize", "run", "finalize"}
"""Ids that MONAI itself looks for."""
RENAMED = {
    "reduce": "downsample",
    "decoder": "unetr_decoder",
    "decode": "instance_decoder",
    "decode_settings": "instance_decoder_settings",
    "choices": "decoder_grid",
}
"""Earlier names of knobs."""
COMMON = {
    "learning_rate": ("lr", "base_lr"),
    "epochs": ("iterations",),
    "max_epochs": ("iterations",),
    "steps": ("iterations",),
    "max_steps": ("iterations",),
    "random_seed": ("seed",),
    "crop_size": ("crop",),
    "model": ("network", "checkpoint"),
}
"""Names of other programs, with the knobs that are meant."""
REFERENCE = re.compile(r"[@%]([A-Za-z_]\w*)")


def nearest(name: str, known: Collection[str], cutoff: float = 0.6) -> str | None:
    """The known name that was probably meant, or None."""
    meant = [knob for knob in COMMON.get(name.lower(), ()) if knob in known]
    found = meant or difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=cutoff)
    return found[0] if found else None


def check_overlay(file: str, overlay: Mapping[str, Any], before: Mapping[str, Any], merged: Mapping[str, Any]) -> None:
    """Refuse an id of an overlay that no config before it has and that nothing uses: a misspelt knob, or one of another
    bundle.

    Args:
        file: of the overlay, for the message.
        overlay: ids and values.
        before: those of the configs before it.
        merged: those of all configs.

    Raises:
        ValueError: names the file, the id and the nearest known one.
    """
    new = {name for name in overlay if name.isidentifier() and not name.startswith("_")} - set(before) - OF_MONAI
    if not new:
        return
    used = set(REFERENCE.findall(json.dumps(merged, default=str)))
    for name in sorted(new - used):
        near = RENAMED.get(name, nearest(name, [known for known in before if not known.startswith("_")]))
        hint = f"did you mean '{near}'?" if near else "neither the bundle nor this file uses it; remove it"
        raise ValueError(f"{file}: unknown id '{name}'; {hint}")


def check_replaced(option: str, value: Any, config: Mapping[str, Any]) -> None:
    """Refuse an option that puts a plain value where the config has a part, or a key that its part does not take.

    Args:
        option: id, with `#` between its levels.
        value: as typed.
        config: ids and values of all configs.

    Raises:
        ValueError: names the option and what to write.
    """
    *above, last = option.split("#")
    node: Any = config
    for key in above:
        node = _child(node, key)
    plain = not isinstance(literal(value), Mapping) and not str(value).startswith(("$", "@", "%"))
    if not above and plain and _is_part(config.get(last)) and last not in KNOBS:
        meant = [f"--{knob}" for knob in COMMON.get(last, ()) if knob in config]
        such_as = meant or [f"one of its settings, such as --{option}#{_settings_of(config[last])[0]}"]
        raise ValueError(f"--{option} is a part of the config, not a value; give {such_as[0]}")
    if above and isinstance(node, Mapping) and last not in node and not last.startswith("_"):
        known = _settings_of(node) if _is_part(node) else [key for key in node if not key.startswith("_")]
        near = last not in known and nearest(last, known, 0.6 if _is_part(node) else 0.8)
        if near or (_is_part(node) and not {last, "**"} & set(known)):
            raise ValueError(f"--{option}: '{'#'.join(above)}' has no '{last}'; there are: {', '.join(known)}")


def _child(node: Any, key: str) -> Any:
    if isinstance(node, Mapping):
        return node.get(key)
    if isinstance(node, Sequence) and not isinstance(node, str) and key.isdecimal() and int(key) < len(node):
        return node[int(key)]
    return None


def _is_part(node: Any) -> bool:
    return isinstance(node, Mapping) and "_target_" in node


def _settings_of(part: Mapping[str, Any]) -> list[str]:
    """What the class of a part can be given; `**` where it takes any name."""
    written = [key for key in part if not key.startswith("_")]
    target = locate(str(part["_target_"]))
    try:
        parameters = inspect.signature(target).parameters.values()  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return [*written, "**"]
    taken = [
        "**" if one.kind is one.VAR_KEYWORD else one.name for one in parameters if one.kind is not one.VAR_POSITIONAL
    ]
    return list(dict.fromkeys([*written, *taken]))
