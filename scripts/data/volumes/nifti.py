"""NIfTI: stored x fastest, which is our (z, y, x) as stored; mapped, after unpacking where it is compressed."""

import gzip
import os
import tempfile
import zlib
from collections.abc import Sequence
from typing import Any, BinaryIO, cast

import nibabel
import numpy as np

from scripts.data.volumes.file_pages import check_size
from scripts.data.volumes.mapped import MappedVolume
from scripts.data.volumes.volume import Volume, checked_array
from scripts.data.volumes.voxel_size import VoxelSize, in_nanometres
from scripts.ops.box import Offset3

MORE = 2**22
"""Bytes beyond the voxels that a packed file may have."""


def open_nifti(path: str, voxel_size_nm: Sequence[float] | None, cache_mib: float) -> Volume:
    """A `.nii` or `.nii.gz` file as a volume (z, y, x), as it is stored; a mirrored axis is kept as `orientation`.

    Sizes without a unit are unknown: 30 could be nm, and 0.00003 mm. A compressed file is unpacked into a temporary
    file without a name.

    Raises:
        ValueError: not NIfTI, not 3D, colour, corrupt or cut off, or an orientation that swaps axes.
        OSError: no space to unpack it.
    """
    try:
        image = cast(nibabel.Nifti1Image, nibabel.load(path))
        header, proxy = image.header, cast(Any, image.dataobj)
        shape, stored = image.shape, header.get_data_dtype()
        slope, intercept, offset = proxy.slope, proxy.inter, proxy.offset
        codes = nibabel.aff2axcodes(image.affine)
    except Exception as error:  # nibabel raises many kinds for damaged headers
        if isinstance(error, PermissionError):
            raise
        raise ValueError(f"'{path}' is corrupt, cut off or no NIfTI file ({error}); copy or export it again") from error
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if stored.fields:
        raise ValueError(f"'{path}' is in colour ({len(stored.fields)} values a voxel); convert it to 8-bit grey")
    checked_array(shape, stored, path)
    size = _voxel_size(header, path) if voxel_size_nm is None else voxel_size_nm
    if codes[0] not in "LR" or codes[1] not in "PA" or codes[2] not in "IS":
        raise ValueError(
            f"'{path}' states an orientation ({''.join(map(str, codes))}) by which its axes are not x, y, z; bring it "
            "to x, y, z with nibabel.as_closest_canonical, or set its affine to the voxel sizes alone"
        )
    scaled = (slope, intercept) if (slope, intercept) != (1.0, 0.0) else None
    volume = NiftiVolume(path, shape[::-1], stored, size, offset, scaled, cache_mib)
    volume.orientation = "".join(map(str, codes))[::-1]
    volume.unitless = [float(zoom) for zoom in header.get_zooms()[:3]][::-1] if size is None else []
    if volume.compressed:
        volume[0, 0, 0]  # unpack now: a file that is cut off shows only then
    else:
        check_size(os.path.getsize(path), offset + volume.stored_bytes, path)
    return volume


class NiftiVolume(MappedVolume):
    """The voxels of a NIfTI file; where the header scales them they are float32."""

    def __init__(
        self,
        path: str,
        shape: Sequence[int],
        stored: np.dtype,
        voxel_size_nm: Sequence[float] | None,
        offset: int,
        scaled: tuple[float, float] | None,
        cache_mib: float,
    ) -> None:
        super().__init__(path, path, shape, stored, voxel_size_nm, offset, cache_mib=cache_mib)
        self.compressed = path.lower().endswith(".gz")
        self._scaled = scaled
        self.unitless: list[float] = []
        if scaled is not None:
            self.dtype = np.dtype(np.float32)

    def remarks(self) -> list[str]:
        """Voxel sizes that are stated without a unit."""
        if not self.unitless or self.unitless == [1.0, 1.0, 1.0]:
            return []
        sizes = " x ".join(f"{edge:g}" for edge in self.unitless)
        return [f"it states voxels of {sizes} (z, y, x) without a unit, so their size is unknown; give voxel_size_nm"]

    def _read(self, low: Offset3, high: Offset3) -> np.ndarray:
        block = super()._read(low, high)
        if self._scaled is None:
            return block
        return block * np.float32(self._scaled[0]) + np.float32(self._scaled[1])

    def _bytes(self) -> BinaryIO:
        return _unpacked(self.path, self._offset + self.stored_bytes) if self.compressed else super()._bytes()


def _unpacked(path: str, needed: int) -> BinaryIO:
    """The bytes of a packed file; no more of them than its header promises and a little."""
    unpacked = tempfile.TemporaryFile()  # noqa: SIM115 - handed to the caller, who closes it
    try:
        with gzip.open(path) as packed:
            while block := packed.read(2**20):
                unpacked.write(block)
                if unpacked.tell() > needed + MORE:
                    unpacked.close()
                    raise ValueError(
                        f"'{path}' unpacks to more than the {needed:,} bytes its header promises; export it again"
                    )
        unpacked.flush()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        unpacked.close()
        raise ValueError(f"'{path}' is corrupt or cut off ({error}); copy or export it again") from error
    except OSError as error:
        unpacked.close()
        raise OSError(
            f"'{path}' cannot be unpacked into '{tempfile.gettempdir()}' ({error}); make space there, set TMPDIR "
            "to a folder that has it, or save the file as .nii"
        ) from error
    return cast(BinaryIO, unpacked)


def _voxel_size(header: Any, path: str) -> VoxelSize | None:
    zooms = [float(f"{zoom:.7g}") for zoom in header.get_zooms()[:3]][::-1]  # stored with 7 digits
    unit = header.get_xyzt_units()[0]
    return None if unit == "unknown" else in_nanometres(zooms, [unit] * 3, path)
