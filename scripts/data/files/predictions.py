"""Read a network's output, (channels, z, y, x), from HDF5, Zarr or .npy: only the box that is asked for."""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scripts.ops.box import Box


def read_prediction(path: str | os.PathLike[str], box: str | Box | None = None) -> tuple[np.ndarray, Box]:
    """The prediction in the box, as stored (native byte order), and the box.

    A 3-D array is taken as one channel.

    Args:
        path: `file.h5:dataset` (`file.h5` if it holds one array of 4 or 3 axes), `x.zarr`, `x.zarr:array` or `x.npy`.
        box: z0:z1,y0:y1,x0:x1; the whole volume by default.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a prediction, several arrays to choose from, or a box outside the volume.
    """
    file, _, name = str(path).partition(":")
    if not Path(file).exists():
        raise FileNotFoundError(f"prediction '{file}' does not exist")
    if file.endswith((".h5", ".hdf5", ".hdf")):
        with h5py.File(file, "r") as opened:
            return _cut(opened[_choose(file, _arrays(opened), name)], path, box)
    if file.rstrip("/").endswith(".zarr"):
        import zarr

        found = zarr.open(file, mode="r")
        if isinstance(found, zarr.Array):
            return _cut(found, path, box)
        arrays = {key: array.ndim for key, array in found.arrays()}
        if name:
            arrays[name] = 4
        return _cut(found[_choose(file, arrays, name)], path, box)
    if file.endswith(".npy"):
        return _cut(np.load(file, mmap_mode="r"), path, box)
    raise ValueError(f"prediction '{file}' is none of .h5, .hdf5, .zarr, .npy")


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


def _cut(array: Any, path: str | os.PathLike[str], box: str | Box | None) -> tuple[np.ndarray, Box]:
    if array.ndim not in (3, 4):
        raise ValueError(f"'{path}' has shape {tuple(array.shape)}; a prediction has 4 axes (channels, z, y, x), or 3")
    part = Box.parse(box, array.shape[-3:])
    index = part.slices if array.ndim == 3 else (slice(None), *part.slices)
    found = np.asarray(array[index])
    found = np.array(found, dtype=found.dtype.newbyteorder("="), order="C", copy=isinstance(array, np.ndarray) or None)
    return (found[None] if array.ndim == 3 else found), part
