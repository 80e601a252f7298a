"""A volume, or a prediction, as one file of sections: a TIFF stack, for Fiji."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from scripts.data.files.replacing import replacing

CLASSIC_LIMIT = 2**32 - 2**25
TYPES = ("bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64")
"""Types of a voxel that OME has."""


def write_tiff(path: Path, volume: Any, voxel_size_nm: Sequence[float] | None, overwrite: bool = False) -> Path:
    """Write a TIFF stack, section by section, with its voxel size as OME states it; BigTIFF above 4 GiB.

    OME has no 16-bit floats, which become 32-bit ones.

    Args:
        path: the file.
        volume: what to write: shape (z, y, x) or (channels, z, y, x), dtype, and slices.
        voxel_size_nm: (z, y, x) in nm, if known.
        overwrite: replace an earlier file.

    Raises:
        FileExistsError: the file exists and `overwrite` is False.
        ValueError: a type that OME has not, such as 64-bit ids.
        OSError: no space left.
    """
    metadata: dict[str, object] = {"axes": "CZYX"[-len(volume.shape) :]}
    if voxel_size_nm is not None:
        for axis, edge in zip("ZYX", voxel_size_nm, strict=True):
            metadata |= {f"PhysicalSize{axis}": float(edge), f"PhysicalSize{axis}Unit": "nm"}
    dtype = np.dtype(np.float32) if volume.dtype == np.float16 else np.dtype(volume.dtype)
    if dtype.name not in TYPES:
        raise ValueError(
            f"'{path}': OME-TIFF has no voxels of type {dtype}, it has {', '.join(TYPES)}; write .h5 or .zarr, or save "
            "ids as uint32 first"
        )

    def sections() -> Iterator[np.ndarray]:
        for place in np.ndindex(*volume.shape[:-2]):
            one = (*(slice(at, at + 1) for at in place), slice(None), slice(None))
            yield np.asarray(volume[one], dtype).reshape(volume.shape[-2:])

    with replacing(path, overwrite) as partial:
        tifffile.imwrite(
            partial,
            sections(),
            shape=volume.shape,
            dtype=dtype,
            photometric="minisblack",
            compression="zlib",
            ome=True,
            bigtiff=int(np.prod(volume.shape)) * dtype.itemsize > CLASSIC_LIMIT,
            metadata=metadata,
        )
    return path
