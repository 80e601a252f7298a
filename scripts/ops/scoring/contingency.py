"""The contingency table of two segmentations: the voxels each pair of ids shares; every score is a function of it."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scripts.ops.scoring.pair_counts import PairCounter

_PIECE = 2**20  # voxels copied at a time where an array is not contiguous; stays in the cache


class Marginal(NamedTuple):
    """The objects of one side of a table.

    Attributes:
        ids: (n,) uint64, ascending.
        sizes: (n,) int64, voxels of each.
        place: (cells,) the place in `ids` of every cell of the table.
    """

    ids: NDArray[np.uint64]
    sizes: NDArray[np.int64]
    place: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class ContingencyTable:
    """Voxels shared by each pair of ids that meet, ordered by `(gt, pred)`; immutable.

    Tables of parts of one volume add up: `first + second`. Parts that are different volumes, where one id is two
    objects, go `side_by_side`.

    Attributes:
        gt_ids, pred_ids: (cells,) uint64; 0 is background or unlabelled.
        counts: (cells,) int64, all above 0.
    """

    gt_ids: NDArray[np.uint64]
    pred_ids: NDArray[np.uint64]
    counts: NDArray[np.int64]

    def __post_init__(self) -> None:
        gt, pred, counts = _ordered(
            np.asarray(self.gt_ids, np.uint64), np.asarray(self.pred_ids, np.uint64), np.asarray(self.counts, np.int64)
        )
        for name, array in (("gt_ids", gt), ("pred_ids", pred), ("counts", counts)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @classmethod
    def empty(cls) -> "ContingencyTable":
        """The table of no voxels; adds to any other without changing it."""
        return cls(np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.int64))

    @classmethod
    def from_arrays(cls, gt: ArrayLike, pred: ArrayLike, *, threads: int = 1) -> "ContingencyTable":
        """Count the voxels of two label arrays of one shape: any integer type, byte order and memory layout.

        Voxels of ground truth -1, unknown, are left out, as if they were not there.

        Contiguous arrays are not copied, others piece by piece. The result does not depend on `threads`.

        Raises:
            ValueError: shapes that differ, no voxels, labels that are not integers, negative ids, threads below 1.
        """
        gt, pred = np.asarray(gt), np.asarray(pred)
        check_pair(gt, pred)
        if threads < 1:
            raise ValueError(f"threads is {threads}; use 1 or more")
        truth: NDArray[Any] = np.atleast_1d(gt)
        found: NDArray[Any] = np.atleast_1d(pred)
        if truth.dtype.kind == "i" and (truth == -1).any():
            known = truth != -1
            truth, found = truth[known], found[known]
            if not truth.size:
                return cls.empty()

        def count(share: Iterable[tuple[NDArray[Any], NDArray[Any]]]) -> "ContingencyTable":
            counter = PairCounter(truth.dtype, found.dtype)
            for left, right in share:
                counter.add(left, right)
            return cls(*counter.cells())

        shares = _shares(truth, found, threads)
        if threads == 1:
            return count(shares[0])
        with ThreadPoolExecutor(threads) as pool:
            return reduce(add, pool.map(count, shares))

    def __add__(self, other: "ContingencyTable") -> "ContingencyTable":
        if not isinstance(other, ContingencyTable):
            return NotImplemented
        return ContingencyTable(
            np.concatenate([self.gt_ids, other.gt_ids]),
            np.concatenate([self.pred_ids, other.pred_ids]),
            np.concatenate([self.counts, other.counts]),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ContingencyTable) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in ("gt_ids", "pred_ids", "counts")
        )

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return self.counts.size

    @cached_property
    def voxels(self) -> int:
        """All voxels counted, those without ground truth too."""
        return int(self.counts.sum())

    @cached_property
    def gt(self) -> Marginal:
        """Objects of the ground truth (id 0 with them) and their sizes."""
        return _marginal(self.gt_ids, self.counts)

    @cached_property
    def pred(self) -> Marginal:
        """Segments of the prediction (id 0 with them) and their sizes."""
        return _marginal(self.pred_ids, self.counts)

    @cached_property
    def labelled(self) -> "ContingencyTable":
        """The cells with ground truth: id 0 of the ground truth dropped."""
        return self._where(self.gt_ids > 0)

    @cached_property
    def overlaps(self) -> "ContingencyTable":
        """The cells with an object on both sides: id 0 dropped on both."""
        return self._where((self.gt_ids > 0) & (self.pred_ids > 0))

    def swapped(self) -> "ContingencyTable":
        """Ground truth and prediction in each other's place."""
        return ContingencyTable(self.pred_ids, self.gt_ids, self.counts)

    def _where(self, keep: NDArray[np.bool_]) -> "ContingencyTable":
        """Some of the cells; they are in order already, so nothing is sorted."""
        part = object.__new__(ContingencyTable)
        for name in ("gt_ids", "pred_ids", "counts"):
            array = getattr(self, name)[keep]
            array.setflags(write=False)
            object.__setattr__(part, name, array)
        return part


def side_by_side(tables: Iterable[ContingencyTable]) -> ContingencyTable:
    """One table of several volumes, where one id is two objects in two of them: ids are numbered anew, 0 stays."""
    joined, gt_from, pred_from = ContingencyTable.empty(), 1, 1
    parts: list[ContingencyTable] = []
    for table in tables:
        parts.append(ContingencyTable(_renumbered(table.gt, gt_from), _renumbered(table.pred, pred_from), table.counts))
        gt_from += table.gt.ids.size
        pred_from += table.pred.ids.size
    return reduce(add, parts, joined)


def check_pair(gt: Any, pred: Any) -> None:
    """Two label volumes that can be compared voxel by voxel (anything with a shape and a dtype).

    Raises:
        ValueError: shapes that differ, no voxels, or types that are not integers'.
    """
    if tuple(gt.shape) != tuple(pred.shape):
        raise ValueError(
            f"the ground truth has shape {tuple(gt.shape)}, the prediction {tuple(pred.shape)}; "
            "cut both to the same box, or score at one resolution"
        )
    if 0 in gt.shape:
        raise ValueError(f"both volumes are empty, shape {tuple(gt.shape)}; there is nothing to score")
    PairCounter(np.dtype(gt.dtype), np.dtype(pred.dtype))


def _shares(gt: NDArray[Any], pred: NDArray[Any], threads: int) -> list[list[tuple[NDArray[Any], NDArray[Any]]]]:
    """One list of pieces a thread: flat slices of contiguous arrays, slabs along the first axis of others."""
    if gt.flags.c_contiguous and pred.flags.c_contiguous:
        gt, pred = gt.reshape(-1), pred.reshape(-1)
        step = -(-gt.size // threads)
    else:
        step = max(1, _PIECE // max(1, gt.size // gt.shape[0]))
    pieces = [(gt[i : i + step], pred[i : i + step]) for i in range(0, gt.shape[0], step)]
    return [pieces[k::threads] for k in range(threads)]


def _ordered(gt: NDArray[np.uint64], pred: NDArray[np.uint64], counts: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
    """Sorted by `(gt, pred)`, equal pairs summed."""
    if not gt.shape == pred.shape == counts.shape or gt.ndim != 1:
        raise ValueError(
            f"gt ids {gt.shape}, pred ids {pred.shape} and counts {counts.shape} are not lists of one length"
        )
    if np.any(counts <= 0):
        raise ValueError(f"a count of {int(counts.min())} voxels; cells of a table hold 1 or more")
    order = np.lexsort((pred, gt))
    gt, pred, counts = gt[order], pred[order], counts[order]
    if gt.size == 0:
        return gt, pred, counts
    first = np.flatnonzero(np.concatenate([[True], (gt[1:] != gt[:-1]) | (pred[1:] != pred[:-1])]))
    return gt[first], pred[first], np.add.reduceat(counts, first)


def _marginal(ids: NDArray[np.uint64], counts: NDArray[np.int64]) -> Marginal:
    unique, place = np.unique(ids, return_inverse=True)
    sizes = np.zeros(unique.size, np.int64)
    np.add.at(sizes, place, counts)
    return Marginal(unique, sizes, place)


def _renumbered(side: Marginal, start: int) -> NDArray[np.uint64]:
    new = np.arange(start, start + side.ids.size, dtype=np.uint64)
    new[side.ids == 0] = 0
    return new[side.place]
