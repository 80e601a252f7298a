"""Types of the knobs of the bundles: switches, numbers, choices, lists and objects, each with what it allows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from scripts.workflow.typed_words import literal, word


class KnobType(Protocol):
    """What a knob may be."""

    def __str__(self) -> str:
        """The allowed values, to follow "is not"."""

    def parse(self, value: Any) -> Any:
        """The value of a typed word or a JSON value.

        Raises:
            ValueError: not allowed.
        """


@dataclass(frozen=True)
class Nullable:
    """Null, or what another type allows."""

    kind: KnobType

    def __str__(self) -> str:
        return f"{self.kind}, or null"

    def parse(self, value: Any) -> Any:
        """None of null; else as the other type."""
        return None if word(value) is None else self.kind.parse(value)


@dataclass(frozen=True)
class Switch:
    """True or false."""

    def __str__(self) -> str:
        return "true or false"

    def parse(self, value: Any) -> bool:
        """The truth value of itself or of its word."""
        found = word(value)
        if not isinstance(found, bool):
            raise ValueError
        return found


@dataclass(frozen=True)
class Number:
    """A number in a range.

    Args:
        low, high: the ends; infinite where there is none.
        open_low, open_high: whether the end itself is excluded.
        whole: whether it must be a whole number.
    """

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    whole: bool = False

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        if self.high == math.inf:
            at_least = f"above {self.low:g}" if self.open_low else f"of {self.low:g} or more"
            return kind if self.low == -math.inf else f"{kind} {at_least}"
        ends = [
            f"{end:g}{' (excluded)' if excluded else ''}" if abs(end) < 1e6 else str(int(end))
            for end, excluded in ((self.low, self.open_low), (self.high, self.open_high))
        ]
        return f"{kind} from {ends[0]} to {ends[1]}"

    def parse(self, value: Any) -> float:
        """The number; a whole one as an int."""
        found = literal(value)
        if isinstance(found, bool) or not isinstance(found, int | float) or not abs(found) < math.inf:
            raise ValueError
        if self.whole:
            if found != int(found):
                raise ValueError
            found = int(found)
        if not self.low <= found <= self.high or (self.open_low and found == self.low):
            raise ValueError
        if self.open_high and found == self.high:
            raise ValueError
        return found


@dataclass(frozen=True)
class Numbers:
    """A list of numbers of one type.

    Args:
        of: each number.
        length: how many.
        axes: what the numbers are, in words.
    """

    of: Number
    length: int = 3
    axes: str = "z, y, x"

    def __str__(self) -> str:
        name = str(self.of).replace("a whole number", "whole numbers").replace("a number", "numbers")
        return f"a list of {self.length} {name}{f' ({self.axes})' if self.axes else ''}"

    def parse(self, value: Any) -> list[float]:
        """The list."""
        found = literal(value)
        if isinstance(found, str | Mapping) or not isinstance(found, Sequence) or len(found) != self.length:
            raise ValueError
        if any(isinstance(number, str) for number in found):
            raise ValueError
        return [self.of.parse(number) for number in found]


@dataclass(frozen=True)
class Choice:
    """One of several words or numbers."""

    values: tuple[str | int, ...]

    def __str__(self) -> str:
        return f"one of {', '.join(map(str, self.values))}"

    def parse(self, value: Any) -> str | int:
        """The one that was meant."""
        found = literal(value) if isinstance(self.values[0], int) else value
        if isinstance(found, float):  # a version, such as 0.4
            found = str(found)
        if isinstance(found, bool) or not isinstance(found, str | int) or found not in self.values:
            raise ValueError
        return found


@dataclass(frozen=True)
class Sections:
    """How many of the first sections, or which."""

    def __str__(self) -> str:
        return "a whole number of sections of 1 or more, or a list of section numbers"

    def parse(self, value: Any) -> int | list[int]:
        """The count or the list."""
        found = literal(value)
        if isinstance(found, list | tuple) and found:
            if any(isinstance(one, str) for one in found):
                raise ValueError
            return [int(Number(0, whole=True).parse(one)) for one in found]
        return int(Number(1, whole=True).parse(found))


@dataclass(frozen=True)
class Settings:
    """Values by name.

    Args:
        lists: whether each value is a list of at least one.
    """

    lists: bool = False

    def __str__(self) -> str:
        return "an object of lists, {'name': [value, ...]}" if self.lists else "an object, {'name': value}"

    def parse(self, value: Any) -> dict[str, Any]:
        """The mapping."""
        found = literal(value)
        if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
            raise ValueError
        if self.lists and not all(isinstance(values, list | tuple) and values for values in found.values()):
            raise ValueError
        return dict(found)
