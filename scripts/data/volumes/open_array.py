"""The array that a path means, of any number of axes, to be sliced: what volumes and predictions are read from."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from scripts.data.volumes.damage import named_damage
from scripts.data.volumes.open import kind_of, open_volume, split_path
from scripts.data.volumes.stated_metadata import check_attributes, check_order, stated_axes
from scripts.data.volumes.volume import long_axes
from scripts.data.volumes.voxel_size import VoxelSize


@contextmanager
def open_array(path: str | os.PathLike[str], axes: tuple[int, ...]) -> Iterator[Any]:
    """An array with `shape`, `dtype` and slices, found by the rules that volumes are found by.

    Args:
        path: as `open_volume` takes it.
        axes: how many axes the array has, axes of length 1 left out; the first number that fits is taken.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: no such array, several to choose from, axes that it states to be in another order than (channels,)
            z, y, x, or attributes that change its values.
    """
    file, inner = split_path(os.fspath(path))
    kind, file = kind_of(file)
    if kind == "hdf5":
        from scripts.data.volumes.hdf5 import dimension_labels, position_of, voxel_size_of
        from scripts.data.volumes.lookup.hdf5_file import find_dataset, open_file

        with open_file(file) as opened:
            with named_damage(file, "HDF5 file"):
                dataset = find_dataset(opened, file, inner, axes)
            place = f"{file}:{dataset.name.lstrip('/')}"
            size = voxel_size_of(dataset, place)
            sliced = SlicedArray(dataset, axes, file, "HDF5 file", size, position_of(dataset, size, place))
            check_attributes(dataset.attrs, place)
            check_order(stated_axes(dict(dataset.attrs), dimension_labels(dataset)), dataset.shape, sliced.kept, place)
            yield sliced
    elif kind == "zarr":
        from scripts.data.volumes.lookup.zarr_nodes import check_has_chunks, find_array
        from scripts.data.volumes.zarr import offset_of_array, size_of_array

        name, array, level = find_array(file, inner, axes=axes)
        place = f"{file}:{name}" if name else file
        check_has_chunks(array, os.path.join(file, name), place)
        size = (level.voxel_size_nm if level is not None else None) or size_of_array(array, file, name, place)
        sliced = SlicedArray(array, axes, file, "Zarr folder", size, offset_of_array(array, file, name, size, place))
        check_attributes(array.attrs, place)
        named = stated_axes(array.attrs, getattr(array.metadata, "dimension_names", None))
        check_order(named if level is None else level.axes, array.shape, sliced.kept, place)
        yield sliced
    elif kind == "npy" and inner is None:
        from scripts.data.volumes.npy import map_npy

        yield SlicedArray(map_npy(file), axes, file, ".npy file")
    else:
        with open_volume(path) as volume:
            yield volume


class SlicedArray:
    """A view of a stored array without its axes of length 1 beside the ones that are wanted.

    Args:
        array: anything with a shape and slices.
        axes: numbers of axes that are wanted, the first that fits.
        path: of the file, for errors.
        kind: of the file, for errors.
        voxel_size_nm: (z, y, x) in nm, where the file states it.
        offset: position of the first voxel (z, y, x) in voxels of a larger volume, where the file states it.

    Attributes:
        kept: numbers of the axes of the array that are those of the view.
        shape, dtype, ndim: of the view.
        chunks: sizes of a stored chunk along the axes of the view, or None.
        voxel_size_nm, offset: as given.
    """

    def __init__(
        self,
        array: Any,
        axes: Sequence[int],
        path: str,
        kind: str,
        voxel_size_nm: VoxelSize | None = None,
        offset: tuple[float, float, float] | None = None,
    ) -> None:
        fitting = [count for count in axes if len(long_axes(array.shape, count)) == count]
        self._array, self.kept = array, long_axes(array.shape, fitting[0] if fitting else len(array.shape))
        self.shape = tuple(int(array.shape[axis]) for axis in self.kept)
        self.dtype, self.ndim = np.dtype(array.dtype), len(self.kept)
        chunks = getattr(array, "chunks", None)
        self.chunks = tuple(int(chunks[axis]) for axis in self.kept) if chunks else None
        self._path, self._kind = path, kind
        self.voxel_size_nm, self.offset = voxel_size_nm, offset

    def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
        index: list[Any] = [0] * len(self._array.shape)
        for axis, part in zip(self.kept, key, strict=True):
            index[axis] = part
        with named_damage(self._path, self._kind):
            return np.asarray(self._array[tuple(index)])
