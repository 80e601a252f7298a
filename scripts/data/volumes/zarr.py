"""Zarr 2 and 3: arrays of a local folder, chunk by chunk."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import zarr

from scripts.data.volumes.chunked import ChunkedVolume
from scripts.data.volumes.lookup.zarr_nodes import (
    check_has_chunks,
    find_array,
    groups_above,
    missing_chunks,
    stored_array,
)
from scripts.data.volumes.stated_metadata import check_attributes, stated_axes, stated_position, volume_axes
from scripts.data.volumes.volume import Volume, checked_array
from scripts.data.volumes.voxel_size import VoxelSize, stated_voxel_size
from scripts.data.volumes.zarr_codecs import Decoder, fast_decoder, stored_type
from scripts.ops.box import Offset3


def open_zarr(
    path: str, inner: str | None, scale: int, voxel_size_nm: Sequence[float] | None, cache_mib: float
) -> Volume:
    """A 3D array of a Zarr folder, or a scale level of an OME-Zarr image, as a volume.

    Args:
        path: the folder.
        inner: path of an array or image within it; None takes the image, else the only 3D array.
        scale: level of an OME-Zarr image, 0 the finest.

    Raises:
        ValueError: no such array, more than one to choose from, not 3D, no such scale level, unreadable metadata, no
            stored chunk, or attributes that change the voxels.
    """
    name, array, level = find_array(path, inner, scale)
    place = f"{path}:{name}" if name and (level is None or inner == name) else f"{path}:{inner}" if inner else path
    check_attributes(array.attrs, place)
    if level is not None:
        kept = list(range(level.leading(array.shape, place), array.ndim))
    else:
        named = getattr(array.metadata, "dimension_names", None)
        kept = volume_axes(stated_axes(array.attrs, named), array.shape, place)
    checked_array([array.shape[axis] for axis in kept], array.dtype, place)
    check_has_chunks(array, os.path.join(path, name), place)
    size = level.voxel_size_nm if level is not None else None
    if voxel_size_nm is None and size is None:
        size = size_of_array(array, path, name, place)
    used = size if voxel_size_nm is None else voxel_size_nm
    volume = ZarrChunks(place, os.path.join(path, name), array, kept, used, cache_mib)
    volume.offset = offset_of_array(array, path, name, volume.voxel_size_nm, place)
    if level is not None:
        volume.offset_nm, volume.noted = level.offset_nm, [level.remark] if level.remark and used is None else []
    return volume


class OpenedArray(NamedTuple):
    """An array in this process, and how to decode its chunks past the library, where we know how."""

    array: zarr.Array
    decode: Decoder | None
    stored: np.dtype


class ZarrChunks(ChunkedVolume):
    """A Zarr array.

    Args:
        path, voxel_size_nm, cache_mib: as `ChunkedVolume`.
        folder: of the array.
        array: the array, for its metadata.
        kept: the axes that are z, y, x; the others have length 1.
    """

    def __init__(
        self,
        path: str,
        folder: str,
        array: zarr.Array,
        kept: Sequence[int],
        voxel_size_nm: Sequence[float] | None,
        cache_mib: float,
    ) -> None:
        shape, chunks = ([sizes[axis] for axis in kept] for sizes in (array.shape, array.chunks))
        super().__init__(path, shape, array.dtype, voxel_size_nm, chunks, cache_mib)
        self._folder, self._kept, self._axes = folder, tuple(kept), array.ndim
        self.noted: list[str] = []

    def remarks(self) -> list[str]:
        """What was noted when it was opened, and chunks that were never written."""
        array = self._opened().file.array
        counted = missing_chunks(self._folder, array)
        if counted is None or counted[0] == 0:
            return self.noted
        return [
            *self.noted,
            f"{counted[0]:,} of {counted[1]:,} chunks were never written and read as {array.fill_value or 0}",
        ]

    def _open_file(self) -> OpenedArray:
        array = stored_array(zarr.open_array(self._folder, mode="r"), self._folder)
        whole = int(np.prod(array.chunks)) == int(np.prod(self.chunks))  # else a chunk is longer than an axis left out
        return OpenedArray(array, fast_decoder(array) if whole else None, stored_type(array))

    def _index(self, of_kept: Sequence[Any]) -> tuple[Any, ...]:
        index: list[Any] = [0] * self._axes
        for axis, item in zip(self._kept, of_kept, strict=True):
            index[axis] = item
        return tuple(index)

    def _decode(self, file: OpenedArray, place: Offset3) -> np.ndarray:
        corner = tuple(i * size for i, size in zip(place, self.chunks, strict=True))
        try:
            if file.decode is None:
                box = tuple(slice(low, low + size) for low, size in zip(corner, self.chunks, strict=True))
                block = np.asarray(file.array[self._index(box)])
                return np.ascontiguousarray(block, dtype=self.dtype)
            key = file.array.metadata.encode_chunk_key(self._index(place))
            try:
                with open(os.path.join(self._folder, key), "rb") as stored:
                    data = stored.read()
            except FileNotFoundError:  # by the format's definition a chunk that was never written
                return np.full(self.chunks, file.array.fill_value or 0, self.dtype)
            size = int(np.prod(self.chunks)) * file.stored.itemsize
            voxels = np.frombuffer(file.decode(data, size), file.stored)
            return voxels.reshape(self.chunks).astype(self.dtype, copy=False)
        except (OSError, RuntimeError, ValueError) as error:
            raise OSError(
                f"'{self.path}': the chunk at voxel {corner} (z, y, x) cannot be decoded, it is corrupt or cut off "
                f"({error}); copy or write it again"
            ) from error


def size_of_array(array: zarr.Array, path: str, name: str, place: str) -> VoxelSize | None:
    """Stated by the array, else by the groups that hold it, up to the folder that was given."""
    for attributes in _attributes(array, path, name):
        size = stated_voxel_size(attributes, place)
        if size is not None:
            return size
    return None


def offset_of_array(
    array: zarr.Array, path: str, name: str, size: VoxelSize | None, place: str
) -> tuple[float, float, float] | None:
    for attributes in _attributes(array, path, name):
        position = stated_position(attributes, size, place)
        if position is not None:
            return position
    return None


def _attributes(array: zarr.Array, path: str, name: str) -> Iterator[Mapping[str, Any]]:
    yield array.attrs
    yield from (group.attrs for _, group in groups_above(path, name))
