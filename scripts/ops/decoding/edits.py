"""Corrections of a segmentation: merges, and splits by the minimum cut of the fragments of a segment."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from scripts.ops.decoding.steepest_ascent import basins

Point = tuple[int, int, int]
SATURATED = 0.9999
"""Voxels joined by affinities from here on are one fragment."""
CAPACITY = 2**30
NEAR = 0.25
"""Share of the distance of the two points within which fragments stay with their point, so that a cut does not take the
one fragment under a point off."""


class Edit(NamedTuple):
    """One correction.

    Attributes:
        kind: `merge` or `split`.
        first, second: a voxel (z, y, x) of each side, or, for merges, an id.
    """

    kind: str
    first: Point | int
    second: Point | int

    def __str__(self) -> str:
        return f"{self.kind} of {self.first} and {self.second}"


class Segments(Protocol):
    """What edits are made in."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(z, y, x) voxels."""

    def at(self, point: Point) -> int:
        """The segment of a voxel."""

    def has(self, segment: int) -> bool:
        """Whether a segment has voxels."""

    def merge(self, kept: int, gone: int) -> None:
        """Give the voxels of one segment to another."""

    def split(self, segment: int, first: Point, second: Point, place: str) -> None:
        """Give the side of the second point a new id, above all others; `place` names the edit in errors."""


class LabelArray:
    """Segments as an array in memory.

    Args:
        labels: (z, y, x) ids, changed in place.
        affinities: (3, z, y, x).
    """

    def __init__(self, labels: np.ndarray, affinities: np.ndarray) -> None:
        self.labels, self.affinities, self.shape = labels, affinities, labels.shape

    def at(self, point: Point) -> int:
        """See `Segments`."""
        return int(self.labels[point])

    def has(self, segment: int) -> bool:
        """See `Segments`."""
        return bool((self.labels == segment).any())

    def merge(self, kept: int, gone: int) -> None:
        """See `Segments`."""
        self.labels[self.labels == gone] = kept

    def split(self, segment: int, first: Point, second: Point, place: str) -> None:
        """See `Segments`."""
        part = second_side(self.labels == segment, self.affinities, first, second, place)
        self.labels[part] = int(self.labels.max()) + 1


def apply_edits(labels: np.ndarray, affinities: np.ndarray, edits: Sequence[Edit]) -> np.ndarray:
    """The segmentation with the edits made, one after the other; all other ids stay.

    A merged segment has the id of its first side. Of a segment that is split the side of the first point keeps the id,
    the side of the second gets a new one, above all others: the cut runs between watershed fragments of the segment
    where the affinities over the faces sum up to the least (Ford & Fulkerson 1956). Fragments within a quarter of the
    distance of the points, in voxels, stay with their point.

    Args:
        labels: (z, y, x) ids, 0 is background.
        affinities: (3, z, y, x) to the voxel before along z, y and x, floats or uint8 for value / 255.
        edits: in voxels of `labels`.

    Raises:
        ValueError: as `make_edits`.
    """
    edited = LabelArray(labels.astype(np.uint32 if labels.dtype.itemsize < 4 else labels.dtype, copy=True), affinities)
    make_edits(edited, edits)
    return edited.labels


def make_edits(segments: Segments, edits: Sequence[Edit]) -> None:
    """Make edits one after the other, as `apply_edits` defines them.

    Raises:
        ValueError: a point outside or on background, an id that is not there, sides that are one already (merge) or two
            (split), points in one fragment, or edits that contradict each other.
    """
    for number, edit in enumerate(edits, 1):
        first, second = (_id(segments, side, number, edit) for side in (edit.first, edit.second))
        if edit.kind == "merge":
            if first == second:
                raise ValueError(f"edit {number}, {edit}: both sides are id {first} already; leave it out")
            segments.merge(first, second)
        elif edit.kind == "split":
            if first != second:
                raise ValueError(f"edit {number}, {edit}: the sides are ids {first} and {second} already; leave it out")
            if isinstance(edit.first, int) or isinstance(edit.second, int):
                raise ValueError(f"edit {number}, {edit}: a split is given by two points (z, y, x), not by ids")
            segments.split(first, edit.first, edit.second, f"edit {number}, {edit}")
        else:
            raise ValueError(f"edit {number} is a {edit.kind!r}; there are merge and split")
    for number, edit in enumerate(edits, 1):
        if isinstance(edit.first, int) or isinstance(edit.second, int):
            continue
        if (segments.at(edit.first) == segments.at(edit.second)) != (edit.kind == "merge"):
            raise ValueError(f"edit {number}, {edit}, is undone by a later one: they contradict each other")


def _id(segments: Segments, side: Point | int, number: int, edit: Edit) -> int:
    if isinstance(side, int):
        if side == 0 or not segments.has(side):
            raise ValueError(f"edit {number}, {edit}: there is no id {side}")
        return side
    if not all(0 <= at < size for at, size in zip(side, segments.shape, strict=True)):
        raise ValueError(f"edit {number}, {edit}: {side} (z, y, x) is outside the volume of shape {segments.shape}")
    found = segments.at(side)
    if found == 0:
        raise ValueError(f"edit {number}, {edit}: {side} (z, y, x) is background; choose a point in a segment")
    return found


def second_side(
    mask: np.ndarray, affinities: np.ndarray, first: Point, second: Point, place: str
) -> tuple[np.ndarray, ...]:
    """The voxels of a segment on the side of the second point, as an index.

    Args:
        mask: (z, y, x) bool, the voxels of the segment.
        affinities: (3, z, y, x) of the same box.
        first, second: voxels of the two sides in it.
        place: names the edit in errors.

    Raises:
        ValueError: the two points are in one fragment.
    """
    inside = np.argwhere(mask)
    low, high = inside.min(0), inside.max(0) + 1
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    part = mask[box]
    graded = np.ascontiguousarray(affinities[(slice(None), *box)][:3], np.float32)
    if affinities.dtype == np.uint8:
        graded /= 255
    for axis in range(3):
        here = [slice(None)] * 3
        before = [slice(None)] * 3
        here[axis], before[axis] = slice(1, None), slice(None, -1)
        graded[axis][tuple(here)] *= part[tuple(here)] & part[tuple(before)]
        edge = [slice(None)] * 3
        edge[axis] = slice(0, 1)
        graded[axis][tuple(edge)] = 0
    fragments, _ = basins(graded, 0.0, SATURATED)
    source, sink = (int(fragments[tuple(np.subtract(point, low))]) for point in (first, second))
    if source == sink or 0 in (source, sink):
        raise ValueError(f"{place}: the two points are in one fragment; choose points further apart")
    joined = _joined_near(fragments, np.subtract(first, low), np.subtract(second, low))
    pairs, weights = _borders(joined[fragments], graded)
    beyond = _sink_side(pairs, weights, len(joined), source, sink)
    found = np.argwhere(beyond[joined[fragments]] & part) + low
    return tuple(found.T)


def _joined_near(fragments: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """For each fragment the one that it is joined with: that of a point near it, else itself."""
    joined = np.arange(int(fragments.max()) + 1)
    reach = NEAR * float(np.linalg.norm(first - second))
    near = []
    for point in (first, second):
        squares = [(np.arange(size) - at) ** 2 for size, at in zip(fragments.shape, point, strict=True)]
        ball = squares[0][:, None, None] + squares[1][:, None] + squares[2] <= reach**2
        near.append(np.setdiff1d(fragments[ball], [0]))
    own = [fragments[tuple(point)] for point in (first, second)]
    for number in range(2):
        joined[np.setdiff1d(near[number], [*near[1 - number], own[1 - number]])] = own[number]
    return joined


def _borders(fragments: np.ndarray, affinities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 2) touching fragments, and the sum of the affinities over the faces of each pair."""
    keys, values = [], []
    count = int(fragments.max()) + 1
    for axis in range(3):
        here = [slice(None)] * 3
        before = [slice(None)] * 3
        here[axis], before[axis] = slice(1, None), slice(None, -1)
        a, b = (fragments[tuple(side)].astype(np.int64) for side in (here, before))
        face = (a != b) & (a > 0) & (b > 0)
        keys.append(np.minimum(a, b)[face] * count + np.maximum(a, b)[face])
        values.append(affinities[axis][tuple(here)][face].astype(np.float64))
    every, place = np.unique(np.concatenate(keys), return_inverse=True)
    return np.stack([every // count, every % count], 1), np.bincount(place, np.concatenate(values), len(every))


def _sink_side(pairs: np.ndarray, weights: np.ndarray, count: int, source: int, sink: int) -> np.ndarray:
    """For each fragment whether it is on the sink's side of the minimum cut."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order, connected_components, maximum_flow

    capacity = np.maximum(np.rint(weights / max(float(weights.sum()), 1e-9) * CAPACITY), 1).astype(np.int32)
    rows, columns = np.concatenate([pairs[:, 0], pairs[:, 1]]), np.concatenate([pairs[:, 1], pairs[:, 0]])
    graph = csr_array((np.concatenate([capacity, capacity]), (rows, columns)), shape=(count, count), dtype=np.int32)
    residual = graph - maximum_flow(graph, source, sink).flow
    residual.eliminate_zeros()
    reached = np.zeros(count, bool)
    reached[breadth_first_order(residual, source, return_predecessors=False)] = True
    _, component = connected_components(graph, directed=False)
    return ~reached & (component == component[sink])
