"""NumPy's `.npy`: mapped, never loaded."""

import os
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.lib import format as npy_format

from scripts.data.volumes.file_pages import check_size
from scripts.data.volumes.mapped import MappedVolume
from scripts.data.volumes.volume import Volume, checked_array, long_axes


def open_npy(path: str, voxel_size_nm: Sequence[float] | None, cache_mib: float) -> Volume:
    """A `.npy` file as a volume; it states no voxel size.

    Raises:
        ValueError: no `.npy` header, not a 3D array of numbers, or cut off.
    """
    header = _header(path)
    shape = tuple(header.shape[axis] for axis in long_axes(header.shape))
    checked_array(shape, header.stored, path)
    order: Literal["C", "F"] = "F" if header.fortran else "C"
    return MappedVolume(
        path, path, shape, header.stored, voxel_size_nm, header.offset, order=order, cache_mib=cache_mib
    )


def map_npy(path: str) -> np.ndarray:
    """The array of a `.npy` file, mapped.

    Raises:
        ValueError: no `.npy` header, no numbers, or cut off.
    """
    header = _header(path)
    order: Literal["C", "F"] = "F" if header.fortran else "C"
    return np.memmap(path, header.stored, "r", header.offset, header.shape, order)


class _Header(NamedTuple):
    shape: tuple[int, ...]
    stored: np.dtype
    fortran: bool
    offset: int


def _header(path: str) -> _Header:
    with open(path, "rb") as file:
        try:
            version = npy_format.read_magic(file)
            read_header = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
            shape, fortran, stored = read_header(file)
        except Exception as error:  # numpy parses the header as Python: tokenize.TokenError, SyntaxError, ...
            reason = " ".join(str(error).split())[:120]
            raise ValueError(
                f"'{path}' is corrupt or no .npy file ({reason}); write it again with numpy.save"
            ) from None
        offset = file.tell()
    if stored.hasobject:
        raise ValueError(f"'{path}' holds Python objects, which are not read; save the numbers alone with numpy.save")
    if len(shape) > 32 or any(int(size) < 0 for size in shape):
        raise ValueError(f"'{path}' has the impossible shape {shape}; write it again with numpy.save")
    check_size(os.path.getsize(path), offset + int(np.prod(shape, dtype=object)) * stored.itemsize, path)
    return _Header(shape, stored, fortran, offset)
