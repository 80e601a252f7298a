"""Number the connected pieces of a mask or of equal labels, in one scan: 6 or 26 neighbours."""

import numba
import numpy as np


def connected_components(mask: np.ndarray, neighbours: int = 26) -> tuple[np.ndarray, int]:
    """(z, y, x) bool or uint8 mask to (pieces 1, 2, ... in the order of their first voxel, how many).

    uint32 below 2^31 voxels, uint64 from there on.

    Raises:
        ValueError: a mask that is not 3-D, or neighbours other than 6 or 26.
    """
    mask = np.ascontiguousarray(mask)
    if mask.ndim != 3 or mask.dtype.itemsize != 1:
        raise ValueError(f"a mask is 3-D bool or uint8, not {mask.ndim}-D {mask.dtype}")
    if neighbours not in (6, 26):
        raise ValueError(f"{neighbours} neighbours; there are 6 (faces) and 26 (faces, edges, corners)")
    filled = mask if mask.dtype == bool else mask != 0
    pieces = _pieces(filled)
    count = _join_rows(filled.view(np.uint8), pieces, neighbours == 26)
    return pieces, int(count)


def label_components(labels: np.ndarray, smallest: int = 1) -> int:
    """Renumber the 6-connected components of equal non-zero label, in place; ids follow the first voxel in scan order.

    Args:
        labels: (z, y, x) unsigned integers, C-contiguous; 0 is background. Overwritten with 1 ... n.
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
    pieces = _pieces(labels)
    count = int(_join_rows(labels, pieces, False))
    kept = drop_small(pieces, count, smallest)
    if kept > np.iinfo(labels.dtype).max:
        raise ValueError(f"{kept} components do not fit {labels.dtype}; give labels of a wider type, such as uint32")
    labels[...] = pieces
    return kept


def sizes_of(labels: np.ndarray, count: int) -> np.ndarray:
    """Voxels of ids 0..count; int64 of length count + 1."""
    return _sizes(labels.reshape(-1), count)


def renumber(labels: np.ndarray, numbers: np.ndarray) -> None:
    """Replace every id by numbers[id], in place."""
    _renumber(labels.reshape(-1), numbers.astype(labels.dtype))


def drop_small(labels: np.ndarray, count: int, smallest: int) -> int:
    """Set ids 1..count with fewer than `smallest` voxels (at least 1) to 0 and close the gaps, in place, order kept;
    return how many are left."""
    sizes = sizes_of(labels, count)
    keep = sizes >= max(1, smallest)
    keep[0] = False
    renumber(labels, np.where(keep, np.cumsum(keep), 0))
    return int(keep.sum())


def _pieces(labels: np.ndarray) -> np.ndarray:
    return np.empty(labels.shape, dtype=np.uint64 if labels.size >= 2**31 else np.uint32)


@numba.njit(cache=True, nogil=True)
def _join_rows(labels, pieces, corners):  # type: ignore[no-untyped-def]
    # While scanning, pieces holds 1 + the index of another voxel of the piece (its own: a root, the lowest index).
    nz, ny, nx = labels.shape
    parent = pieces.reshape(-1)
    for z in range(nz):
        for y in range(ny):
            row = (z * ny + y) * nx
            for x in range(nx):
                v = row + x
                here = labels[z, y, x]
                if here == 0:
                    parent[v] = 0
                    continue
                inside = x > 0 and labels[z, y, x - 1] == here
                parent[v] = _root(parent, v - 1) + 1 if inside else v + 1
                if not corners:
                    if y > 0 and labels[z, y - 1, x] == here:
                        _join(parent, v, v - nx)
                    if z > 0 and labels[z - 1, y, x] == here:
                        _join(parent, v, v - ny * nx)
                    continue
                # Neighbours of the voxel before have been joined already; so have those of the voxel one section up.
                for u in range(x + 1 if inside else max(0, x - 1), min(nx, x + 2)):
                    if z > 0 and labels[z - 1, y, u] == here:
                        _join(parent, v, v - ny * nx - x + u)
                        continue
                    if y > 0 and labels[z, y - 1, u] == here:
                        _join(parent, v, v - nx - x + u)
                    if z > 0 and y > 0 and labels[z - 1, y - 1, u] == here:
                        _join(parent, v, v - ny * nx - nx - x + u)
                    if z > 0 and y + 1 < ny and labels[z - 1, y + 1, u] == here:
                        _join(parent, v, v - ny * nx + nx - x + u)
    count = 0
    for v in range(parent.size):
        # Roots come first in their piece, so their number is ready when the others ask for it.
        if parent[v] == v + 1:
            count += 1
            parent[v] = count
        elif parent[v]:
            parent[v] = parent[np.int64(parent[v]) - 1]
    return count


@numba.njit(cache=True, nogil=True, inline="always")
def _join(parent, v, u):  # type: ignore[no-untyped-def]
    if parent[v] != parent[u]:
        a, b = _root(parent, v), _root(parent, u)
        if a < b:
            parent[b] = a + 1
        elif b < a:
            parent[a] = b + 1


@numba.njit(cache=True, nogil=True)
def _root(parent, v):  # type: ignore[no-untyped-def]
    up = np.int64(parent[v]) - 1
    while up != v:
        above = np.int64(parent[up]) - 1
        parent[v] = above + 1
        v = above
        up = np.int64(parent[v]) - 1
    return v


@numba.njit(cache=True, nogil=True)
def _sizes(labels, count):  # type: ignore[no-untyped-def]
    sizes = np.zeros(count + 1, dtype=np.int64)
    for v in range(labels.size):
        sizes[labels[v]] += 1
    return sizes


@numba.njit(cache=True, nogil=True)
def _renumber(labels, numbers):  # type: ignore[no-untyped-def]
    for v in range(labels.size):
        labels[v] = numbers[labels[v]]
