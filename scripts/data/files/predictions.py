"""Read a network's output, (channels, z, y, x), from HDF5, Zarr or .npy: only the box that is asked for."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scripts.ops.box import Box


class Prediction:
    """An open prediction; nothing is read but what `read` is given.

    Attributes:
        shape: (channels, z, y, x); a 3-D array is one channel.
        dtype: as stored.
        chunks: (z, y, x) voxels of a chunk, or None.
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

    def read(self, box: Box, channels: int | None = None) -> np.ndarray:
        """(channels, z, y, x) of a box in native byte order, a fresh array; the first `channels`, all by default."""
        index = box.slices if self._array.ndim == 3 else (slice(0, channels), *box.slices)
        found = np.asarray(self._array[index])
        copied = isinstance(self._array, np.ndarray) or None
        found = np.array(found, dtype=found.dtype.newbyteorder("="), order="C", copy=copied)
        return found[None] if self._array.ndim == 3 else found


@contextmanager
def open_prediction(path: str | os.PathLike[str]) -> Iterator[Prediction]:
    """Open `file.h5:dataset` (`file.h5` if it has one array of 4 or 3 axes), `x.zarr`, `x.zarr:array` or `x.npy`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a prediction, or several arrays to choose from.
    """
    file, _, name = str(path).partition(":")
    if not Path(file).exists():
        raise FileNotFoundError(f"prediction '{file}' does not exist")
    if file.endswith((".h5", ".hdf5", ".hdf")):
        with h5py.File(file, "r") as opened:
            yield Prediction(opened[_choose(file, _arrays(opened), name)], str(path))
    elif file.rstrip("/").endswith(".zarr"):
        import zarr

        found = zarr.open(file, mode="r")
        if not isinstance(found, zarr.Array):
            arrays = {key: array.ndim for key, array in found.arrays()}
            if name:
                arrays[name] = 4
            found = found[_choose(file, arrays, name)]
        yield Prediction(found, str(path))
    elif file.endswith(".npy"):
        yield Prediction(np.load(file, mmap_mode="r"), str(path))
    else:
        raise ValueError(f"prediction '{file}' is none of .h5, .hdf5, .zarr, .npy")


def read_prediction(path: str | os.PathLike[str], box: str | Box | None = None) -> tuple[np.ndarray, Box]:
    """The prediction in the box, as stored (native byte order), and the box.

    Args:
        path: as in `open_prediction`.
        box: z0:z1,y0:y1,x0:x1; the whole volume by default.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a prediction, several arrays to choose from, or a box outside the volume.
    """
    with open_prediction(path) as prediction:
        part = Box.parse(box, prediction.shape[1:])
        return prediction.read(part), part


def _arrays(file: h5py.File) -> dict[str, int]:
    found: dict[str, int] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item.ndim

    file.visititems(visit)
    return found


def _choose(file: str, arrays: dict[str, int], name: str) -> str:
    if name:
        if name.strip("/") not in arrays:
            raise ValueError(f"'{file}' has no array '{name}'; it has: {', '.join(arrays) or 'none'}")
        return name.strip("/")
    for axes in (4, 3):
        fitting = [key for key, ndim in arrays.items() if ndim == axes]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise ValueError(f"'{file}' holds several arrays, {', '.join(fitting)}; name one: {file}:{fitting[0]}")
    raise ValueError(f"'{file}' holds no array of 4 axes (channels, z, y, x) nor of 3; it has: {arrays or 'none'}")
