"""A volume as one file of sections: a TIFF stack, for Fiji."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tifffile

from scripts.data.files.replacing import replacing
from scripts.data.volumes.volume import Volume

CLASSIC_LIMIT = 2**32 - 2**25


def write_tiff(path: Path, volume: Volume, voxel_size_nm: Sequence[float] | None, overwrite: bool = False) -> Path:
    """Write a TIFF stack, section by section, with its voxel size as OME states it; BigTIFF above 4 GiB.

    Args:
        path: the file.
        volume: what to write.
        voxel_size_nm: (z, y, x) in nm, if known.
        overwrite: replace an earlier file.

    Raises:
        FileExistsError: the file exists and `overwrite` is False.
        OSError: no space left.
    """
    metadata: dict[str, object] = {"axes": "ZYX"}
    if voxel_size_nm is not None:
        for axis, edge in zip("ZYX", voxel_size_nm, strict=True):
            metadata |= {f"PhysicalSize{axis}": float(edge), f"PhysicalSize{axis}Unit": "nm"}

    def sections() -> Iterator[np.ndarray]:
        for z in range(volume.shape[0]):
            yield volume[z]

    with replacing(path, overwrite) as partial:
        tifffile.imwrite(
            partial,
            sections(),
            shape=volume.shape,
            dtype=volume.dtype,
            photometric="minisblack",
            compression="zlib",
            ome=True,
            bigtiff=volume.nbytes > CLASSIC_LIMIT,
            metadata=metadata,
        )
    return path
