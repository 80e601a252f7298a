"""Skeletons of neurites, and reading them from SWC files."""

import os
from dataclasses import dataclass
from pathlib import Path

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
