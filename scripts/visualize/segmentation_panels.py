"""A segmentation as colours: instances, maps of a network, and objects split, merged, missed or falsely found."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.object_errors import object_errors

SPLIT, MERGE, BOTH, MISSED = (1.0, 0.9, 0.0), (1.0, 0.1, 0.1), (1.0, 0.5, 0.0), (0.2, 0.6, 1.0)
FALSE_POSITIVE = (0.8, 0.3, 1.0)
"""Yellow, red, orange, blue and violet."""
ERRORS = {"split": SPLIT, "merged": MERGE, "split and merged": BOTH, "missed": MISSED, "false positive": FALSE_POSITIVE}
"""Meaning of the colours of `marked_errors`."""
UNKNOWN_GREY = 0.35
"""Shade of unlabelled voxels."""
LISTED = 10_000
"""Most objects with errors that are marked, the worst first."""

Colours = NDArray[np.float32]


@dataclass(frozen=True)
class Mistakes:
    """Ids of a whole box's objects that have errors.

    Attributes:
        split: ground-truth objects in two pieces or more.
        merged: predicted segments with pieces of two objects or more.
        missed: ground-truth objects in which nothing was predicted.
        false_positives: predicted segments that lie on the background alone.
    """

    split: NDArray[np.uint64]
    merged: NDArray[np.uint64]
    missed: NDArray[np.uint64]
    false_positives: NDArray[np.uint64]


def mistakes(table: ContingencyTable) -> Mistakes:
    """Return which objects of a table are wrong; split, merged and missed ones as `object_errors` counts them."""
    found = object_errors(table, worst=LISTED)
    return Mistakes(
        np.array([each.id for each in found.worst_splits], np.uint64),
        np.array([each.id for each in found.worst_merges], np.uint64),
        np.setdiff1d(table.labelled.gt.ids, table.overlaps.gt.ids),
        np.setdiff1d(table.pred.ids[table.pred.ids > 0], table.overlaps.pred.ids),
    )


def id_colours(ids: NDArray[np.generic]) -> Colours:
    """(..., y, x) ids to (..., y, x, 3): one bright colour an id, always the same; 0 black, -1 (unknown) grey."""
    numbers = ids.astype(np.int64).astype(np.uint64)
    mixed = numbers * np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing: neighbouring ids get hues far apart
    hue = (mixed >> np.uint64(40)).astype(np.float32) / 2**24
    value = 0.7 + 0.3 * ((mixed >> np.uint64(32)) & np.uint64(255)).astype(np.float32) / 255
    saturation = 0.55 + 0.4 * ((mixed >> np.uint64(24)) & np.uint64(255)).astype(np.float32) / 255
    ramp = np.abs((hue[..., None] * 6 + np.array([0, 4, 2], np.float32)) % 6 - 3) - 1
    bright = value[..., None] * (1 - saturation[..., None] * (1 - np.clip(ramp, 0, 1)))
    bright[ids == 0] = 0
    bright[ids.astype(np.int64) == -1] = UNKNOWN_GREY
    return bright.astype(np.float32)


def alike(instances: NDArray[np.generic], table: ContingencyTable) -> NDArray[np.int64]:
    """Rename predicted ids for colouring: the largest segment in an object gets its id, others an id of their own.

    Args:
        instances: (z, y, x) predicted ids, all of them in the table.
        table: of the whole box.
    """
    ids = table.pred.ids
    names = ids.astype(np.int64) + (int(table.gt.ids.max(initial=0)) + 1)
    names[ids == 0] = 0
    pairs = table.overlaps
    largest = np.lexsort((pairs.gt_ids, -pairs.counts))
    _, first = np.unique(pairs.gt_ids[largest], return_index=True)  # of each object, its largest piece
    chosen = largest[np.sort(first)]
    _, once = np.unique(
        pairs.pred_ids[chosen], return_index=True
    )  # a merging segment is named after its largest object
    chosen = chosen[once]
    names[np.searchsorted(ids, pairs.pred_ids[chosen])] = pairs.gt_ids[chosen].astype(np.int64)
    renamed: NDArray[np.int64] = names[np.searchsorted(ids, instances.astype(np.uint64)).clip(max=ids.size - 1)]
    return renamed


def map_colours(maps: NDArray[np.floating], signed: Sequence[bool]) -> Colours:
    """(channels, ..., y, x) maps to (..., y, x, 3): up to three channels as red, green and blue; one as grey.

    Args:
        maps: 0 to 1; -1 to 1 where `signed`.
        signed: one for each channel.
    """
    shown = [(channel + 1) / 2 if minus else channel for channel, minus in zip(maps[:3], signed, strict=False)]
    if len(shown) == 1:
        shown *= 3
    while len(shown) < 3:
        shown.append(np.zeros_like(shown[0]))
    return np.clip(np.stack(shown, -1), 0, 1).astype(np.float32)


def marked_errors(
    grey: NDArray[np.floating], label: NDArray[np.generic], instances: NDArray[np.generic], wrong: Mistakes
) -> Colours:
    """Sections with a tint over objects that are split, merged, both or missed, and over false positives.

    A yellow line runs along each border that cuts a split object, a red one along each border that is missing inside a
    merging segment.

    Args:
        grey: (sections, y, x) in [0, 1].
        label: (sections, y, x) ground truth, -1 where unknown.
        instances: (sections, y, x) predicted ids.
        wrong: of the whole box.
    """
    picture = np.repeat(0.75 * grey[..., None], 3, axis=-1)
    gt, found = label.clip(min=0).astype(np.uint64), instances.astype(np.uint64)
    split, merged = np.isin(gt, wrong.split), np.isin(found, wrong.merged) & (gt > 0)
    tints = (
        (np.isin(gt, wrong.missed), MISSED),
        (np.isin(found, wrong.false_positives) & (label == 0), FALSE_POSITIVE),
        (split & ~merged, SPLIT),
        (merged & ~split, MERGE),
        (split & merged, BOTH),
    )
    for where, colour in tints:
        picture[where] = 0.65 * picture[where] + 0.35 * np.array(colour)
    picture[_borders(found) & split & ~_borders(gt)] = SPLIT
    picture[_borders(gt) & merged & ~_borders(found)] = MERGE
    return np.clip(picture, 0, 1).astype(np.float32)


def _borders(ids: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Return the voxels of a section beside one of another id, background included."""
    beside = np.zeros(ids.shape, bool)
    for axis in (1, 2):
        ahead = np.diff(ids, axis=axis) != 0
        inside = [slice(None)] * 3
        for part in (slice(1, None), slice(None, -1)):
            inside[axis] = part
            beside[tuple(inside)] |= ahead
    return beside
