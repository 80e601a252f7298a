"""Types of the knobs that are text: names, paths, masks and boxes, taken as they were typed."""

import re
from dataclasses import dataclass
from typing import Any

from scripts.data.regions.volume_mask import rule_value
from scripts.workflow.typed_words import WORDS, literal

RANGE = r"\s*(\d*)\s*:\s*(\d*)\s*"
TOKEN_MASKS = ("random", "space_only", "section_only")
"""Values of `token_mask`, which was called mask."""


@dataclass(frozen=True)
class Name:
    """A word, such as the name of a preset."""

    def __str__(self) -> str:
        return "a name"

    def parse(self, value: Any) -> str:
        """The word as it was typed."""
        if not isinstance(value, str) or not value.strip() or value.lower() in WORDS:
            raise ValueError
        if not isinstance(literal(value), str):
            raise ValueError
        return value


@dataclass(frozen=True)
class PathName:
    """A path, an address or the name of a data set: the text as it was typed, whatever it would be in Python.

    Args:
        several: whether a list of them is allowed too.
        gaps: whether null may stand in the list.
    """

    several: bool = False
    gaps: bool = False

    def __str__(self) -> str:
        return "a path or a list of paths" if self.several else "a path"

    def parse(self, value: Any) -> str | list[str | None]:
        """The text, without quotes around it; a list of texts."""
        if self.several and isinstance(value, str) and value.lstrip().startswith(("[", "(")):
            value = literal(value)
        if self.several and isinstance(value, list | tuple):
            named = [one for one in value if not (self.gaps and one is None)]
            if not named or not all(isinstance(one, str) and one.strip() for one in named):
                raise ValueError
            return list(value)
        if not isinstance(value, str) or value.lower() in WORDS:
            raise ValueError
        found = literal(value)
        found = found if isinstance(found, str) else value
        if not found.strip() or "\0" in found:
            raise ValueError
        return found


@dataclass(frozen=True)
class Mask:
    """Which voxels of a volume count."""

    def __str__(self) -> str:
        return "nonzero, not:VALUE, the path of a volume (or a list of these; tokens are hidden by --token_mask)"

    def parse(self, value: Any) -> str | list[str | None]:
        """The rule or path as it was typed, or a list of them."""
        found = PathName(several=True, gaps=True).parse(value)
        for one in [found] if isinstance(found, str) else found:
            if one in TOKEN_MASKS:
                raise ValueError
            if one is not None:
                rule_value(one)
        return found


@dataclass(frozen=True)
class BoxText:
    """A box of voxels."""

    def __str__(self) -> str:
        return "a box z0:z1,y0:y1,x0:x1 in voxels"

    def parse(self, value: Any) -> str:
        """The text."""
        if not isinstance(value, str) or not re.fullmatch(rf"{RANGE},{RANGE},{RANGE}", value, re.ASCII):
            raise ValueError
        for low, high in re.findall(RANGE, value, re.ASCII):
            if high and int(high) <= int(low or 0):
                raise ValueError
        return value
