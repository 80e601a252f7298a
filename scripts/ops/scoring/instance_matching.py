"""Match objects one to one by their overlap, and count: accuracy, F1, panoptic quality at any IoU."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.ops.scoring.contingency import ContingencyTable


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Every pair of objects that touch, and their IoU.

    Attributes:
        gt_ids, pred_ids: (gt objects,), (segments,) uint64, ascending, without 0.
        gt_sizes, pred_sizes: voxels of each; a segment's voxels on ground truth 0 count.
        gt, pred: (pairs,) places in `gt_ids`, `pred_ids`.
        iou: (pairs,) intersection over union, in (0, 1].
    """

    gt_ids: NDArray[np.uint64]
    pred_ids: NDArray[np.uint64]
    gt_sizes: NDArray[np.int64]
    pred_sizes: NDArray[np.int64]
    gt: NDArray[np.intp]
    pred: NDArray[np.intp]
    iou: NDArray[np.float64]


def overlaps(table: ContingencyTable) -> Overlaps:
    """IoU of all pairs of objects in a table. For ground truth with unlabelled parts pass `table.labelled`: then
    what is predicted there does not count against a segment.
    """
    gt_ids, gt_sizes = _objects(table.gt.ids, table.gt.sizes)
    pred_ids, pred_sizes = _objects(table.pred.ids, table.pred.sizes)
    pairs = table.overlaps
    gt = np.searchsorted(gt_ids, pairs.gt_ids)
    pred = np.searchsorted(pred_ids, pairs.pred_ids)
    iou = pairs.counts / (gt_sizes[gt] + pred_sizes[pred] - pairs.counts)
    return Overlaps(gt_ids, pred_ids, gt_sizes, pred_sizes, gt, pred, iou)


@dataclass(frozen=True, eq=False)
class Matching:
    """The pairs matched at one IoU, and the scores that follow from their number.

    Attributes:
        threshold: the IoU a pair needs (`>=`).
        pairs: (n, 2) uint64, ids (gt, pred) of each match, by gt id.
        iou: (n,) IoU of each.
        missed: ground-truth ids without a match (false negatives).
        spurious: predicted ids without a match (false positives).
    """

    threshold: float
    pairs: NDArray[np.uint64]
    iou: NDArray[np.float64]
    missed: NDArray[np.uint64]
    spurious: NDArray[np.uint64]

    @property
    def true_positives(self) -> int:
        return len(self.pairs)

    @property
    def accuracy(self) -> float:
        """`TP / (TP + FP + FN)`; the MitoEM challenge ranks by it today."""
        return self._over(self.true_positives, 1.0)

    @property
    def precision(self) -> float:
        """`TP / (TP + FP)`."""
        return _quotient(self.true_positives, self.true_positives + len(self.spurious))

    @property
    def recall(self) -> float:
        """`TP / (TP + FN)`."""
        return _quotient(self.true_positives, self.true_positives + len(self.missed))

    @property
    def f1(self) -> float:
        """`TP / (TP + FP/2 + FN/2)`."""
        return self._over(self.true_positives, 0.5)

    @property
    def panoptic_quality(self) -> float:
        """`sum of matched IoU / (TP + FP/2 + FN/2)`, Kirillov et al. 2019; they match above 0.5."""
        return self._over(float(np.sum(self.iou)), 0.5)

    def _over(self, value: float, weight: float) -> float:
        return _quotient(value, self.true_positives + weight * (len(self.missed) + len(self.spurious)))


def match_objects(found: Overlaps, threshold: float) -> Matching:
    """Match every object to one segment at most, pairs with `IoU >= threshold` only.

    Above 0.5 at most one segment can match. At 0.5 and below the most pairs win, and among these the largest sum of
    IoU (the assignment problem). With no object on either side the scores are nan.

    Raises:
        ValueError: a threshold outside (0, 1].
    """
    keep = _candidates(found, threshold)
    gt, pred, iou = found.gt[keep], found.pred[keep], found.iou[keep]
    crowded = np.isin(gt, _repeated(gt)) | np.isin(pred, _repeated(pred))
    if crowded.any():
        chosen = ~crowded
        chosen[_assigned(gt, pred, iou, crowded)] = True
        gt, pred, iou = gt[chosen], pred[chosen], iou[chosen]
    pairs = np.stack([found.gt_ids[gt], found.pred_ids[pred]], axis=1)
    return Matching(threshold, pairs, iou, np.delete(found.gt_ids, gt), np.delete(found.pred_ids, pred))


def _assigned(gt: NDArray[Any], pred: NDArray[Any], iou: NDArray[Any], crowded: NDArray[Any]) -> NDArray[np.intp]:
    """Places of the pairs of the best assignment, one connected group of rivals at a time."""
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rivals = np.flatnonzero(crowded)
    rows, row = np.unique(gt[rivals], return_inverse=True)
    columns, column = np.unique(pred[rivals], return_inverse=True)
    nodes = rows.size + columns.size
    graph = coo_array((np.ones(rivals.size), (row, rows.size + column)), shape=(nodes, nodes))
    _, group = connected_components(graph, directed=False)
    chosen = []
    for members in _groups(group[row]):
        r, i = np.unique(row[members], return_inverse=True)
        c, j = np.unique(column[members], return_inverse=True)
        gain = np.zeros((r.size, c.size))
        place = np.full(gain.shape, -1)
        gain[i, j] = min(gain.shape) + iou[rivals[members]]  # one more pair beats any sum of IoU
        place[i, j] = rivals[members]
        best = place[linear_sum_assignment(gain, maximize=True)]
        chosen.append(best[best >= 0])
    return np.concatenate(chosen)


def _groups(group: NDArray[Any]) -> list[NDArray[np.intp]]:
    order = np.argsort(group, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


def _candidates(found: Overlaps, threshold: float) -> NDArray[np.bool_]:
    if not 0 < threshold <= 1:
        raise ValueError(f"IoU threshold {threshold} is outside (0, 1]; use 0.5 or 0.75, for example")
    return found.iou >= threshold


def _objects(ids: NDArray[Any], sizes: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    return (ids[1:], sizes[1:]) if ids.size and ids[0] == 0 else (ids, sizes)


def _repeated(places: NDArray[Any]) -> NDArray[Any]:
    unique, counts = np.unique(places, return_counts=True)
    return unique[counts > 1]


def _quotient(value: float, of: float) -> float:
    return value / of if of else float("nan")
