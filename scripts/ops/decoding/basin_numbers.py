"""Rule 4 of the watershed: every voxel gets the number of the regional maximum that its path ends in.

A path is the chain of parents of `steepest_ascent`. Works in place: parents become numbers.
"""

import numba
import numpy as np

from scripts.ops.decoding.open_plateaus import appended, row_of, stride_at_faces, with_room


def numbered(
    codes: np.ndarray, parent: np.ndarray, top: np.unsignedinteger, shape: np.ndarray, bounds: np.ndarray
) -> np.ndarray:
    """Turn the parents of the block into numbers, in place; return the ends of paths by their numbers.

    The top bit marks a number, as opposed to a parent, until all are found. Ends outside the block come last.
    """
    inside = _number_roots(codes, parent, top, shape, bounds)
    outside = parent[:0]
    if bounds.tolist() != [0, shape[0], 0, shape[1], 0, shape[2]]:
        outside = _number_outside(parent, top, shape, bounds, inside.size)
    _follow(parent, top, shape, bounds)
    return np.concatenate([inside, outside])


@numba.njit(cache=True, nogil=True)
def _number_roots(codes, parent, top, shape, bounds):  # type: ignore[no-untyped-def]
    """Number the roots of the block, and 0 for its background."""
    found = np.int64(0)
    ends = np.empty(1024, dtype=parent.dtype)
    hits = np.empty(shape[2], dtype=np.int64)
    for line in range(shape[0] * shape[1]):
        first, stop = row_of(line, shape, bounds)
        count = 0
        for v in range(first, stop):  # no branch: which way is hard to predict
            hits[count] = v
            count += (parent[v] == v) & (codes[v] != 0)
            parent[v] = parent[v] if codes[v] else top
        ends = with_room(ends, found + count)
        ends[found : found + count] = hits[:count]
        for i in range(count):
            parent[hits[i]] = top | parent.dtype.type(found + i + 1)
        found += count
    return ends[:found]


@numba.njit(cache=True, nogil=True)
def _number_outside(parent, top, shape, bounds, count):  # type: ignore[no-untyped-def]
    """Number the voxels outside the block that paths lead to, from voxels at its faces; each is its own parent."""
    found = np.int64(0)
    ends = np.empty(1024, dtype=parent.dtype)
    for line in range(shape[0] * shape[1]):
        first, stop = row_of(line, shape, bounds)
        for v in range(first, stop, stride_at_faces(line, shape, bounds)):
            end = np.int64(parent[v])
            if not parent[v] & top and parent[end] == end:
                ends = appended(ends, found, end)
                found += 1
                parent[end] = top | parent.dtype.type(count + found)
    return ends[:found]


@numba.njit(cache=True, nogil=True)
def _follow(parent, top, shape, bounds):  # type: ignore[no-untyped-def]
    """Give every voxel of the block the number that its path ends at."""
    for line in range(shape[0] * shape[1]):
        first, stop = row_of(line, shape, bounds)
        for v in range(first, stop):
            if parent[v] & top:
                continue
            end = np.int64(v)
            while not parent[end] & top:
                end = np.int64(parent[end])
            number = parent[end]
            u = np.int64(v)
            while u != end:
                after = np.int64(parent[u])
                parent[u] = number
                u = after
    for line in range(shape[0] * shape[1]):
        first, stop = row_of(line, shape, bounds)
        row = parent[first:stop]
        for x in range(row.size):
            row[x] ^= top
