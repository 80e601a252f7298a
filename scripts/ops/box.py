"""A box of voxels in a volume: one notation for the command line, manifests and configs."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

AXES = "zyx"

Size3 = tuple[int, int, int]
"""Extent in voxels along z, y, x."""

Offset3 = tuple[int, int, int]
"""Position or displacement in voxels along z, y, x."""

Window = tuple[slice, slice, slice]
"""A part of a volume: slices with a start and a stop along z, y, x."""


def whole(shape: Sequence[int]) -> Window:
    """The window that is all of a volume."""
    return slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2])


def three_sizes(sizes: Sequence[int], name: str, least: int = 1) -> Size3:
    """Three whole numbers (z, y, x) as Python's integers.

    Args:
        sizes: what was given.
        name: how errors name it.
        least: smallest number that is allowed along each axis.

    Raises:
        ValueError: another count, a fraction, or a number below `least`.
    """
    given: list[Any] = list(sizes) if hasattr(sizes, "__iter__") and not isinstance(sizes, str) else [sizes]
    if len(given) != 3 or any(not _whole(size) or size < least for size in given):
        shown = tuple(given) if len(given) > 1 else sizes
        raise ValueError(f"{name} {shown} is not three whole numbers of at least {least} (z, y, x)")
    z, y, x = given
    return int(z), int(y), int(x)


def _whole(size: object) -> bool:
    return isinstance(size, Real) and not isinstance(size, bool) and size % 1 == 0


@dataclass(frozen=True)
class Box:
    """A half-open box `[start, stop)` in voxels, axes z, y, x.

    Raises:
        ValueError: a start that is negative or not below its stop.
    """

    start: Offset3
    stop: Offset3

    def __post_init__(self) -> None:
        for axis, low, high in zip(AXES, self.start, self.stop, strict=True):
            if not 0 <= low < high:
                raise ValueError(f"box {self}: {axis} range {low}:{high} is empty or negative; use 0 <= start < stop")

    @classmethod
    def whole(cls, shape: Sequence[int]) -> "Box":
        """The box of all voxels of a `(z, y, x)` shape."""
        z, y, x = map(int, shape)
        return cls((0, 0, 0), (z, y, x))

    @classmethod
    def parse(cls, text: "str | Sequence[int] | Box | None", shape: Sequence[int]) -> "Box":
        """Read `z0:z1,y0:y1,x0:x1` (a missing end means the volume's) and check it against a `(z, y, x)` shape.

        Raises:
            ValueError: not three ranges, not whole numbers, empty, or outside the volume.
        """
        if text is None:
            return cls.whole(shape)
        box = text if isinstance(text, Box) else _parse(str(text), shape)
        for axis, high, size in zip(AXES, box.stop, shape, strict=True):
            if high > size:
                raise ValueError(
                    f"box {box} ends at {axis}={high}, outside the volume of shape {tuple(shape)} (z, y, x)"
                )
        return box

    @property
    def shape(self) -> Size3:
        """Extent in voxels, (z, y, x)."""
        (z0, y0, x0), (z1, y1, x1) = self.start, self.stop
        return z1 - z0, y1 - y0, x1 - x0

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        z, y, x = self.shape
        return z * y * x

    @property
    def slices(self) -> Window:
        """For indexing: `volume[box.slices]`."""
        (z0, y0, x0), (z1, y1, x1) = self.start, self.stop
        return slice(z0, z1), slice(y0, y1), slice(x0, x1)

    def contains(self, other: "Box") -> bool:
        """Whether every voxel of `other` is in this box."""
        return all(a <= b for a, b in zip(self.start, other.start, strict=True)) and all(
            a >= b for a, b in zip(self.stop, other.stop, strict=True)
        )

    def overlap(self, other: "Box") -> "Box | None":
        """The voxels of both boxes, or None where they share none."""
        z, y, x = (max(pair) for pair in zip(self.start, other.start, strict=True))
        ends = tuple(min(pair) for pair in zip(self.stop, other.stop, strict=True))
        return None if ends[0] <= z or ends[1] <= y or ends[2] <= x else Box((z, y, x), (ends[0], ends[1], ends[2]))

    def within(self, other: "Box") -> "Box":
        """The same voxels counted from the first of a box that contains them."""
        (z, y, x), (dz, dy, dx), size = self.start, other.start, self.shape
        return Box((z - dz, y - dy, x - dx), (z - dz + size[0], y - dy + size[1], x - dx + size[2]))

    def coarser(self, factors: Sequence[int]) -> "Box":
        """The blocks of `factors` voxels that lie wholly in the box, counted in blocks.

        Raises:
            ValueError: there is none along some axis.
        """
        start = tuple(-(-low // factor) for low, factor in zip(self.start, factors, strict=True))
        stop = tuple(high // factor for high, factor in zip(self.stop, factors, strict=True))
        return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))

    def finer(self, factors: Sequence[int]) -> "Box":
        """The voxels of a box that is counted in blocks of `factors` voxels."""
        z, y, x = (low * factor for low, factor in zip(self.start, factors, strict=True))
        ends = tuple(high * factor for high, factor in zip(self.stop, factors, strict=True))
        return Box((z, y, x), (ends[0], ends[1], ends[2]))

    def __str__(self) -> str:
        return ",".join(f"{low}:{high}" for low, high in zip(self.start, self.stop, strict=True))


def _parse(text: str, shape: Sequence[int]) -> Box:
    ranges = text.replace(" ", "").split(",")
    if len(ranges) != 3 or any(part.count(":") != 1 for part in ranges):
        raise ValueError(f"box '{text}' is not of the form z0:z1,y0:y1,x0:x1, for example 0:80,0:1024,0:1024")
    starts, stops = [], []
    for part, size in zip(ranges, shape, strict=True):
        low, high = part.split(":")
        try:
            starts.append(int(low) if low else 0)
            stops.append(int(high) if high else int(size))
        except ValueError:
            raise ValueError(f"box '{text}': '{part}' is not a range of whole voxels, such as 0:80") from None
    return Box((starts[0], starts[1], starts[2]), (stops[0], stops[1], stops[2]))
