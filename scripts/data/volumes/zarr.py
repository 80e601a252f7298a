"""Zarr 2 and 3: arrays of a local folder, chunk by chunk."""

import os
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import imagecodecs
import numcodecs
import numpy as np
import zarr
from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, ZstdCodec

from scripts.data.volumes.chunked import ChunkedVolume
from scripts.data.volumes.ome_zarr import Level, level_at, multiscales
from scripts.data.volumes.volume import Volume, checked_array, long_axes
from scripts.data.volumes.voxel_size import VoxelSize, stated_voxel_size
from scripts.ops.box import Offset3

METADATA = ("zarr.json", ".zarray", ".zgroup")
Decoder = Callable[[bytes, int], Any]
"""From the bytes of a chunk and the bytes it will have, to those."""


def is_zarr(folder: str) -> bool:
    """Whether a folder is a Zarr array or group."""
    return any(os.path.exists(os.path.join(folder, name)) for name in METADATA)


def open_zarr(
    path: str, inner: str | None, scale: int, voxel_size_nm: Sequence[float] | None, cache_mib: float
) -> Volume:
    """A 3D array of a Zarr folder, or a scale level of an OME-Zarr image, as a volume.

    Args:
        path: the folder.
        inner: path of an array or image within it; None takes the image, else the only 3D array.
        scale: level of an OME-Zarr image, 0 the finest.

    Raises:
        ValueError: no such array, more than one to choose from, not 3D, no such scale level, or unreadable metadata.
    """
    node = _node(path, inner)
    place = f"{path}:{inner}" if inner else path
    image = multiscales(node.attrs) if isinstance(node, zarr.Group) else None
    if image is not None:
        level = level_at(image, scale, place)
        within = f"{inner}/{level.path}" if inner else level.path
        array = _node(path, within)
        if isinstance(array, zarr.Group):
            raise ValueError(
                f"'{path}:{within}' is a group where the OME-Zarr metadata promise an array; write it again"
            )
        return _level(place, os.path.join(path, within), array, level, voxel_size_nm, cache_mib)
    if isinstance(node, zarr.Group):
        images = [name for name, child in node.groups() if multiscales(child.attrs) is not None]
        if len(images) == 1 and not any(True for _ in node.arrays()):  # as bioformats2raw lays an image out
            return open_zarr(path, f"{inner}/{images[0]}" if inner else images[0], scale, voxel_size_nm, cache_mib)
        inner, array = _only_volume(node, path, inner)
        place = f"{path}:{inner}"
    else:
        array = node
    if scale != 0:
        raise ValueError(f"scale {scale} was asked of '{place}', a plain array without scale levels; leave scale out")
    if (named := _named_level(path, inner, place)) is not None:
        return _level(place, os.path.join(path, inner or ""), array, named, voxel_size_nm, cache_mib)
    kept = long_axes(array.shape)
    checked_array([array.shape[axis] for axis in kept], array.dtype, place)
    size = _voxel_size(array, path, inner, place) if voxel_size_nm is None else voxel_size_nm
    return ZarrChunks(place, os.path.join(path, inner or ""), array, kept, size, cache_mib)


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

    def _open_file(self) -> OpenedArray:
        array = zarr.open_array(self._folder, mode="r")
        whole = int(np.prod(array.chunks)) == int(np.prod(self.chunks))  # else a chunk is longer than an axis left out
        return OpenedArray(array, _fast_decoder(array) if whole else None, _stored_type(array))

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


def _level(
    place: str,
    folder: str,
    array: zarr.Array,
    level: Level,
    voxel_size_nm: Sequence[float] | None,
    cache_mib: float,
) -> ZarrChunks:
    """A scale level of an OME-Zarr image as a volume."""
    kept = range(level.leading(array.shape, place), array.ndim)
    size = level.voxel_size_nm if voxel_size_nm is None else voxel_size_nm
    volume = ZarrChunks(place, folder, array, kept, size, cache_mib)
    volume.offset_nm = level.offset_nm
    return volume


def _named_level(path: str, inner: str | None, place: str) -> Level | None:
    """The level of an OME-Zarr image whose array was named, such as `image.zarr:1`, or None."""
    parent, _, last = (inner or "").rpartition("/")
    folder = os.path.join(path, parent)
    image = multiscales(zarr.open(folder, mode="r").attrs) if inner and is_zarr(folder) else None
    names = [str(one.get("path")) for one in image.get("datasets", ())] if image is not None else []
    return level_at(image, names.index(last), place) if image is not None and last in names else None


def _node(path: str, inner: str | None) -> zarr.Array | zarr.Group:
    where = os.path.join(path, inner) if inner else path
    try:
        return zarr.open(where, mode="r")
    except FileNotFoundError:
        if inner is None:
            raise ValueError(f"'{path}' is a folder without Zarr metadata ({', '.join(METADATA)})") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"'{where}' has unreadable Zarr metadata ({error}); copy or write it again") from error
    root = _node(path, None)
    every = _arrays(root) if isinstance(root, zarr.Group) else []
    raise ValueError(f"'{path}' has no array '{inner}'; there are: {_listing(every)}")


def _only_volume(group: zarr.Group, path: str, inner: str | None) -> tuple[str, zarr.Array]:
    every = _arrays(group)
    volumes = [(name, array) for name, array in every if len(long_axes(array.shape)) == 3]
    if len(volumes) != 1:
        count = "no 3D array" if not volumes else f"{len(volumes)} 3D arrays"
        prefix = f"{inner}/" if inner else ""
        example = f"; name one, such as '{path}:{prefix}{volumes[0][0]}'" if volumes else ""
        raise ValueError(f"'{path}' has {count}; there are: {_listing(every)}{example}")
    name, array = volumes[0]
    return (f"{inner}/{name}" if inner else name), array


def _arrays(group: zarr.Group) -> list[tuple[str, zarr.Array]]:
    members = group.members(max_depth=None)
    return sorted(((name, node) for name, node in members if isinstance(node, zarr.Array)), key=lambda pair: pair[0])


def _listing(arrays: list[tuple[str, zarr.Array]]) -> str:
    return ", ".join(f"{name} {array.shape} {array.dtype}" for name, array in arrays) or "none"


def _voxel_size(array: zarr.Array, path: str, inner: str | None, place: str) -> VoxelSize | None:
    """Stated by the array, else by the groups that hold it, up to the folder that was given."""
    size = stated_voxel_size(array.attrs, place)
    while size is None and inner:
        inner = os.path.dirname(inner)
        folder = os.path.join(path, inner)
        size = stated_voxel_size(zarr.open(folder, mode="r").attrs, place) if is_zarr(folder) else None
    return size


def _stored_type(array: zarr.Array) -> np.dtype:
    """Type of a voxel in decoded bytes."""
    big = array.metadata.zarr_format == 3 and any(
        isinstance(codec, BytesCodec) and codec.endian is not None and codec.endian.value == "big"
        for codec in array.metadata.codecs
    )
    return array.dtype.newbyteorder(">") if big else array.dtype


def _fast_decoder(array: zarr.Array) -> Decoder | None:
    """How to decode a chunk at once, for the usual ways of storing; None leaves it to the library, at 1 ms a chunk."""
    metadata = array.metadata
    if metadata.zarr_format == 2:
        if metadata.order != "C" or metadata.filters:
            return None
        return _of_numcodecs(metadata.compressor)
    if not metadata.codecs or not isinstance(metadata.codecs[0], BytesCodec) or len(metadata.codecs) > 2:
        return None
    if len(metadata.codecs) == 1:
        return _checked_plain
    compressor = metadata.codecs[1]
    if isinstance(compressor, GzipCodec):
        return lambda data, size: imagecodecs.gzip_decode(data, out=size)
    if isinstance(compressor, ZstdCodec):
        return lambda data, size: imagecodecs.zstd_decode(data, out=size)
    if isinstance(compressor, BloscCodec):
        return _blosc
    return None


def _of_numcodecs(compressor: Any) -> Decoder | None:
    if compressor is None:
        return _checked_plain
    if isinstance(compressor, numcodecs.Zlib):
        return lambda data, size: imagecodecs.deflate_decode(data, out=size)
    if isinstance(compressor, numcodecs.GZip):
        return lambda data, size: imagecodecs.gzip_decode(data, out=size)
    if isinstance(compressor, numcodecs.Blosc):
        return _blosc
    if isinstance(compressor, numcodecs.Zstd):
        return lambda data, size: imagecodecs.zstd_decode(data, out=size)
    if isinstance(compressor, numcodecs.LZ4):
        return lambda data, size: compressor.decode(data)
    return None


def _blosc(data: bytes, size: int) -> bytes:
    """The library reads beyond the end of a chunk that was cut off, so the lengths in its header are checked first."""
    if len(data) < 16 or struct.unpack("<I", data[4:8])[0] != size or struct.unpack("<I", data[12:16])[0] > len(data):
        raise ValueError(f"a Blosc chunk of {len(data)} bytes whose header promises another length")
    return numcodecs.Blosc().decode(data)


def _checked_plain(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise ValueError(f"{len(data)} bytes where {size} belong")
    return data
