"""A prediction as HDF5."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scripts.data.files.prediction_store import DATASET, PredictionStore, Shape
from scripts.data.volumes.voxel_size import checked_voxel_size


class Hdf5Store(PredictionStore):
    """A contiguous dataset, whose voxels are written directly to their positions in the file, without the library.

    All metadata are on disk before the first voxel, and the space for the voxels is allocated; so a program killed at
    any moment leaves a file that opens. In return nothing is compressed. The same maps give the same bytes.

    Args:
        file: to write, or to continue.
        shape, dtype, voxel_size_nm, corner, attributes: as `open_store`.

    Raises:
        OSError: no space for the whole array.
    """

    def __init__(
        self,
        file: Path,
        shape: Shape,
        dtype: str,
        voxel_size_nm: Sequence[float] | None,
        corner: Sequence[int],
        attributes: Mapping[str, Any],
    ) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        if not file.exists():
            _allocate(file, int(np.prod(shape)) * self.dtype.itemsize)  # HDF5 reports a full disk less clearly
            _new_hdf5(file, shape, self.dtype, voxel_size_nm, corner, attributes)
        with h5py.File(file, "r") as opened:
            self.offset = int(opened[DATASET].id.get_offset())
        self._descriptor = os.open(file, os.O_RDWR)
        try:
            os.posix_fallocate(self._descriptor, self.offset, int(np.prod(shape)) * self.dtype.itemsize)
        except OSError:
            self.close()
            raise

    def write(self, z: int, y: int, block: np.ndarray) -> None:
        _, depth, height, width = self.shape
        block = np.ascontiguousarray(block, self.dtype)
        for channel, maps in enumerate(block):
            for section, lines in enumerate(maps, z):
                voxel = ((channel * depth + section) * height + y) * width
                _write_all(self._descriptor, memoryview(lines).cast("B"), self.offset + voxel * self.dtype.itemsize)

    def kept(self, sections: int) -> int:
        return sections

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _new_hdf5(
    path: Path,
    shape: Shape,
    dtype: np.dtype,
    voxel_size_nm: Sequence[float] | None,
    corner: Sequence[int],
    attributes: Mapping[str, Any],
) -> None:
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_layout(h5py.h5d.CONTIGUOUS)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    layout.set_obj_track_times(False)
    with h5py.File(path, "w") as file:
        if voxel_size_nm is not None:
            file.attrs["resolution"] = checked_voxel_size(voxel_size_nm, f"'{path}'")
        space = h5py.h5s.create_simple(shape)
        h5py.h5d.create(file.id, DATASET.encode(), h5py.h5t.py_create(dtype), space, layout)
        for name, value in attributes.items():
            file.attrs[name] = value


def _allocate(path: Path, size: int) -> None:
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)


def _write_all(descriptor: int, voxels: memoryview, position: int) -> None:
    while voxels:
        written = os.pwrite(descriptor, voxels, position)
        voxels, position = voxels[written:], position + written
