"""Where a prediction (channels, z, y, x) is written block by block: OME-Zarr or HDF5, neither broken by a kill."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import zarr
from zarr.codecs import BloscCodec

from scripts.data.volumes.voxel_size import checked_voxel_size

Shape = tuple[int, int, int, int]
DATASET = "prediction"
"""Name of the array in an HDF5 file."""
SCALE = "0"
"""Name of the array in an OME-Zarr group: its finest and only scale."""
FORMATS = {".zarr": "OME-Zarr", ".h5": "HDF5", ".hdf5": "HDF5"}


class PredictionStore(ABC):
    """An array on disk that is filled from the first section to the last, in blocks that span it in channels and x."""

    @abstractmethod
    def write(self, z: int, y: int, block: np.ndarray) -> None:
        """Put a block (C, z, y, x) with its first voxel at (z, y, 0).

        Raises:
            OSError: it cannot be written.
        """

    @abstractmethod
    def kept(self, sections: int) -> int:
        """How many sections are safe on disk when all blocks of the first `sections` were put."""

    def close(self) -> None:  # noqa: B027 - Zarr has nothing to close
        """Let go of the file."""


class ZarrStore(PredictionStore):
    """Chunks of a Zarr 3 array, each written once, when all of its voxels are there.

    Args:
        folder: of the group.
        chunks: voxels of a chunk (z, y, x), of one channel.
        shape, dtype, voxel_size_nm, corner, attributes: as `open_store`.
    """

    def __init__(
        self,
        folder: Path,
        shape: Shape,
        dtype: str,
        chunks: Sequence[int],
        voxel_size_nm: Sequence[float] | None,
        corner: Sequence[int],
        attributes: Mapping[str, Any],
    ) -> None:
        self.shape = shape
        z, y, x = (max(1, min(int(chunk), size)) for chunk, size in zip(chunks, shape[1:], strict=True))
        self.chunks = (z, y, x)
        if (folder / "zarr.json").exists():
            self.array = zarr.open_array(folder / SCALE, mode="r+")
        else:
            ome: Any = {"version": "0.5", "multiscales": [_multiscale(voxel_size_nm, corner)]}
            group = zarr.open_group(folder, mode="w", zarr_format=3, attributes={"ome": ome, **attributes})
            self.array = group.create_array(
                SCALE,
                shape=shape,
                dtype=dtype,
                chunks=(1, *self.chunks),
                compressors=BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"),
                dimension_names=("c", "z", "y", "x"),
            )
        self._waiting: dict[tuple[int, int], tuple[np.ndarray, list[int]]] = {}

    def write(self, z: int, y: int, block: np.ndarray) -> None:
        depth, height, _ = self.chunks
        for row in range(z // depth, (z + block.shape[1] - 1) // depth + 1):
            for line in range(y // height, (y + block.shape[2] - 1) // height + 1):
                self._put(row, line, z, y, block)

    def kept(self, sections: int) -> int:
        return sections if sections >= self.shape[1] else sections - sections % self.chunks[0]

    def _put(self, row: int, line: int, z: int, y: int, block: np.ndarray) -> None:
        """Put what a block has of one row of chunks along x; write the row when it is full."""
        (low_z, high_z), (low_y, high_y) = (
            (place * size, min(place * size + size, whole))
            for place, size, whole in zip((row, line), self.chunks[:2], self.shape[1:3], strict=True)
        )
        z0, z1 = max(z, low_z), min(z + block.shape[1], high_z)
        y0, y1 = max(y, low_y), min(y + block.shape[2], high_y)
        part = block[:, z0 - z : z1 - z, y0 - y : y1 - y]
        if (row, line) not in self._waiting:
            room = np.empty((self.shape[0], high_z - low_z, high_y - low_y, self.shape[3]), block.dtype)
            self._waiting[row, line] = room, [room[0, :, :, 0].size]
        room, lacking = self._waiting[row, line]
        room[:, z0 - low_z : z1 - low_z, y0 - low_y : y1 - low_y] = part
        lacking[0] -= part[0, :, :, 0].size
        if lacking[0] == 0:
            self.array[:, low_z:high_z, low_y:high_y] = room
            del self._waiting[row, line]


class Hdf5Store(PredictionStore):
    """A contiguous dataset, whose voxels are written past the library to their place in the file.

    All that HDF5 keeps about the array is on disk before the first voxel, and the room for the voxels is taken; so a
    program killed at any moment leaves a file that opens. The price is that nothing is compressed.

    Args:
        file: to write, or to go on with.
        shape, dtype, voxel_size_nm, corner, attributes: as `open_store`.

    Raises:
        OSError: no room for the whole array.
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
            _take_room(file, int(np.prod(shape)) * self.dtype.itemsize)  # HDF5 says less clearly that there is none
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
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def prediction_format(path: str | os.PathLike[str]) -> str:
    """`OME-Zarr` or `HDF5`, by the ending.

    Raises:
        ValueError: another ending.
    """
    ending = Path(path).suffix.lower()
    if ending not in FORMATS:
        raise ValueError(f"'{path}' ends in none of {', '.join(FORMATS)}, so its format is not known; add an ending")
    return FORMATS[ending]


def open_store(
    path: Path,
    kind: str,
    shape: Shape,
    dtype: str,
    chunks: Sequence[int],
    voxel_size_nm: Sequence[float] | None = None,
    corner: Sequence[int] = (0, 0, 0),
    attributes: Mapping[str, Any] | None = None,
) -> PredictionStore:
    """A store to fill, made anew or, where there is one at `path`, as it was left.

    Args:
        path: folder or file.
        kind: `OME-Zarr` or `HDF5`.
        shape: (channels, z, y, x).
        dtype: numpy's name of the type.
        chunks: voxels (z, y, x) of a Zarr chunk.
        voxel_size_nm: (z, y, x) in nm, if known.
        corner: first voxel of the prediction in the volume, (z, y, x).
        attributes: what to note beside the array.
    """
    notes = {"offset": [int(n) for n in corner], **(attributes or {})}
    if kind == "HDF5":
        return Hdf5Store(path, shape, dtype, voxel_size_nm, corner, notes)
    return ZarrStore(path, shape, dtype, chunks, voxel_size_nm, corner, notes)


def _multiscale(voxel_size_nm: Sequence[float] | None, corner: Sequence[int]) -> dict[str, Any]:
    """OME-Zarr 0.5: names and units of the axes, size of a voxel and place of the first one."""
    size = [1.0, 1.0, 1.0] if voxel_size_nm is None else list(checked_voxel_size(voxel_size_nm, "the prediction"))
    unit = {} if voxel_size_nm is None else {"unit": "nanometer"}
    place = [0.0, *(float(step * edge) for step, edge in zip(corner, size, strict=True))]
    return {
        "name": DATASET,
        "axes": [{"name": "c", "type": "channel"}, *({"name": axis, "type": "space", **unit} for axis in "zyx")],
        "datasets": [
            {
                "path": SCALE,
                "coordinateTransformations": [
                    {"type": "scale", "scale": [1.0, *size]},
                    {"type": "translation", "translation": place},
                ],
            }
        ],
    }


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
    with h5py.File(path, "w") as file:
        if voxel_size_nm is not None:
            file.attrs["resolution"] = checked_voxel_size(voxel_size_nm, f"'{path}'")
        space = h5py.h5s.create_simple(shape)
        h5py.h5d.create(file.id, DATASET.encode(), h5py.h5t.py_create(dtype), space, layout)
        for name, value in attributes.items():
            file.attrs[name] = value


def _take_room(path: Path, size: int) -> None:
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)


def _write_all(descriptor: int, voxels: memoryview, place: int) -> None:
    while voxels:
        written = os.pwrite(descriptor, voxels, place)
        voxels, place = voxels[written:], place + written
