"""Steps from the voxels of a plateau to its nearest exit, as lists of voxels with the rows of their neighbours."""

import numba
import numpy as np

FAR = np.int64(2**62)
"""Distance of a voxel from which no exit is known yet."""


def relax(distances: np.ndarray, around: np.ndarray) -> None:
    """Shorten distances along the edges until nothing changes, in place.

    Args:
        distances: (rows,) int64; rows beyond those of `around` stay as they are.
        around: (own rows, 6) row of the neighbour in directions -z -y -x +x +y +z, -1 for none.
    """
    _relax(distances, around)


def parents_by_distance(around: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """For each row the neighbour of lowest index at distance - 1; -1 for exits and where no exit is reached."""
    parents = np.full(len(around), -1, dtype=np.int64)
    _choose(around, distances, parents)
    return parents


@numba.njit(cache=True, nogil=True)
def _relax(distances, around):  # type: ignore[no-untyped-def]
    own = around.shape[0]
    layer = np.empty(max(16, own), dtype=np.int64)
    waiting = np.zeros(own, dtype=np.bool_)
    found = 0
    for i in range(own):
        for d in range(6):
            u = around[i, d]
            if u >= 0 and distances[u] + 1 < distances[i]:
                distances[i] = distances[u] + 1
        if distances[i] < 2**62:
            layer[found] = i
            found += 1
            waiting[i] = True
    # Layers of a queue: a voxel that became nearer updates its neighbours, until none becomes nearer.
    following = np.empty_like(layer)
    while found:
        count = 0
        for k in range(found):
            waiting[layer[k]] = False
        for k in range(found):
            i = layer[k]
            for d in range(6):
                u = around[i, d]
                if 0 <= u < own and distances[i] + 1 < distances[u]:
                    distances[u] = distances[i] + 1
                    if not waiting[u]:
                        waiting[u] = True
                        following[count] = u
                        count += 1
        layer, following = following, layer
        found = count


@numba.njit(cache=True, nogil=True)
def _choose(around, distances, parents):  # type: ignore[no-untyped-def]
    for i in range(around.shape[0]):
        if distances[i] == 0 or distances[i] >= 2**62:
            continue
        for d in range(6):
            u = around[i, d]
            if u >= 0 and distances[u] == distances[i] - 1:
                parents[i] = u
                break
