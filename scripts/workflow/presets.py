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
