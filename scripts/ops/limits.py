"""The numbers that a setting may have, declared beside its type and checked wherever a value arrives."""

import math
from dataclasses import dataclass
from typing import Annotated

LARGEST_INTEGER = 2**53
"""Whole numbers up to here are exact as floats too, in JSON and in other programs."""


@dataclass(frozen=True)
class Limits:
    """A range of numbers, both ends included: `Annotated[float, Limits(0, 1)]`.

    Args:
        low: the smallest value.
        high: the largest value.
        without_low: the range begins above `low`.
        hint: what to write instead, added to the error message.
    """

    low: float = -math.inf
    high: float = math.inf
    without_low: bool = False
    hint: str = ""

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.without_low else value >= self.low
        return bool(above and value <= self.high)

    def __str__(self) -> str:
        bounded = self.low > -math.inf, self.high < LARGEST_INTEGER
        if bounded == (False, False):
            return ""
        if bounded == (True, False):
            return f"above {self.low:g}" if self.without_low else f"of {self.low:g} or more"
        if bounded == (False, True):
            return f"of {self.high:.15g} or less"
        words = ("above", "up to") if self.without_low else ("from", "to")
        return f"{words[0]} {self.low:.15g} {words[1]} {self.high:.15g}"

    def check(self, name: str, value: float) -> None:
        """Raise ValueError, with name, value and range, where the value is outside."""
        if value not in self:
            kind = "a whole number" if isinstance(value, int) else "a number"
            raise ValueError(f"{name} {value} is not {kind} {self}" + (f"; {self.hint}" if self.hint else ""))


Fraction = Annotated[float, Limits(0, 1, hint="write 80 % as 0.8")]
"""A share, a probability or an affinity."""
Count = Annotated[int, Limits(0, LARGEST_INTEGER)]
"""How many: voxels, objects, iterations."""
Size = Annotated[int, Limits(1, LARGEST_INTEGER)]
"""A count of at least one."""
