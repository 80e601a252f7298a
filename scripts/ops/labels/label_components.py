"""Split labels into connected components: an id in two places becomes two ids."""

import numpy as np
from numba import njit

from scripts.ops.union_find import find_root


def label_components(labels: np.ndarray, smallest: int = 1) -> int:
    """Renumber the 6-connected components of equal non-zero label, in place; ids follow the first voxel in scan order.

    Works on runs of equal label along x, so it needs memory for the runs and not for another volume.

    Args:
        labels: (Z, Y, X) unsigned integers, C-contiguous; 0 is background. Overwritten with 1 ... n.
        smallest: components of fewer voxels become 0.

    Returns:
        n, the number of components kept.

    Raises:
        ValueError: not a C-contiguous 3D array of unsigned integers, or more components than its type can number.
    """
    if labels.ndim != 3 or labels.dtype.kind != "u" or not labels.flags.c_contiguous:
        raise ValueError(
            f"labels are {labels.dtype} of shape {labels.shape}; "
            "give a C-contiguous (z, y, x) array of unsigned integers: numpy.ascontiguousarray(labels, 'uint32')"
        )
    rows = labels.reshape(-1, labels.shape[2])
    runs_before = np.zeros(len(rows) + 1, np.int64)
    _count_runs(rows, runs_before)
    np.cumsum(runs_before, out=runs_before)
    total = int(runs_before[-1])
    start, stop, parent = np.empty(total, np.int32), np.empty(total, np.int32), np.arange(total)
    _join_runs(rows, labels.shape[1], runs_before, start, stop, parent)
    kept = int(_number_runs(start, stop, parent, smallest))
    if kept > np.iinfo(labels.dtype).max:
        raise ValueError(f"{kept} components do not fit {labels.dtype}; give labels of a wider type, such as uint32")
    _write_runs(rows, runs_before, start, stop, parent)
    return kept


@njit(cache=True, nogil=True)
def _count_runs(rows: np.ndarray, counts: np.ndarray) -> None:
    for row in range(rows.shape[0]):
        before = 0
        for x in range(rows.shape[1]):
            here = rows[row, x]
            if here != before and here != 0:
                counts[row + 1] += 1
            before = here


@njit(cache=True, nogil=True)
def _join_runs(
    rows: np.ndarray, height: int, runs_before: np.ndarray, start: np.ndarray, stop: np.ndarray, parent: np.ndarray
) -> None:
    width = rows.shape[1]
    for row in range(rows.shape[0]):
        run, before = runs_before[row] - 1, 0
        for x in range(width):
            here = rows[row, x]
            if here != before and here != 0:
                run += 1
                start[run] = x
            if here != 0:
                stop[run] = x + 1
            before = here
        for back in (1, height):  # the row before in this section, the same row in the section before
            if row - back < 0 or (back == 1 and row % height == 0):
                continue
            other, last = runs_before[row - back], runs_before[row - back + 1]
            for run in range(runs_before[row], runs_before[row + 1]):
                while other < last and stop[other] <= start[run]:
                    other += 1
                over = other
                while over < last and start[over] < stop[run]:
                    if rows[row, start[run]] == rows[row - back, start[over]]:
                        one, two = find_root(parent, run), find_root(parent, over)
                        parent[max(one, two)] = min(one, two)
                    over += 1


@njit(cache=True, nogil=True)
def _number_runs(start: np.ndarray, stop: np.ndarray, parent: np.ndarray, smallest: int) -> int:
    """Turn `parent` into final ids; returns how many."""
    size = np.zeros(parent.size, np.int64)
    for run in range(parent.size):
        parent[run] = find_root(parent, run)
        size[parent[run]] += stop[run] - start[run]
    kept = 0
    for run in range(parent.size):  # a root comes before its runs
        if parent[run] == run:
            if size[run] >= smallest:
                kept += 1
                size[run] = kept
            else:
                size[run] = 0
    for run in range(parent.size):
        parent[run] = size[parent[run]]
    return kept


@njit(cache=True, nogil=True)
def _write_runs(
    rows: np.ndarray, runs_before: np.ndarray, start: np.ndarray, stop: np.ndarray, ids: np.ndarray
) -> None:
    for row in range(rows.shape[0]):
        for run in range(runs_before[row], runs_before[row + 1]):
            for x in range(start[run], stop[run]):
                rows[row, x] = ids[run]
