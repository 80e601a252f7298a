"""Text of the command line as a value of the type that a verb's signature states, or an error of one line."""

import ast
import math
import re
import types
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from scripts.ops.box import Box
from scripts.ops.limits import LARGEST_INTEGER, Limits

NULL = ("null", "none")
WHOLE = re.compile(r"[+-]?\d+$", re.ASCII)
BRACKETS = {"[": "]", "(": ")"}
UNBOUNDED = (2**62,) * 3
Numbers = Limits()
Default = Limits(0, LARGEST_INTEGER)
"""Of whole numbers whose annotation has no limits."""


@dataclass(frozen=True, eq=False)
class OneOf:
    """A word of a list: `Annotated[str, OneOf(DECODERS)]`.

    Args:
        words: the words.
    """

    words: Iterable[str]

    def check(self, text: str) -> None:
        """Raise ValueError where the text is none of the words."""
        if text not in self.words:
            raise ValueError


@dataclass(frozen=True)
class Form:
    """A text of some form.

    Args:
        description: completes "is not".
        check: raises ValueError for any other text.
    """

    description: str
    check: Callable[[str], object]


@dataclass(frozen=True)
class Exactly:
    """A sequence of a certain length.

    Args:
        length: number of items.
        names: what they are, such as "z,y,x".
    """

    length: int
    names: str


BOX = Form(
    "a box z0:z1,y0:y1,x0:x1 of whole voxels, such as 0:80,0:1024,0:1024", lambda text: Box.parse(text, UNBOUNDED)
)


def ending(*endings: str) -> Form:
    """File names that end in one of these."""

    def check(text: str) -> None:
        if not text.rstrip("/").lower().endswith(endings):
            raise ValueError

    return Form(f"a name that ends in {' or '.join(endings)}", check)


BoxText = Annotated[str, BOX]
Nanometres = Annotated[float, Limits(0, 1e9, without_low=True)]
VoxelSize = Annotated[Sequence[Nanometres], Exactly(3, "z,y,x")]
Shape = Annotated[Sequence[Annotated[int, Limits(1, 2**31)]], Exactly(3, "z,y,x")]
Workers = Annotated[int, Limits(1, 1024)]
"""Threads or processes."""


def read_value(name: str, text: str, kind: Any) -> Any:
    """The value of an option.

    Args:
        name: of the option, for the message.
        text: as typed.
        kind: the annotation in the verb's signature.

    Raises:
        ValueError: another type, or outside the range; one line with option, value and what is expected.
    """
    try:
        return _read(text, kind)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        shown = text if len(text) <= 60 else f"{text[:57]}..."
        hint = _hint(kind)
        raise ValueError(f"--{name} {shown!r} is not {describe(kind)}" + (f"; {hint}" if hint else "")) from None


def describe(kind: Any) -> str:
    """Description of a type's values: "a whole number from 1 to 1024"."""
    base, rules = _taken_apart(kind)
    origin, inner = get_origin(base), get_args(base)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys("null" if part is types.NoneType else describe(part) for part in inner))
    for rule in rules:
        if isinstance(rule, OneOf):
            return f"one of {', '.join(rule.words)}"
        if isinstance(rule, Form):
            return rule.description
    limits = next((rule for rule in rules if isinstance(rule, Limits)), None)
    if base is bool:
        return "true or false"
    if base is int:
        return f"a whole number {limits or Default}".rstrip()
    if base is float:
        return f"a number {limits or ''}".rstrip()
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}"
    if _is_sequence(origin):
        exactly = next((rule for rule in rules if isinstance(rule, Exactly)), None)
        item = describe(inner[0]).removeprefix("a ")
        if _is_sequence(get_origin(_taken_apart(inner[0])[0])):
            return "a list of lists of whole numbers, such as [[-1,0,0],[0,-1,0],[0,0,-1]]"
        if item.startswith("one of "):
            return f"{item}, or several with commas"
        item = re.sub(r"^(whole )?number(?: of)?", r"\1numbers", item)
        if origin is tuple:
            return f"{len(inner)} {item} (z,y,x)"
        return f"{exactly.length} {item} ({exactly.names})" if exactly else f"{item}, with commas"
    return "a text"


def _read(text: str, kind: Any) -> Any:
    base, rules = _taken_apart(kind)
    origin, inner = get_origin(base), get_args(base)
    if origin in (Union, types.UnionType):
        return _read_first(text, inner)
    if base is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError
        return text.lower() == "true"
    if base in (int, float):
        limits = next((rule for rule in rules if isinstance(rule, Limits)), Default if base is int else Numbers)
        number = _number(text, base)
        if number not in limits:
            raise ValueError
        return number
    if origin is Literal:
        if text not in inner:
            raise ValueError
        return text
    if _is_sequence(origin):
        texts = _items(text)
        if _is_sequence(get_origin(_taken_apart(inner[0])[0])) and not all(item[:1] in BRACKETS for item in texts):
            raise ValueError
        items = tuple(_read(item, inner[0]) for item in texts)
        if origin is tuple and len(items) != len(inner):
            raise ValueError
        for rule in rules:
            if isinstance(rule, Exactly) and len(items) != rule.length:
                raise ValueError
        return items
    if not text:
        raise ValueError
    for rule in rules:
        rule.check(text)
    return text


def _read_first(text: str, kinds: Sequence[Any]) -> Any:
    """Of several types the first that fits; null where that is one of them."""
    if types.NoneType in kinds and text.lower() in NULL:
        return None
    for kind in kinds:
        if kind is not types.NoneType:
            try:
                return _read(text, kind)
            except ValueError:
                continue
    raise ValueError


def _number(text: str, kind: type) -> int | float:
    if kind is int:
        if not WHOLE.match(text) or len(text) > 20:
            raise ValueError
        return int(text)
    number = float(text)
    if not math.isfinite(number) or "_" in text or not text.isascii():
        raise ValueError
    return number


def _items(text: str) -> list[str]:
    """`1,2,3`, `[1,2,3]` or `[[1,2],[3,4]]` as the texts of its items."""
    text = text.strip()
    if text[:1] in BRACKETS and text.endswith(BRACKETS[text[0]]) and _closes_at_end(text):
        text = text[1:-1]
    items, depth = [""], 0
    for letter in text:
        depth += (letter in "[(") - (letter in ")]")
        if letter == "," and depth == 0:
            items.append("")
        else:
            items[-1] += letter
    if len(items) > 1 and not items[-1].strip():
        items.pop()  # as in (1,)
    stripped = [item.strip() for item in items]
    return [
        ast.literal_eval(item) if item[:1] in "'\"" and item[-1:] == item[:1] and len(item) > 1 else item
        for item in stripped
    ]


def _closes_at_end(text: str) -> bool:
    """Whether the first bracket is closed by the last letter: not so in `[1,2],[3,4]`."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter in "[(") - (letter in ")]")
        if depth == 0:
            return place == len(text) - 1
    return False


def _taken_apart(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """The type, and what is annotated to it."""
    return (kind.__origin__, kind.__metadata__) if get_origin(kind) is Annotated else (kind, ())


def _is_sequence(origin: Any) -> bool:
    return isinstance(origin, type) and issubclass(origin, Sequence)


def _hint(kind: Any) -> str:
    base, rules = _taken_apart(kind)
    own = [rule.hint for rule in rules if isinstance(rule, Limits) and rule.hint]
    return next(iter(own or [found for part in get_args(base) if (found := _hint(part))]), "")
