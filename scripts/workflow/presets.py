"""Choose a preset of a config by its name."""

from collections.abc import Mapping, Sequence
from typing import Any


def chosen_preset(knob: str, name: str, presets: Mapping[str, Any], needed: Sequence[str] = ()) -> Any:
    """Return the preset of a name.

    Args:
        knob: that names it, for the message.
        name: of one of the presets.
        presets: values by name; names that begin with an underscore are comments.
        needed: keys that the preset must have.

    Raises:
        ValueError: no such preset, or one that lacks a key.
    """
    known = [each for each in presets if not each.startswith("_")]
    if name not in known:
        raise ValueError(f"{knob} '{name}' is not one of {', '.join(known)}")
    missing = sorted(set(needed) - set(presets[name]))
    if missing:
        raise ValueError(f"{knob} '{name}' lacks {missing}; a preset names {sorted(needed)} beside its encoder's sizes")
    return presets[name]


def chosen_trunk(name: str, norm: str, presets: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sizes of a residual U-Net: a preset of `trunk` with the norm of `trunk_norm`.

    Raises:
        ValueError: no such preset, or one that names a norm itself.
    """
    preset = chosen_preset("trunk", name, presets)
    if "norm" in preset:
        raise ValueError(f"trunk '{name}' names a norm; leave it to --trunk_norm {preset['norm']}")
    return {**preset, "norm": norm}
