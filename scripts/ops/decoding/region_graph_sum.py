"""The region graph of a volume from those of its blocks."""

from collections.abc import Sequence

import numba
import numpy as np

from scripts.ops.decoding.region_graph import RegionGraph


def added(parts: Sequence[RegionGraph]) -> RegionGraph:
    """The graph of a volume from those of its blocks: rows of one pair added, ordered by pair.

    Raises:
        ValueError: no parts.
    """
    if not parts:
        raise ValueError("no graphs to add; a volume has one block at least")
    order, pair = _by_pair(parts)
    begins = np.flatnonzero(np.concatenate([[True], pair[1:] != pair[:-1]])) if pair.size else np.empty(0, np.int64)
    pair = pair[begins]

    def column(name: str, add: np.ufunc) -> np.ndarray:
        values = np.concatenate([getattr(part, name) for part in parts])
        if values.size == 0:
            return values
        summed: np.ndarray = add.reduceat(values[order], begins)
        return summed

    return RegionGraph(
        first=(pair >> np.uint64(32)).astype(np.uint32),
        second=(pair & np.uint64(2**32 - 1)).astype(np.uint32),
        largest=column("largest", np.maximum),
        total=column("total", np.add),
        faces=column("faces", np.add),
        last=column("last", np.maximum),
        unit=parts[0].unit,
    )


def added_values(
    parts: Sequence[RegionGraph], values: Sequence[tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """The `border_values` of `added(parts)` from those of the parts."""
    order, pair = _by_pair(parts)
    bins = np.concatenate([part for part, _ in values])
    faces = np.concatenate([np.diff(starts) for _, starts in values])
    found = np.empty_like(bins)
    _gather(bins, np.concatenate([[0], np.cumsum(faces)]), order, found)
    ends = np.cumsum(faces[order])[np.flatnonzero(np.concatenate([pair[1:] != pair[:-1], [True]])[: pair.size])]
    return found, np.concatenate([[0], ends]).astype(np.int64)


def _by_pair(parts: Sequence[RegionGraph]) -> tuple[np.ndarray, np.ndarray]:
    """Order of all rows by pair, and the pairs in that order."""
    first, second = (np.concatenate([getattr(part, side) for part in parts]) for side in ("first", "second"))
    pair = first.astype(np.uint64) << np.uint64(32) | second.astype(np.uint64)
    order = np.argsort(pair, kind="stable")
    return order, pair[order]


@numba.njit(cache=True, nogil=True)
def _gather(bins, starts, order, found):  # type: ignore[no-untyped-def]
    position = 0
    for e in order:
        for i in range(starts[e], starts[e + 1]):
            found[position] = bins[i]
            position += 1
