"""Read a network's output, (channels, z, y, x), from any format that volumes are read from: only one box of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from scripts.data.volumes.open_array import open_array
from scripts.data.volumes.voxel_size import VoxelSize
from scripts.ops.box import Box, Offset3


class Prediction:
    """An open prediction; nothing is read but what `read` is given.

    Attributes:
        shape: (channels, z, y, x); a 3-D array is one channel.
        dtype: as stored.
        chunks: (z, y, x) voxels of a chunk, or None.
        voxel_size_nm: (z, y, x) in nm, where it is stated.
        offset: first voxel (z, y, x) in the volume that was predicted, 0 where none is stated.
    """

    def __init__(self, array: Any, path: str) -> None:
        if array.ndim not in (3, 4):
            raise ValueError(
                f"'{path}' has shape {tuple(array.shape)}; a prediction has 4 axes (channels, z, y, x), or 3"
            )
        self._array = array
        z, y, x = map(int, array.shape[-3:])
        self.shape = (int(array.shape[0]) if array.ndim == 4 else 1, z, y, x)
        self.dtype = np.dtype(array.dtype)
        chunks = getattr(array, "chunks", None)
        self.chunks = tuple(map(int, chunks[-3:])) if chunks else None
        self.voxel_size_nm: VoxelSize | None = getattr(array, "voxel_size_nm", None)
        z, y, x = map(round, getattr(array, "offset", None) or (0, 0, 0))
        self.offset: Offset3 = (z, y, x)

    def placement(self, box: Box) -> dict[str, Any]:
        """Attributes of an array that covers a box of the prediction: `offset` in the volume, and `resolution`."""
        z, y, x = (at + low for at, low in zip(self.offset, box.start, strict=True))
        size = {} if self.voxel_size_nm is None else {"resolution": self.voxel_size_nm}
        return {"offset": (z, y, x), **size}

    def read(self, box: Box, channels: int | slice | None = None) -> np.ndarray:
        """(channels, z, y, x) of a box in native byte order, a fresh array; the first `channels`, all by default."""
        chosen = channels if isinstance(channels, slice) else slice(0, channels)
        index = box.slices if self._array.ndim == 3 else (chosen, *box.slices)
        found = np.asarray(self._array[index])
        copied = isinstance(self._array, np.ndarray) or None
        found = np.array(found, dtype=found.dtype.newbyteorder("="), order="C", copy=copied)
        return found[None] if self._array.ndim == 3 else found


@contextmanager
def open_prediction(path: str | os.PathLike[str]) -> Iterator[Prediction]:
    """Open `file.h5:dataset` (`file.h5` if it has one array of 4 or 3 axes), `x.zarr`, `x.zarr:array`, `x.npy`, or
    whatever else `open_volume` takes.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a prediction, or several arrays to choose from.
    """
    with open_array(path, axes=(4, 3)) as array:
        yield Prediction(array, str(path))


def read_prediction(path: str | os.PathLike[str], box: str | Box | None = None) -> tuple[np.ndarray, Box]:
    """The prediction in the box, as stored (native byte order), and the box.

    Args:
        path: as in `open_prediction`.
        box: z0:z1,y0:y1,x0:x1; the whole volume by default.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a prediction, several arrays to choose from, or a box outside the volume.

    Example:
        >>> maps, box = read_prediction("maps.zarr", "0:8,:,:")
        >>> maps.shape
        (3, 8, 512, 512)
    """
    with open_prediction(path) as prediction:
        part = Box.parse(box, prediction.shape[1:])
        return prediction.read(part), part
