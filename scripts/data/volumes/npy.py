"""NumPy's `.npy`: mapped, never loaded."""

import os
from collections.abc import Sequence

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
    with open(path, "rb") as file:
        try:
            version = npy_format.read_magic(file)
            read_header = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
            shape, fortran, stored = read_header(file)
        except (ValueError, EOFError) as error:
            raise ValueError(f"'{path}' is corrupt or no .npy file ({error}); write it again with numpy.save") from None
        offset = file.tell()
    shape = tuple(shape[axis] for axis in long_axes(shape))
    checked_array(shape, stored, path)
    check_size(os.path.getsize(path), offset + int(np.prod(shape, dtype=object)) * stored.itemsize, path)
    return MappedVolume(
        path, path, shape, stored, voxel_size_nm, offset, order="F" if fortran else "C", cache_mib=cache_mib
    )
