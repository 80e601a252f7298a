"""Skeletons of neurites: read from SWC files, or drawn through the objects of a label volume."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A graph in space that stands for one neurite.

    Attributes:
        id: number or name of the neurite.
        nodes_nm: (n, 3) float64, positions (z, y, x) in nm; voxel (0, 0, 0) is the cube from 0 to one voxel size.
        edges: (m, 2) int64, places in `nodes_nm`.

    Raises:
        ValueError: arrays of another shape, or an edge to a node that is not there.
    """

    id: int | str
    nodes_nm: NDArray[np.float64]
    edges: NDArray[np.int64]

    def __post_init__(self) -> None:
        nodes = np.asarray(self.nodes_nm, np.float64).reshape(-1, 3)
        edges = np.asarray(self.edges, np.int64).reshape(-1, 2)
        if edges.size and not 0 <= edges.min() <= edges.max() < len(nodes):
            raise ValueError(f"skeleton {self.id}: an edge names node {edges.max()}, but there are {len(nodes)} nodes")
        object.__setattr__(self, "nodes_nm", nodes)
        object.__setattr__(self, "edges", edges)

    @property
    def edge_lengths_nm(self) -> NDArray[np.float64]:
        """(m,) straight lengths of the edges."""
        ends = self.nodes_nm[self.edges]
        return np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)


def read_swc(path: str | os.PathLike[str], unit_nm: float = 1.0) -> Skeleton:
    """Read one SWC file (columns: node, type, x, y, z, radius, parent; -1 for a root; `#` starts a remark).

    Args:
        path: the file; its name without ending is the skeleton's id (a number where it is one).
        unit_nm: nm in one unit of the file's coordinates: 1 for nm, 1000 for micrometres.

    Raises:
        ValueError: a line that is not seven numbers, a parent that is not there, or a node given twice.
        OSError: the file cannot be read.
    """
    path = Path(path)
    numbers, places, parents = [], [], []
    for line, text in enumerate(path.read_text().splitlines(), 1):
        words = text.split("#", 1)[0].split()
        if not words:
            continue
        try:
            node, _, x, y, z, _, parent = words
            numbers.append(int(node))
            places.append((float(z), float(y), float(x)))
            parents.append(int(parent))
        except ValueError:
            raise ValueError(
                f"{path}, line {line}: '{text.strip()}' is not SWC (node type x y z radius parent)"
            ) from None
    place = {number: k for k, number in enumerate(numbers)}
    if len(place) != len(numbers):
        raise ValueError(f"{path}: a node number is given twice")
    missing = [parent for parent in parents if parent >= 0 and parent not in place]
    if missing:
        raise ValueError(f"{path}: parent {missing[0]} is not among the {len(numbers)} nodes")
    edges = [(k, place[parent]) for k, parent in enumerate(parents) if parent >= 0]
    name = path.stem
    return Skeleton(int(name) if name.isdigit() else name, np.array(places) * unit_nm, np.array(edges))


def skeletons_from_labels(
    labels: NDArray[Any], voxel_size_nm: Sequence[float], *, min_voxels: int = 1000, prune_nm: float = 0.0
) -> Iterator[Skeleton]:
    """Draw one skeleton through every object of (z, y, x) labels, in the order of their ids.

    Lee's thinning (scikit-image) of the object, neighbours of 26 joined by a minimum spanning tree of nm lengths, so
    that there are no loops. An object in several parts gives one skeleton of several trees. Thinning counts
    voxels, not nm: it is meant for measuring length, not shape.

    Args:
        labels: non-negative integers; 0 is nothing.
        voxel_size_nm: (z, y, x).
        min_voxels: smaller objects have no skeleton.
        prune_nm: end branches shorter than this are cut off, but never the whole tree.
    """
    from scipy.ndimage import find_objects
    from skimage.morphology import skeletonize

    voxel = np.asarray(voxel_size_nm, np.float64)
    ids, dense = np.unique(labels, return_inverse=True)
    dense = dense.reshape(labels.shape) + int(ids[0] != 0)  # objects from 1 on, 0 stays
    ids = ids[ids != 0]
    sizes = np.bincount(dense.reshape(-1), minlength=ids.size + 1)
    for k, part in enumerate(find_objects(dense), 1):
        if part is None or sizes[k] < min_voxels:
            continue
        inside = np.pad(dense[part] == k, 1)
        thin = np.argwhere(skeletonize(inside, method="lee")) - 1
        nodes = (thin + [cut.start for cut in part] + 0.5) * voxel
        tree = _spanning_tree(thin, voxel)
        yield _pruned(Skeleton(int(ids[k - 1]), nodes, tree), prune_nm)


def _spanning_tree(voxels: NDArray[np.int64], voxel_size_nm: NDArray[np.float64]) -> NDArray[np.int64]:
    """Edges of the minimum spanning forest of voxels that touch by face, edge or corner."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial import cKDTree

    if len(voxels) < 2:
        return np.empty((0, 2), np.int64)
    pairs = cKDTree(voxels).query_pairs(1.0, p=np.inf, output_type="ndarray")
    lengths = np.linalg.norm((voxels[pairs[:, 0]] - voxels[pairs[:, 1]]) * voxel_size_nm, axis=1)
    graph = coo_array((lengths, (pairs[:, 0], pairs[:, 1])), shape=(len(voxels), len(voxels)))
    tree = minimum_spanning_tree(graph.tocsr()).tocoo()
    return np.stack([tree.row, tree.col], axis=1).astype(np.int64)


def _pruned(skeleton: Skeleton, length_nm: float) -> Skeleton:
    """Without the end branches (end to the next fork) that are shorter than `length_nm`."""
    if length_nm <= 0 or not len(skeleton.edges):
        return skeleton
    neighbours: list[dict[int, float]] = [{} for _ in skeleton.nodes_nm]
    for (a, b), length in zip(skeleton.edges.tolist(), skeleton.edge_lengths_nm.tolist(), strict=True):
        neighbours[a][b] = neighbours[b][a] = length
    for end in [k for k, around in enumerate(neighbours) if len(around) == 1]:
        branch, total = [end], 0.0
        while len(neighbours[branch[-1]]) == (1 if len(branch) == 1 else 2):
            step = next(k for k in neighbours[branch[-1]] if len(branch) < 2 or k != branch[-2])
            total += neighbours[branch[-1]][step]
            branch.append(step)
        if total < length_nm and len(neighbours[branch[-1]]) > 2:
            for a, b in pairwise(branch):
                del neighbours[a][b], neighbours[b][a]
    edges = [(a, b) for a, around in enumerate(neighbours) for b in around if a < b]
    used = sorted({k for edge in edges for k in edge})
    new = {old: k for k, old in enumerate(used)}
    return Skeleton(skeleton.id, skeleton.nodes_nm[used], np.array([(new[a], new[b]) for a, b in edges]))
