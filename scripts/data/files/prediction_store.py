"""The interface of every store of a prediction."""

from abc import ABC, abstractmethod

import numpy as np

Shape = tuple[int, int, int, int]
DATASET = "prediction"
"""Name of the array in an HDF5 file, and of the image in an OME-Zarr group."""


class PredictionStore(ABC):
    """An array on disk that is filled from the first section to the last, in blocks that span it in channels and x."""

    @abstractmethod
    def write(self, z: int, y: int, block: np.ndarray) -> None:
        """Write a block (C, z, y, x) with its first voxel at (z, y, 0).

        Raises:
            OSError: it cannot be written.
        """

    @abstractmethod
    def kept(self, sections: int) -> int:
        """Return how many sections are on disk when all blocks of the first `sections` were written."""

    def close(self) -> None:  # noqa: B027 - Zarr has nothing to close
        """Close the file."""
