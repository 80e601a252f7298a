"""Write volumes slab by slab, so that nothing must fit in memory; a file appears only when it is complete."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import imagecodecs
import numpy as np

from scripts.data.files.replacing import replacing
from scripts.data.volumes.voxel_size import checked_voxel_size
from scripts.ops.box import Size3, three_sizes

CHUNKS = (8, 128, 128)
"""A crop of 6 x 96 x 96 touches five of these on average, and each is decoded in a third of a millisecond."""
SLAB_BYTES = 2**25
FASTEST = 1
"""Deflate level: EM grey values compress to 80 % at any level, but at level 6 it takes half as long again."""


@contextmanager
def new_hdf5(
    path: str | os.PathLike[str],
    voxel_size_nm: Sequence[float] | None = None,
    overwrite: bool = False,
    attributes: Mapping[str, Any] | None = None,
) -> Iterator[h5py.File]:
    """An HDF5 file to fill, which appears at `path` when the block ends well; its root states the voxel size in nm."""
    with replacing(path, overwrite) as partial, h5py.File(partial, "w") as file:
        if voxel_size_nm is not None:
            file.attrs["resolution"] = checked_voxel_size(voxel_size_nm, f"'{path}'")
        for name, value in (attributes or {}).items():
            file.attrs[name] = value
        yield file


def write_hdf5(
    path: str | os.PathLike[str],
    datasets: Mapping[str, Any] | Iterable[Mapping[str, Any]],
    voxel_size_nm: Sequence[float] | None = None,
    chunks: Sequence[int] | None = CHUNKS,
    overwrite: bool = False,
    attributes: Mapping[str, Any] | None = None,
) -> Path:
    """Write 3D datasets to an HDF5 file, which appears only when it is complete.

    Args:
        path: the file; missing folders are made.
        datasets: name -> array (anything with a `(z, y, x)` shape that can be sliced) or iterable of slabs
            `(any z, y, x)`, top to bottom; or, to write datasets that are made together, an iterable of
            `{name: slab}`.
        voxel_size_nm: (z, y, x) in nm, kept as the attribute `resolution`.
        chunks: voxels of a gzip chunk (z, y, x); None writes plain contiguous voxels, which are larger and read
            fastest, and needs arrays.
        overwrite: replace an earlier file; it stays as it was until the new one is complete.
        attributes: more attributes of the file, such as its source and licence.

    Returns:
        The path of the file.

    Raises:
        FileExistsError: the file exists and `overwrite` is False.
        ValueError: slabs that do not fit together, or none.
        OSError: no space left.

    Example:
        >>> write_hdf5("volume.h5", {"raw": raw, "labels": labels}, voxel_size_nm=(30, 6, 6))
    """
    with new_hdf5(path, voxel_size_nm, overwrite, attributes) as file:
        if not isinstance(datasets, Mapping):
            together: dict[str, _GrowingDataset] = {}
            for slabs in datasets:
                for name, slab in slabs.items():
                    if name not in together:
                        together[name] = _GrowingDataset(file, name, _needed(chunks, name))
                    together[name].append(slab)
            for growing in together.values():
                growing.finish()
        else:
            for name, source in datasets.items():
                if hasattr(source, "shape") and chunks is None:
                    _write_contiguous(file, name, source)
                else:
                    growing = _GrowingDataset(file, name, _needed(chunks, name))
                    for slab in _slabs(source, growing.chunks[0]) if hasattr(source, "shape") else source:
                        growing.append(slab)
                    growing.finish()
        if not len(file):
            raise ValueError(f"nothing to write to '{path}': no datasets were given")
    return Path(path)


class _GrowingDataset:
    """A gzip dataset that slabs are appended to; complete layers of chunks are compressed once."""

    def __init__(self, file: h5py.File, name: str, chunks: Size3) -> None:
        self.file, self.name, self.chunks = file, name, chunks
        self.dataset: h5py.Dataset | None = None
        self.pending: list[np.ndarray] = []

    def append(self, slab: Any) -> None:
        slab = np.asarray(slab)
        if slab.ndim != 3:
            raise ValueError(f"dataset '{self.name}': a slab of shape {slab.shape} has not three axes (z, y, x)")
        slab = slab.astype(slab.dtype.newbyteorder("="), copy=False)
        if self.dataset is None:
            cz, cy, cx = self.chunks
            self.chunks = (cz, min(cy, max(slab.shape[1], 1)), min(cx, max(slab.shape[2], 1)))
            self.dataset = self.file.create_dataset(
                self.name,
                (0, *slab.shape[1:]),
                slab.dtype,
                chunks=self.chunks,
                maxshape=(None, *slab.shape[1:]),
                compression="gzip",
                compression_opts=FASTEST,
            )
        if slab.shape[1:] != self.dataset.shape[1:] or slab.dtype != self.dataset.dtype:
            raise ValueError(
                f"dataset '{self.name}': a slab of shape {slab.shape} {slab.dtype} after sections of "
                f"{self.dataset.shape[1:]} {self.dataset.dtype}; all must have one size and type"
            )
        self.pending.append(slab)
        depth = self.chunks[0]
        if sum(map(len, self.pending)) >= depth:
            slab = self.pending[0] if len(self.pending) == 1 else np.concatenate(self.pending)
            whole = len(slab) - len(slab) % depth
            for z in range(0, whole, depth):
                self._write_layer(slab[z : z + depth])
            self.pending = [slab[whole:].copy()] if whole < len(slab) else []

    def finish(self) -> None:
        if self.dataset is None:
            raise ValueError(f"dataset '{self.name}' has no slabs to write")
        if self.pending:
            self._write_layer(np.concatenate(self.pending))

    def _write_layer(self, layer: np.ndarray) -> None:
        assert self.dataset is not None
        z, (_, cy, cx) = self.dataset.shape[0], self.chunks
        self.dataset.resize(z + len(layer), axis=0)
        for y in range(0, layer.shape[1], cy):
            for x in range(0, layer.shape[2], cx):
                block = layer[:, y : y + cy, x : x + cx]
                if block.shape != self.chunks:
                    padding = [(0, size - have) for size, have in zip(self.chunks, block.shape, strict=True)]
                    block = np.pad(block, padding)
                packed = imagecodecs.deflate_encode(np.ascontiguousarray(block).tobytes(), level=FASTEST)
                self.dataset.id.write_direct_chunk((z, y, x), packed)


def _write_contiguous(file: h5py.File, name: str, source: Any) -> None:
    if len(source.shape) != 3:
        raise ValueError(f"dataset '{name}': an array of shape {tuple(source.shape)} has not three axes (z, y, x)")
    dataset: h5py.Dataset | None = None
    z = 0
    for slab in _slabs(source, 1):
        if dataset is None:
            dataset = file.create_dataset(name, tuple(source.shape), slab.dtype)
        dataset[z : z + len(slab)] = slab
        z += len(slab)


def _slabs(source: Any, multiple: int) -> Iterator[np.ndarray]:
    """An array in slabs of some 32 MiB, each a multiple of so many sections."""
    sections = len(source)
    first = np.asarray(source[0:1])
    depth = max(SLAB_BYTES // max(first.nbytes, 1) // multiple * multiple, multiple)
    for z in range(0, sections, depth):
        yield np.asarray(source[z : z + depth])


def _needed(chunks: Sequence[int] | None, name: str) -> Size3:
    if chunks is None:
        raise ValueError(
            f"dataset '{name}' comes in slabs, whose number is not known before the last; give chunks, "
            f"such as {CHUNKS}, or an array"
        )
    return three_sizes(chunks, "chunks")
