"""HDF5: contiguous datasets are mapped; chunked ones are decoded chunk by chunk past the library's own cache."""

import os
from collections.abc import Sequence
from typing import Any

import h5py
import imagecodecs
import numpy as np

from scripts.data.volumes.chunked import ChunkedVolume
from scripts.data.volumes.damage import named_damage
from scripts.data.volumes.file_pages import check_size
from scripts.data.volumes.lookup.hdf5_file import check_filters, check_has_voxels, find_dataset, open_file
from scripts.data.volumes.mapped import MappedVolume
from scripts.data.volumes.stated_metadata import check_attributes, stated_axes, stated_position, volume_axes
from scripts.data.volumes.volume import Volume, checked_array
from scripts.data.volumes.voxel_size import VoxelSize, stated_voxel_size
from scripts.ops.box import Offset3

Filters = tuple[bool, bool]
"""Whether chunks went through byte shuffle, and through deflate (gzip)."""


def open_hdf5(path: str, dataset: str | None, voxel_size_nm: Sequence[float] | None, cache_mib: float) -> Volume:
    """A 3D dataset of an HDF5 file as a volume.

    The voxel size is the attribute `resolution` or `voxel_size_nm` (z, y, x in nm) of the dataset, else of the groups
    that hold it, up to the file.

    Args:
        path: the file.
        dataset: path within the file; None takes the only 3D dataset.

    Raises:
        ValueError: no such dataset, more than one to choose from, not 3D, or not numbers.
        OSError: the file is not HDF5, corrupt, cut off or locked.
    """
    with open_file(path) as file, named_damage(path, "HDF5 file"):
        found = find_dataset(file, path, dataset)
        place = f"{path}:{found.name.strip('/')}"
        attributes = dict(found.attrs)
        check_attributes(attributes, place)
        kept = volume_axes(stated_axes(attributes, dimension_labels(found)), found.shape, place)
        shape, _ = checked_array([found.shape[axis] for axis in kept], found.dtype, place)
        check_has_voxels(found, place)
        size = voxel_size_nm if voxel_size_nm is not None else voxel_size_of(found, place)
        first = _offset(found)
        volume: MappedVolume | Hdf5Chunks
        if first is not None:
            check_size(os.path.getsize(path), first + found.size * found.dtype.itemsize, place)
            volume = MappedVolume(place, path, shape, found.dtype, size, first, cache_mib=cache_mib)
        else:
            volume = Hdf5Chunks(place, path, found, kept, size, cache_mib)
        volume.offset = position_of(found, volume.voxel_size_nm, place)
        return volume


class Hdf5Chunks(ChunkedVolume):
    """A chunked dataset; one without chunks that cannot be mapped is read section by section."""

    def __init__(
        self,
        path: str,
        file: str,
        dataset: h5py.Dataset,
        kept: Sequence[int],
        voxel_size_nm: Sequence[float] | None,
        cache_mib: float,
    ) -> None:
        stored = dataset.chunks or (*(1 for _ in dataset.shape[:-2]), *dataset.shape[-2:])
        shape, chunks = ([sizes[axis] for axis in kept] for sizes in (dataset.shape, stored))
        super().__init__(path, shape, dataset.dtype, voxel_size_nm, chunks, cache_mib)
        self._file, self._name, self._kept, self._axes = file, dataset.name, tuple(kept), dataset.ndim
        self._stored = dataset.dtype
        self._filters = _fast_filters(dataset)

    def _open_file(self) -> tuple[h5py.File, h5py.Dataset]:
        file = open_file(self._file)
        return file, file[self._name]

    @staticmethod
    def _close_file(file: Any) -> None:
        file[0].close()

    def _decode(self, file: Any, place: Offset3) -> np.ndarray:
        dataset = file[1]
        corner = tuple(i * size for i, size in zip(place, self.chunks, strict=True))
        try:
            if self._filters is not None:
                first = self._index(corner)
                info = dataset.id.get_chunk_info_by_coord(first)
                if info.byte_offset is not None and info.filter_mask == 0:
                    return self._plain(dataset.id.read_direct_chunk(first)[1])
            box = [slice(low, low + size) for low, size in zip(corner, self.chunks, strict=True)]
            block = dataset[self._index(box)]
        except (OSError, RuntimeError, ValueError) as error:
            check_filters(dataset, self.path)
            raise OSError(
                f"'{self.path}': the chunk at voxel {corner} (z, y, x) cannot be decoded, the file is corrupt "
                f"({error}); copy or download it again"
            ) from error
        return np.ascontiguousarray(block, dtype=self.dtype)

    def remarks(self) -> list[str]:
        """Chunks that were never written."""
        dataset = self._opened().file[1]
        if not dataset.chunks:
            return []
        total = int(np.prod([-(-size // chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True)]))
        missing = total - dataset.id.get_num_chunks()
        if missing <= 0:
            return []
        return [f"{missing:,} of {total:,} chunks were never written and read as {dataset.fillvalue}"]

    def _index(self, of_kept: Sequence[Any]) -> tuple[Any, ...]:
        index: list[Any] = [0] * self._axes
        for axis, item in zip(self._kept, of_kept, strict=True):
            index[axis] = item
        return tuple(index)

    def _plain(self, chunk: bytes | bytearray) -> np.ndarray:
        """Undo shuffle and deflate. libdeflate takes two thirds of the time of the library's zlib."""
        shuffled, deflated = self._filters or (False, False)
        size = int(np.prod(self.chunks)) * self._stored.itemsize
        if deflated:
            chunk = imagecodecs.deflate_decode(chunk, out=size)
        if len(chunk) != size:
            raise ValueError(f"{len(chunk)} bytes where {size} belong")
        if shuffled and self._stored.itemsize > 1:
            planes = np.frombuffer(chunk, np.uint8).reshape(self._stored.itemsize, -1)
            voxels = np.ascontiguousarray(planes.T).view(self._stored)
        else:
            voxels = np.frombuffer(chunk, self._stored)
        return voxels.reshape(self.chunks).astype(self.dtype, copy=False)


def voxel_size_of(dataset: h5py.Dataset, place: str) -> VoxelSize | None:
    node: h5py.Dataset | h5py.Group = dataset
    while True:
        size = stated_voxel_size(node.attrs, place)
        if size is not None or node.name == "/":
            return size
        node = node.parent


def position_of(dataset: h5py.Dataset, size: VoxelSize | None, place: str) -> tuple[float, float, float] | None:
    node: h5py.Dataset | h5py.Group = dataset
    while True:
        position = stated_position(dict(node.attrs), size, place)
        if position is not None or node.name == "/":
            return position
        node = node.parent


def dimension_labels(dataset: h5py.Dataset) -> list[str] | None:
    labels = [dimension.label for dimension in dataset.dims]
    return labels if any(labels) else None


def _offset(dataset: h5py.Dataset) -> int | None:
    """First byte of a contiguous dataset whose voxels are in the file as numpy has them, or None."""
    if dataset.chunks or dataset.external or dataset.is_virtual or dataset.id.get_offset() is None:
        return None
    if not _stored_as_in_memory(dataset) or dataset.id.get_storage_size() < dataset.nbytes:
        return None
    return int(dataset.id.get_offset())


def _stored_as_in_memory(dataset: h5py.Dataset) -> bool:
    """Whether all bits of a voxel are its value: HDF5 can keep 12 of 16, and anywhere among them."""
    kind = dataset.id.get_type()
    kind = kind.get_super() if isinstance(kind, h5py.h5t.TypeEnumID) else kind
    if kind.get_size() != dataset.dtype.itemsize:
        return False
    return not isinstance(kind, h5py.h5t.TypeIntegerID) or kind.get_precision() == 8 * kind.get_size()


def _fast_filters(dataset: h5py.Dataset) -> Filters | None:
    """The filters of a chunked dataset if we undo them faster than the library, else None."""
    if not dataset.chunks or not _stored_as_in_memory(dataset):
        return None
    plist = dataset.id.get_create_plist()
    codes = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    if codes not in ([], [h5py.h5z.FILTER_DEFLATE], [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE]):
        return None
    return h5py.h5z.FILTER_SHUFFLE in codes, h5py.h5z.FILTER_DEFLATE in codes
