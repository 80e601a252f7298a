"""Settings of a decoder: fields of a frozen dataclass, each checked against its annotation when it is made."""

import types
from collections.abc import Sequence
from dataclasses import fields
from numbers import Integral, Real
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from scripts.ops.limits import Limits
from scripts.ops.targets.affinity_convention import convention

Step = Annotated[int, Limits(-(2**20), 2**20)]
Offsets = Literal["nearest", "long_range"] | Sequence[tuple[Step, Step, Step]]
"""Name of an affinity convention, or one (z, y, x) step a channel."""


def setting_types(decoder: type) -> dict[str, Any]:
    """Name of each setting -> its annotation, with limits."""
    hints = get_type_hints(decoder, include_extras=True)
    return {field.name: hints[field.name] for field in fields(decoder)}


def check_settings(decoder: Any) -> None:
    """Refuse a value of another type than its annotation, or a number outside its limits.

    Raises:
        ValueError: with the name, the value and the range.
    """
    for name, kind in setting_types(type(decoder)).items():
        value = getattr(decoder, name)
        if name == "offsets":
            _check_offsets(value)
            continue
        options = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
        if value is not None or types.NoneType not in options:
            _check(name, value, options[0])


def _check_offsets(offsets: Any) -> None:
    try:
        convention(offsets)
    except ValueError as error:
        raise ValueError(f"offsets {offsets}: {error}") from None


def _check(name: str, value: Any, kind: Any) -> None:
    base, *rules = get_args(kind) if get_origin(kind) is Annotated else (kind,)
    if get_origin(base) is tuple:
        items = get_args(base)
        if not isinstance(value, tuple | list) or len(value) != len(items):
            raise ValueError(f"{name} {value!r} is not {len(items)} numbers (z, y, x)")
        for item, one in zip(value, items, strict=True):
            _check(name, item, one)
    elif base in (int, float):
        number = Integral if base is int else Real
        if not isinstance(value, number) or isinstance(value, bool):
            raise ValueError(f"{name} {value!r} is not {'a whole number' if base is int else 'a number'}")
        for rule in rules:
            if isinstance(rule, Limits):
                rule.check(name, base(value))
