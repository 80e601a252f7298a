"""Which objects are split or merged, how many, and the worst of them by id, for a person to look at."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.variation_of_information import merge_bits, split_bits

OBJECT_ERRORS = (
    "a piece is an overlap of at least {fraction:g} of the smaller of object and segment and {min_voxels} voxels, "
    "gt 0 and predicted 0 left out; split: an object in 2 pieces or more; merged: a segment with pieces of 2 objects "
    "or more; missed: an object without a predicted voxel"
)
_LISTED = 10


@dataclass(frozen=True)
class Offender:
    """One object that is split, or one segment that merges.

    Attributes:
        id: of the object in the ground truth (split) or of the segment in the prediction (merge).
        bits: what it adds to the split or merge entropy.
        voxels: labelled voxels of it.
        pieces: ids on the other side and the voxels shared, largest first, at most ten.
        count: number of pieces, those not listed too.
    """

    id: int
    bits: float
    voxels: int
    pieces: tuple[tuple[int, int], ...]
    count: int


@dataclass(frozen=True)
class ObjectErrors:
    """Numbers of objects with errors, and the worst offenders by bits of entropy (equal bits: the smaller id).

    Attributes:
        split_objects: ground-truth objects in two pieces or more.
        merged_segments: segments that hold pieces of two objects or more.
        missed_objects: ground-truth objects without a single predicted voxel.
        worst_splits, worst_merges: by falling bits.
        definition: what a piece is.
    """

    split_objects: int
    merged_segments: int
    missed_objects: int
    worst_splits: tuple[Offender, ...]
    worst_merges: tuple[Offender, ...]
    definition: str


def object_errors(
    table: ContingencyTable, *, fraction: float = 0.1, min_voxels: int = 100, worst: int = 10
) -> ObjectErrors:
    """Count split objects and merging segments.

    An overlap is a piece where it holds at least `fraction` of the smaller of the two objects (of its labelled voxels),
    so that a sliver along a shared border is not an error, and at least `min_voxels`.

    Raises:
        ValueError: a fraction outside [0, 1], or negative numbers.
    """
    if not 0 <= fraction <= 1 or min_voxels < 0 or worst < 0:
        raise ValueError(
            f"fraction {fraction}, min_voxels {min_voxels}, worst {worst}: use a fraction in [0, 1] and numbers from 0"
        )
    labelled = table.labelled
    smaller = np.minimum(labelled.gt.sizes[labelled.gt.place], labelled.pred.sizes[labelled.pred.place])
    piece = (labelled.pred_ids > 0) & (labelled.counts >= fraction * smaller) & (labelled.counts >= min_voxels)
    pieces = ContingencyTable(labelled.gt_ids[piece], labelled.pred_ids[piece], labelled.counts[piece])
    splits, worst_splits = _offenders(pieces, labelled, split_bits(table), worst)
    merges, worst_merges = _offenders(pieces.swapped(), labelled.swapped(), merge_bits(table), worst)
    return ObjectErrors(
        split_objects=splits,
        merged_segments=merges,
        missed_objects=int(labelled.gt.ids.size - labelled.overlaps.gt.ids.size),
        worst_splits=worst_splits,
        worst_merges=worst_merges,
        definition=OBJECT_ERRORS.format(fraction=fraction, min_voxels=min_voxels),
    )


def _offenders(
    pieces: ContingencyTable,
    labelled: ContingencyTable,
    entropy: tuple[NDArray[np.uint64], NDArray[np.float64]],
    worst: int,
) -> tuple[int, tuple[Offender, ...]]:
    """Objects on the first side of `pieces` that have two or more: how many, and the worst of them."""
    count = np.bincount(pieces.gt.place, minlength=pieces.gt.ids.size)
    broken = np.flatnonzero(count > 1)
    bits = entropy[1][np.searchsorted(entropy[0], pieces.gt.ids[broken])]
    sizes = labelled.gt.sizes[np.searchsorted(labelled.gt.ids, pieces.gt.ids[broken])]
    offenders = []
    for k in np.argsort(-bits, kind="stable")[:worst].tolist():
        own = np.flatnonzero(pieces.gt.place == broken[k])
        largest = own[np.argsort(-pieces.counts[own], kind="stable")][:_LISTED]
        offenders.append(
            Offender(
                id=int(pieces.gt.ids[broken[k]]),
                bits=float(bits[k]),
                voxels=int(sizes[k]),
                pieces=tuple(zip(pieces.pred_ids[largest].tolist(), pieces.counts[largest].tolist(), strict=True)),
                count=int(count[broken[k]]),
            )
        )
    return broken.size, tuple(offenders)
