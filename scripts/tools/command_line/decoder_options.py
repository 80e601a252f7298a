"""Settings of decoders as options of `decode` and `tune`, read as the types of the decoder's fields."""

import operator
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Annotated, Any, get_args, get_origin

from scripts.ops.decoding.decoders import DECODERS
from scripts.ops.decoding.settings import setting_types
from scripts.tools.command_line.argument_types import OneOf, describe, read_value
from scripts.tools.command_line.arguments import Settings

DecoderName = Annotated[str, OneOf(DECODERS)]


class DecoderOptions(Settings):
    """The settings of the decoder that the option --decoder names, or of all where it names none.

    Args:
        several: names of settings that take several values with commas; None for all of them.
    """

    def __init__(self, several: Sequence[str] | None = None) -> None:
        self.several = several

    def names(self, given: Mapping[str, Any]) -> Sequence[str]:
        """Settings of the decoder, in the order of its fields."""
        return list(dict.fromkeys(name for types in self._types(given) for name in types))

    def read(self, name: str, text: str, given: Mapping[str, Any]) -> Any:
        """One value; or, where several are taken, a tuple of them."""
        kinds = [types[name] for types in self._types(given) if name in types]
        kind = reduce(operator.or_, kinds)
        if self.several is not None and name not in self.several:
            return read_value(name, text, kind)
        try:
            found = _several(name, text, kind)
        except ValueError:
            message = f"--{name} {text!r} is neither {describe(kind)}, nor several of them with commas"
            raise ValueError(message) from None
        return found if self.several is None or len(found) > 1 else found[0]

    def _types(self, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        chosen = given.get("decoder")
        return [setting_types(made) for name, made in DECODERS.items() if chosen is None or name == chosen]


def _takes_a_list(kind: Any) -> bool:
    """Whether one value of a setting is a list itself, as strides and offsets are."""
    origins = [get_origin(part) for part in (kind, *get_args(kind))]
    return any(isinstance(origin, type) and issubclass(origin, Sequence) for origin in origins)


def _several(name: str, text: str, kind: Any) -> tuple[Any, ...]:
    """`0.1,0.2` as two values; of a setting that is a list itself, `1,4,4` as one and `[[1,4,4],[1,2,2]]` as two."""
    if _takes_a_list(kind):
        try:
            return (read_value(name, text, kind),)
        except ValueError:
            pass
    return tuple(read_value(name, text, Sequence[kind]))
