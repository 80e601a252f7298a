"""Turn `volume[z, y, x]` into one box to read and what is then done to it."""

import operator
from collections.abc import Sequence
from typing import NamedTuple

from scripts.ops.box import Size3

AXES = "zyx"


class Selection(NamedTuple):
    """A box `[low, high)` in voxels, the steps taken through it, and the shape of the result.

    `steps` holds one slice an axis to apply to the box's voxels, or is None where every step is one. `shape` leaves
    out the axes that an integer was given for, as numpy does; `extent` keeps them at one.
    """

    low: Size3
    high: Size3
    steps: tuple[slice, slice, slice] | None
    extent: Size3
    shape: tuple[int, ...]


def select(key: object, shape: Sequence[int]) -> Selection:
    """What `key` asks of a `(z, y, x)` shape, by numpy's rules for integers, slices and an ellipsis.

    A slice that reaches beyond the end is cut at the end and negative numbers count from it, as in numpy.

    Raises:
        IndexError: an integer outside the volume, or more than three indices.
        TypeError: an index that is neither an integer nor a slice.
    """
    items = _one_an_axis(key)
    low, high, slices, extent, kept = [], [], [], [], []
    plain = True
    for axis, item in enumerate(items):
        size = shape[axis]
        if isinstance(item, slice):
            start, stop, step = item.indices(size)
            if step == 1:
                count = stop - start if stop > start else 0
                slices.append(slice(None))
            else:
                plain = False
                steps = range(start, stop, step)
                count = len(steps)
                start, last = (min(steps[0], steps[-1]), max(steps[0], steps[-1])) if count else (0, -1)
                stop = last + 1
                slices.append(slice(None, None, step))
            kept.append(count)
        else:
            start, stop, count = *_place(item, axis, shape), 1
            slices.append(slice(None))
        low.append(start)
        high.append(stop)
        extent.append(count)
    steps_zyx = None if plain else (slices[0], slices[1], slices[2])
    return Selection(
        (low[0], low[1], low[2]), (high[0], high[1], high[2]), steps_zyx, (extent[0], extent[1], extent[2]), tuple(kept)
    )


def _one_an_axis(key: object) -> tuple[object, ...]:
    items = key if isinstance(key, tuple) else (key,)
    if any(item is Ellipsis for item in items):
        place = next(i for i, item in enumerate(items) if item is Ellipsis)
        items = items[:place] + (slice(None),) * (4 - len(items)) + items[place + 1 :]
    if len(items) > 3:
        raise IndexError(f"{len(items)} indices {key!r} for a volume of three axes; use volume[z, y, x]")
    return items + (slice(None),) * (3 - len(items))


def _place(item: object, axis: int, shape: Sequence[int]) -> tuple[int, int]:
    try:
        if isinstance(item, bool):
            raise TypeError
        index = operator.index(item)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"index {item!r} on {AXES[axis]} is neither an integer nor a slice of integers") from None
    place = index + shape[axis] if index < 0 else index
    if not 0 <= place < shape[axis]:
        raise IndexError(f"{AXES[axis]}={index} is outside the volume of shape {tuple(shape)} (z, y, x)")
    return place, place + 1
