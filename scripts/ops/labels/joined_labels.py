"""Labels of many blocks that are linked across faces, joined to the labels of the volume."""

from collections.abc import Iterable

import numba
import numpy as np

from scripts.ops.union_find import find_root


def joined_labels(links: Iterable[np.ndarray], roots: np.ndarray) -> tuple[np.ndarray, int]:
    """Join labels 0, 1, ... by links and number what comes out 1, 2, ... in the order of the lowest root.

    Memory: 32 bytes a label, with the 8 of its root, beside one array of links.

    Args:
        links: arrays of (2, pairs) labels that are the same.
        roots: (labels,) int64; what a joined label is ordered by is the lowest root of its labels. No two joined labels
            have the same. Used up.

    Returns:
        The number of each label, uint32 (int64 from 2^32 - 1 labels on), and how many numbers there are.
    """
    parent = np.arange(roots.size, dtype=np.uint32 if roots.size < 2**32 - 1 else np.int64)
    for part in links:
        _join(parent, roots, part)
    tops = _tops(parent)
    order = np.argsort(roots[tops])
    _number(parent, tops, order)
    return parent, tops.size


def joined_members(count: int, links: Iterable[np.ndarray]) -> np.ndarray:
    """(count,) the lowest of the members 0, 1, ... that each is joined with by (2, pairs) links."""
    parent = np.arange(count)
    unused = np.zeros(count, dtype=np.int64)
    for part in links:
        _join(parent, unused, part)
    _tops(parent)
    return parent


@numba.njit(cache=True, nogil=True)
def _join(parent, lowest, links):  # type: ignore[no-untyped-def]
    for i in range(links.shape[1]):
        a, b = find_root(parent, links[0, i]), find_root(parent, links[1, i])
        if a != b:
            parent[max(a, b)] = min(a, b)
            lowest[min(a, b)] = min(lowest[a], lowest[b])


@numba.njit(cache=True, nogil=True)
def _tops(parent):  # type: ignore[no-untyped-def]
    """The labels that are their own parents; every other label gets its own."""
    count = 0
    for label in range(parent.size):
        parent[label] = find_root(parent, label)
        count += parent[label] == label
    tops = np.empty(count, dtype=parent.dtype)
    count = 0
    for label in range(parent.size):
        if parent[label] == label:
            tops[count] = label
            count += 1
    return tops


@numba.njit(cache=True, nogil=True)
def _number(parent, tops, order):  # type: ignore[no-untyped-def]
    """Replace every parent by its number; a parent comes before its labels, and is noted as its place in `order`."""
    number = np.empty(order.size, dtype=parent.dtype)
    for i in range(order.size):
        number[order[i]] = i + 1
    top = 0
    for label in range(parent.size):
        if parent[label] == label:
            parent[label] = number[top]
            top += 1
        else:
            parent[label] = parent[np.int64(parent[label])]
