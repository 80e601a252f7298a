"""Where the worst splits and merges are: the face between the two pieces, for a user to look at."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.contingency_blocks import Readable
from scripts.ops.scoring.object_errors import object_errors

FACES_OF_A_BLOCK = 512
"""Faces kept of one error in one block."""
BLOCK = (32, 512, 512)


class SegmentationError(NamedTuple):
    """One error between two pieces.

    Attributes:
        kind: `merge` (a segment covers two objects) or `split` (an object has two segments).
        id: of the segment that merges, or of the object that is split.
        first, second: ids of its two largest pieces, on the other side.
        bits: what it adds to the variation of information.
        location: voxel (z, y, x) at the face between the pieces, or in the smaller piece where they do not touch; None
            where nothing of it is in the volume.
    """

    kind: str
    id: int
    first: int
    second: int
    bits: float
    location: tuple[int, int, int] | None = None

    def __str__(self) -> str:
        if self.kind == "merge":
            return f"id {self.id} merges truth {self.first} and {self.second}: {self.bits:.2f} bits"
        return f"truth {self.id} is split into ids {self.first} and {self.second}: {self.bits:.2f} bits"


def worst_errors(scores: Mapping[str, Any]) -> list[SegmentationError]:
    """The errors that a score file lists, the worst first.

    Args:
        scores: with `worst_merges` and `worst_splits`, each a list of {id, bits, pieces: [[id, voxels], ...]}.

    Raises:
        ValueError: neither is there.
    """
    if "worst_merges" not in scores and "worst_splits" not in scores:
        raise ValueError(
            "the scores list no worst_merges and no worst_splits; write them with `python -m scripts score`"
        )
    errors = [
        SegmentationError(kind, int(one["id"]), int(one["pieces"][0][0]), int(one["pieces"][1][0]), float(one["bits"]))
        for kind, key in (("merge", "worst_merges"), ("split", "worst_splits"))
        for one in scores.get(key, ())
        if len(one["pieces"]) > 1
    ]
    return sorted(errors, key=lambda error: (-error.bits, error.kind, error.id))


def largest_errors(table: ContingencyTable, most: int) -> list[SegmentationError]:
    """The errors of a table, at most `most`, the worst first."""
    counted = object_errors(table, worst=most)
    listed = {"worst_merges": counted.worst_merges, "worst_splits": counted.worst_splits}
    return worst_errors({key: [vars(one) for one in found] for key, found in listed.items()})[:most]


def locate_errors(
    errors: Sequence[SegmentationError], gt: Readable, pred: Readable, block: Sequence[int] = BLOCK
) -> list[SegmentationError]:
    """The errors with their locations: of the faces between the two pieces the one nearest to their mean.

    The volumes are read once, block by block, with one voxel of overlap.

    Args:
        errors: to look for.
        gt, pred: (z, y, x) labels of one shape.
        block: voxels (z, y, x) that are read at a time.

    Raises:
        ValueError: volumes of different shapes.
    """
    if tuple(gt.shape) != tuple(pred.shape):
        raise ValueError(f"ground truth has shape {tuple(gt.shape)} and the segmentation {tuple(pred.shape)} (z, y, x)")
    faces: list[list[NDArray[np.int64]]] = [[] for _ in errors]
    voxels: list[list[NDArray[np.int64]]] = [[] for _ in errors]
    for low, box in _blocks(gt.shape, block):
        truth, segments = np.asarray(gt[box]), np.asarray(pred[box])
        present = set(np.unique(truth).tolist()), set(np.unique(segments).tolist())
        for number, error in enumerate(errors):
            whole, pieces = (segments, truth) if error.kind == "merge" else (truth, segments)
            of_whole, of_pieces = present[::-1] if error.kind == "merge" else present
            if error.id not in of_whole or error.second not in of_pieces:
                continue
            inside = whole == error.id
            second = inside & (pieces == error.second)
            voxels[number].append(_some(np.argwhere(second) + low))
            if error.first in of_pieces:
                faces[number].append(_some(_touching(second, inside & (pieces == error.first)) + low))
    return [
        error._replace(location=_middle(faces[number]) or _middle(voxels[number]))
        for number, error in enumerate(errors)
    ]


def _touching(mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Voxels of a mask with a face to the other one."""
    found = np.zeros_like(mask)
    for axis in range(3):
        ahead: list[slice] = [slice(None)] * 3
        behind: list[slice] = [slice(None)] * 3
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        found[tuple(ahead)] |= mask[tuple(ahead)] & other[tuple(behind)]
        found[tuple(behind)] |= mask[tuple(behind)] & other[tuple(ahead)]
    return np.argwhere(found)


def _some(places: NDArray[np.int64]) -> NDArray[np.int64]:
    return places[:: max(1, len(places) // FACES_OF_A_BLOCK)]


def _middle(parts: Sequence[NDArray[np.int64]]) -> tuple[int, int, int] | None:
    places = np.concatenate(parts) if parts else np.empty((0, 3), np.int64)
    if not len(places):
        return None
    z, y, x = places[np.argmin(((places - places.mean(0)) ** 2).sum(1))].tolist()
    return z, y, x


def _blocks(shape: Sequence[int], block: Sequence[int]) -> Iterator[tuple[NDArray[np.int64], tuple[slice, ...]]]:
    steps = [range(0, size, by) for size, by in zip(shape, block, strict=True)]
    for z in steps[0]:
        for y in steps[1]:
            for x in steps[2]:
                low = [max(at - 1, 0) for at in (z, y, x)]
                ends = [min(at + by, size) for at, by, size in zip((z, y, x), block, shape, strict=True)]
                yield np.array(low), tuple(slice(first, end) for first, end in zip(low, ends, strict=True))
