"""The interface of every volume: shape, dtype, voxel size, and `volume[z, y, x]`, which reads only that box."""

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from scripts.data.volumes.indexing import select
from scripts.data.volumes.voxel_size import VoxelSize, checked_voxel_size
from scripts.ops.box import Offset3, Size3

_opening = threading.RLock()
"""One thread opens a file at a time."""


def _new_lock_in_child() -> None:
    global _opening
    _opening = threading.RLock()  # another thread of the parent may own the old one


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock_in_child)


class Volume(ABC):
    """A lazy (z, y, x) array of grey values or labels in a file.

    Indexing takes integers, slices (with steps, also negative) and an ellipsis, by numpy's rules, and gives a fresh
    C-contiguous array in native byte order. A volume opens its file on the first read in each process, so it may be
    handed to worker processes by fork or by pickling; pickled, it is a path and a few numbers.

    Attributes:
        path: the path it was opened by, with the dataset that was taken; "" for one in memory.
        shape: voxels (z, y, x).
        dtype: type of a voxel, in native byte order.
        voxel_size_nm: edge lengths of a voxel (z, y, x) in nm, or None where the file does not state it.
        offset_nm: position of the first voxel (z, y, x) in nm, or None where the file does not state one.
        offset: position of the first voxel (z, y, x) in voxels of a larger volume, or None where none is stated.
        orientation: letters of the directions of z, y, x in space, such as "SPR", or "" where none are stated.
        fork_safe: whether worker processes that read it may be made by fork.
    """

    path: str
    shape: Size3
    dtype: np.dtype
    voxel_size_nm: VoxelSize | None
    offset_nm: VoxelSize | None = None
    offset: tuple[float, float, float] | None = None
    orientation: str = ""
    fork_safe: bool = True
    ndim = 3

    def __init__(
        self, path: str, shape: Sequence[int], dtype: np.dtype, voxel_size_nm: Sequence[float] | None = None
    ) -> None:
        self.path = path
        self.shape, self.dtype = checked_array(shape, dtype, path or "the array")
        self.voxel_size_nm = None if voxel_size_nm is None else checked_voxel_size(voxel_size_nm, path or "the array")
        self._handle: Any = None
        self._pid = -1

    def __getitem__(self, key: object) -> np.ndarray:
        low, high, steps, extent, shape = select(key, self.shape)
        if 0 in extent:
            return np.empty(shape, self.dtype)
        if steps is None:
            block = self._read(low, high)
        elif abs(steps[0].step or 1) > 1:  # leave the sections between unread
            block = np.empty(extent, self.dtype)
            sections = range(low[0], high[0], abs(steps[0].step))
            for row, z in enumerate(sections if steps[0].step > 0 else reversed(sections)):
                block[row] = self._read((z, *low[1:]), (z + 1, *high[1:]))[0, steps[1], steps[2]]
        else:
            block = np.ascontiguousarray(self._read(low, high)[steps])
        return block if len(shape) == 3 else block.reshape(shape)[()]

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError(f"the voxels of {self!r} cannot be taken without reading them; leave copy=False out")
        whole = self[...]
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes of all voxels, were they read."""
        return self.shape[0] * self.shape[1] * self.shape[2] * self.dtype.itemsize

    def __repr__(self) -> str:
        size = "unknown" if self.voxel_size_nm is None else " x ".join(f"{nm:g}" for nm in self.voxel_size_nm)
        return f"{type(self).__name__}('{self.path}', shape={self.shape}, {self.dtype}, voxel size {size} nm)"

    @abstractmethod
    def _read(self, low: Offset3, high: Offset3) -> np.ndarray:
        """The voxels of a non-empty box inside the volume: fresh, C-contiguous, native byte order."""

    def _open(self, inherited: Any) -> Any:
        """What this process needs to read; `inherited` is what the process had before a fork, or None."""
        return None

    def _close(self, handle: Any) -> None:  # noqa: B027 - most volumes have nothing to do here
        """Close what `_open` returned."""

    def _opened(self) -> Any:
        if self._pid != os.getpid():
            with _opening:
                if self._pid != os.getpid():
                    self._handle = self._open(self._handle)
                    self._pid = os.getpid()
        return self._handle

    def remarks(self) -> list[str]:
        """What the user should know about the file before its voxels are used, one sentence each: what it lacks, and
        what it states that is not applied."""
        return []

    @property
    def position(self) -> tuple[float, float, float] | None:
        """Position of the first voxel (z, y, x) in voxels of a larger volume, from `offset` or `offset_nm`."""
        if self.offset is not None or self.offset_nm is None or self.voxel_size_nm is None:
            return self.offset
        z, y, x = (at / edge for at, edge in zip(self.offset_nm, self.voxel_size_nm, strict=True))
        return float(f"{z:.9g}"), float(f"{y:.9g}"), float(f"{x:.9g}")

    def close(self) -> None:
        """Close the file. A later read opens it again."""
        handle, self._handle, pid, self._pid = self._handle, None, self._pid, -1
        if handle is not None and pid == os.getpid():
            self._close(handle)

    def __enter__(self) -> "Volume":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_handle": None, "_pid": -1}


class ArrayVolume(Volume):
    """A volume over an array in memory, for small data and tests; reads are copies.

    Args:
        array: voxels (z, y, x).
        voxel_size_nm: edge lengths of a voxel (z, y, x) in nm, if known.

    Example:
        >>> ArrayVolume(np.zeros((4, 8, 8), np.uint8), (30, 6, 6))[0, 2:4, 0].tolist()
        [0, 0]
    """

    def __init__(self, array: Any, voxel_size_nm: Sequence[float] | None = None) -> None:
        self._array = np.asarray(array)
        super().__init__("", self._array.shape, self._array.dtype, voxel_size_nm)

    def _read(self, low: Offset3, high: Offset3) -> np.ndarray:
        (z0, y0, x0), (z1, y1, x1) = low, high
        return np.array(self._array[z0:z1, y0:y1, x0:x1], dtype=self.dtype, order="C")


def long_axes(shape: Sequence[int], wanted: int = 3) -> list[int]:
    """The axes to read of an array that may have axes of length 1 beside z, y, x.

    Of more axes than wanted, those of length 1 are left out: the first ones first, so that a volume of one section
    keeps its z.

    Args:
        shape: of the stored array.
        wanted: axes to keep: 3 of a volume, 4 of the channels of a prediction.

    Returns:
        Numbers of the axes that are kept, as many as wanted unless more are longer than 1.
    """
    kept = list(range(len(shape)))
    for axis, size in enumerate(shape):
        if len(kept) > wanted and size == 1:
            kept.remove(axis)
    return kept


def checked_array(shape: Sequence[int], dtype: Any, place: str) -> tuple[Size3, np.dtype]:
    """A (z, y, x) shape and a native dtype that a volume can have.

    Raises:
        ValueError: not three axes, no voxels, or voxels that are not plain numbers.
    """
    shape = tuple(map(int, shape))
    if len(shape) != 3:
        ways = {
            2: "a single section; give the folder or the stack that holds all sections",
            4: "save one channel or time point as an array (z, y, x) and open that",
        }
        raise ValueError(
            f"'{place}' has {len(shape)} axes, shape {shape}, where a volume has three (z, y, x): "
            f"{ways.get(len(shape), 'save the volume as an array (z, y, x)')}"
        )
    if 0 in shape:
        raise ValueError(f"'{place}' has no voxels, shape {shape} (z, y, x); check how it was written")
    dtype = np.dtype(dtype)
    if dtype.kind not in "buif":
        raise ValueError(
            f"'{place}' holds voxels of type {dtype}, not whole or real numbers; save it as uint8, uint16 or float32"
        )
    return (shape[0], shape[1], shape[2]), dtype.newbyteorder("=")
