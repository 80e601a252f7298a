"""The root of a tree of voxels or segments: what the kernels that join things share."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def find_root(parent, member):  # type: ignore[no-untyped-def]
    """The member of `parent`, any integers, that is its own parent; halves the way there for the next to ask."""
    while parent[member] != member:
        parent[member] = parent[np.int64(parent[member])]
        member = np.int64(parent[member])
    return np.int64(member)
