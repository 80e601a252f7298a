"""Labels of many blocks that are linked across faces, joined to the labels of the volume."""

import numba
import numpy as np

from scripts.ops.union_find import find_root


def joined_labels(links: np.ndarray, roots: np.ndarray) -> tuple[np.ndarray, int]:
    """Join labels 0, 1, ... by links and number what comes out 1, 2, ... in the order of the lowest root.

    Args:
        links: (2, pairs) labels that are the same.
        roots: (labels,) int64; what a joined label is ordered by is the lowest root of its labels. No two joined labels
            have the same.

    Returns:
        The number of each label, uint32 (uint64 from 2^32 on), and how many numbers there are.
    """
    parent = np.arange(roots.size, dtype=np.int64)
    lowest = roots.copy()
    _join(parent, lowest, links)
    tops = np.flatnonzero(parent == np.arange(roots.size))
    number = np.zeros(roots.size, dtype=np.uint32 if tops.size < 2**32 else np.uint64)
    number[tops[np.argsort(lowest[tops], kind="stable")]] = np.arange(1, tops.size + 1)
    return number[parent], tops.size


@numba.njit(cache=True, nogil=True)
def _join(parent, lowest, links):  # type: ignore[no-untyped-def]
    for i in range(links.shape[1]):
        a, b = find_root(parent, links[0, i]), find_root(parent, links[1, i])
        if a != b:
            parent[max(a, b)] = min(a, b)
            lowest[min(a, b)] = min(lowest[a], lowest[b])
    for a in range(parent.size):
        parent[a] = find_root(parent, a)
