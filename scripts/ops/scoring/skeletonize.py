"""Draw skeletons through the objects of a label volume: cheapest paths that keep to the middle."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from scripts.ops.scoring.skeletons import Skeleton

_STEEP, _POWER = 5000.0, 16  # price of a voxel at the surface beside one in the middle, and how fast it falls
_STRIDE = 4  # a path clears balls every quarter of their radius


def skeletons_from_labels(
    labels: NDArray[Any],
    voxel_size_nm: Sequence[float],
    *,
    min_voxels: int = 1000,
    scale: float = 1.5,
    reach_nm: float = 150.0,
) -> Iterator[Skeleton]:
    """Draw one skeleton through every object of (z, y, x) labels, in the order of their ids.

    After TEASAR (Sato et al. 2000, 10.1109/PCCGA.2000.883951): from a root at an end of the object cheapest paths
    run to all its voxels, dear near the surface; the longest path becomes a branch and clears the object around it,
    and so on until nothing is left. There are no loops. An object in several parts (26-connected) gives one skeleton of
    several trees. Memory: some 50 bytes a voxel of the largest object's bounding box.

    Args:
        labels: non-negative integers; 0 is nothing.
        voxel_size_nm: (z, y, x).
        min_voxels: smaller objects have no skeleton.
        scale, reach_nm: a branch clears `scale` times the distance to the surface plus `reach_nm` around itself; larger
            values leave out shorter twigs.
    """
    from scipy.ndimage import distance_transform_edt, find_objects

    voxel = np.asarray(voxel_size_nm, np.float64)
    ids, dense = np.unique(labels, return_inverse=True)
    dense = dense.reshape(labels.shape) + int(ids[0] != 0)  # objects from 1 on, 0 stays
    ids = ids[ids != 0]
    sizes = np.bincount(dense.reshape(-1), minlength=ids.size + 1)
    for k, part in enumerate(find_objects(dense), 1):
        if part is None or sizes[k] < min_voxels:
            continue
        inside = np.pad(dense[part] == k, 1)
        depth = distance_transform_edt(inside, sampling=voxel)
        nodes, parents = _branches(depth, voxel, scale, reach_nm)
        corner = np.array([cut.start for cut in part]) - 1
        places = (np.stack(np.unravel_index(nodes, inside.shape), axis=1) + corner + 0.5) * voxel
        joined = np.flatnonzero(parents >= 0)
        yield Skeleton(int(ids[k - 1]), places, np.stack([joined, parents[joined]], axis=1))


def _branches(
    depth: NDArray[np.float64], voxel: NDArray[np.float64], scale: float, reach: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flat places of the skeleton's voxels, and for each the number of the node it hangs on, -1 for a root.

    `depth` is the distance to the surface in nm, 0 outside, with an empty rim.
    """
    flat = depth.reshape(-1)
    price = 1.0 + _STEEP * (1.0 - flat / (1.01 * flat.max())) ** _POWER
    cost = np.full(flat.size, np.inf)
    length = np.zeros(flat.size)  # nm along the cheapest path to the root
    before = np.full(flat.size, -1)
    node = np.full(flat.size, -1)
    reached = np.zeros(flat.size, np.bool_)
    clear = np.zeros(flat.size, np.bool_)
    steps, lengths = _neighbours(depth.shape, voxel)
    nodes: list[NDArray[np.int64]] = []
    parents: list[NDArray[np.int64]] = []
    total = 0
    for first in np.flatnonzero(flat > 0).tolist():
        if reached[first]:
            continue
        part = _wave(first, flat, steps, reached)
        root = int(part[-1])  # farthest from any voxel of the part: an end of it
        _paths(root, flat, steps, lengths, price, cost, length, before)
        clear[part] = False  # balls of other parts may have reached over
        tips = part[np.lexsort((part, -length[part]))]
        places, hang = _trace(root, tips, depth, voxel, scale, reach, length, before, node, clear, total)
        nodes.append(places)
        parents.append(hang)
        total += places.size
    return np.concatenate(nodes), np.concatenate(parents)


def _neighbours(shape: tuple[int, ...], voxel: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Flat steps to the 26 neighbours and their lengths in nm."""
    around = np.array([step for step in product((-1, 0, 1), repeat=3) if any(step)])
    flat = (around[:, 0] * shape[1] + around[:, 1]) * shape[2] + around[:, 2]
    return flat, np.linalg.norm(around * voxel, axis=1)


@numba.njit(cache=True)
def _wave(first: int, depth: Any, steps: Any, reached: Any) -> Any:
    """All voxels of the part of `first`, by their number of steps from it; marks them in `reached`."""
    part = np.empty(1024, np.int64)
    part[0] = first
    reached[first] = True
    size = 1
    at = 0
    while at < size:
        for k in range(steps.size):
            there = part[at] + steps[k]
            if depth[there] > 0 and not reached[there]:
                reached[there] = True
                if size == part.size:
                    part = np.concatenate((part, part))
                part[size] = there
                size += 1
        at += 1
    return part[:size].copy()


@numba.njit(cache=True)
def _paths(root: int, depth: Any, steps: Any, lengths: Any, price: Any, cost: Any, length: Any, before: Any) -> None:
    """Dijkstra's cheapest paths from `root`; fills `cost`, `length` and `before`.

    A binary heap of (cost, voxel), equal costs by the smaller voxel, in two arrays that grow.
    """
    keys = np.empty(1024)
    places = np.empty(1024, np.int64)
    keys[0] = 0.0
    places[0] = root
    size = 1
    cost[root] = 0.0
    length[root] = 0.0
    before[root] = -1
    while size:
        paid = keys[0]
        place = places[0]
        size -= 1
        key = keys[size]
        item = places[size]
        i = 0
        while 2 * i + 1 < size:  # the last one sinks from the top
            j = 2 * i + 1
            if j + 1 < size and (keys[j + 1] < keys[j] or (keys[j + 1] == keys[j] and places[j + 1] < places[j])):
                j += 1
            if key < keys[j] or (key == keys[j] and item <= places[j]):
                break
            keys[i] = keys[j]
            places[i] = places[j]
            i = j
        keys[i] = key
        places[i] = item
        if paid > cost[place]:
            continue
        for k in range(steps.size):
            there = place + steps[k]
            if depth[there] <= 0:
                continue
            total = paid + lengths[k] * price[there]
            if total >= cost[there]:
                continue
            cost[there] = total
            length[there] = length[place] + lengths[k]
            before[there] = place
            if size == keys.size:
                keys = np.concatenate((keys, keys))
                places = np.concatenate((places, places))
            i = size
            size += 1
            while i > 0:  # the new one rises from the bottom
                j = (i - 1) // 2
                if keys[j] < total or (keys[j] == total and places[j] <= there):
                    break
                keys[i] = keys[j]
                places[i] = places[j]
                i = j
            keys[i] = total
            places[i] = there


@numba.njit(cache=True)
def _trace(
    root: int,
    tips: Any,
    depth: Any,
    voxel: Any,
    scale: float,
    reach: float,
    length: Any,
    before: Any,
    node: Any,
    clear: Any,
    offset: int,
) -> Any:
    """Follow the paths of the tips not yet cleared back to the tree; numbers of nodes start at `offset`."""
    flat = depth.reshape(-1)
    nodes = np.empty(tips.size, np.int64)
    parents = np.empty(tips.size, np.int64)
    nodes[0] = root
    parents[0] = -1
    node[root] = offset
    size = 1
    _clear_ball(root, depth, voxel, scale * flat[root] + reach, clear)
    for tip in tips:
        if clear[tip] or node[tip] >= 0:
            continue
        place = tip
        cleared = np.inf
        while node[place] < 0:
            node[place] = offset + size
            nodes[size] = place
            parents[size] = offset + size + 1
            size += 1
            radius = scale * flat[place] + reach
            if cleared - length[place] >= radius / _STRIDE:
                _clear_ball(place, depth, voxel, radius * (1 + 1 / _STRIDE), clear)
                cleared = length[place]
            place = before[place]
        parents[size - 1] = node[place]
    return nodes[:size].copy(), parents[:size].copy()


@numba.njit(cache=True)
def _clear_ball(place: int, depth: Any, voxel: Any, radius: float, clear: Any) -> None:
    """Mark all voxels within `radius` nm."""
    sections, rows, columns = depth.shape
    z = place // (rows * columns)
    y = place // columns % rows
    x = place % columns
    for k in range(max(0, z - int(radius / voxel[0])), min(sections, z + int(radius / voxel[0]) + 1)):
        for j in range(max(0, y - int(radius / voxel[1])), min(rows, y + int(radius / voxel[1]) + 1)):
            rest = radius**2 - ((k - z) * voxel[0]) ** 2 - ((j - y) * voxel[1]) ** 2
            if rest >= 0:
                width = int(np.sqrt(rest) / voxel[2])
                start = (k * rows + j) * columns
                clear[start + max(0, x - width) : start + min(columns, x + width + 1)] = True
