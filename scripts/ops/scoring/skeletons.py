"""Skeletons of neurites."""

from dataclasses import dataclass

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
            wrong = edges.min() if edges.min() < 0 else edges.max()
            raise ValueError(f"skeleton {self.id}: an edge names node {wrong}, but there are {len(nodes)}, from 0 on")
        object.__setattr__(self, "nodes_nm", nodes)
        object.__setattr__(self, "edges", edges)

    @property
    def edge_lengths_nm(self) -> NDArray[np.float64]:
        """(m,) straight lengths of the edges."""
        ends = self.nodes_nm[self.edges]
        return np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)
