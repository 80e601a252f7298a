"""Average precision of ranked segments at one IoU, as in the MitoEM papers, by size range."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from scripts.ops.scoring.instance_matching import Overlaps

SIZE_RANGES: dict[str, tuple[float, float]] = {
    "all": (0, float("inf")),
    "small": (0, 5e3),
    "medium": (5e3, 1.5e4),
    "large": (1.5e4, float("inf")),
}
"""Voxels `(above, up to)` of the MitoEM papers; a size on the border belongs to the smaller range."""

_RECALLS = 101


def average_precision(
    found: Overlaps,
    threshold: float,
    sizes: tuple[float, float] = SIZE_RANGES["all"],
    scores: Mapping[int, float] | None = None,
) -> float:
    """Mean over the recalls 0, 0.01, ..., 1 of the best precision at that recall or above (COCO's 101 points).

    Segments are ranked by score, equal scores by the smaller id; in that order each takes, of the objects not yet taken
    that it overlaps with `IoU >= threshold`, the one with the largest IoU (equal IoU: in the size range, then the
    smaller id). Objects outside the size range, segments matched to them, and unmatched segments outside the range
    count neither for nor against, as in COCO. Recalls are compared as fractions, so no point is lost to rounding.
    Wei et al. 2020 (MitoEM, MICCAI); Lin et al. 2014 (COCO).

    Args:
        found: `overlaps(table)`.
        threshold: IoU, in (0, 1].
        sizes: voxels, above the first and up to the second.
        scores: segment id -> confidence; None ranks by the number of voxels, as the challenge's files do.

    Returns:
        The average precision; nan where no object is in the range; 0 without a prediction.

    Raises:
        ValueError: a threshold outside (0, 1], sizes out of order, or a segment without a score.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"IoU threshold {threshold} is outside (0, 1]; use 0.5 or 0.75, for example")
    if not sizes[0] < sizes[1]:
        raise ValueError(f"size range {sizes} is empty; give (above, up to) voxels")
    wanted = _within(found.gt_sizes, sizes)
    objects = int(np.count_nonzero(wanted))
    if objects == 0:
        return float("nan")
    rank = _ranking(found, scores)
    matched = _greedy(found, threshold, rank, wanted)
    ignored = np.where(matched >= 0, ~wanted[matched], ~_within(found.pred_sizes, sizes))
    hits = (matched >= 0)[rank[~ignored[rank]]]
    right = np.cumsum(hits)
    precision = right / np.arange(1, hits.size + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    # recall k/100 is reached at the first segment with right / objects >= k / 100
    place = np.searchsorted(right * (_RECALLS - 1), np.arange(_RECALLS) * objects)
    return float(np.sum(best[place[place < best.size]]) / _RECALLS)


def _within(sizes: NDArray[np.int64], bounds: tuple[float, float]) -> NDArray[np.bool_]:
    return (sizes > bounds[0]) & (sizes <= bounds[1])


def _ranking(found: Overlaps, scores: Mapping[int, float] | None) -> NDArray[np.intp]:
    """Places of the segments, highest score first. Ids ascend, so a stable sort settles ties by the smaller id."""
    if scores is None:
        return np.argsort(-found.pred_sizes, kind="stable")
    missing = [segment for segment in found.pred_ids.tolist() if segment not in scores]
    if missing:
        raise ValueError(f"{len(missing)} of {found.pred_ids.size} segments have no score, first id {missing[0]}")
    return np.argsort([-scores[segment] for segment in found.pred_ids.tolist()], kind="stable")


def _greedy(found: Overlaps, threshold: float, rank: NDArray[np.intp], wanted: NDArray[np.bool_]) -> NDArray[np.intp]:
    """For every segment the place of the object it takes, or -1."""
    keep = found.iou >= threshold
    gt, pred, iou = found.gt[keep], found.pred[keep], found.iou[keep]
    turn = np.empty_like(rank)
    turn[rank] = np.arange(rank.size)
    matched = np.full(found.pred_ids.size, -1, np.intp)
    taken = np.zeros(found.gt_ids.size, bool)
    for pair in np.lexsort((gt, ~wanted[gt], -iou, turn[pred])).tolist():
        if matched[pred[pair]] < 0 and not taken[gt[pair]]:
            matched[pred[pair]] = gt[pair]
            taken[gt[pair]] = True
    return matched
