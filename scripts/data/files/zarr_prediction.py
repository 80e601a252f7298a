"""A prediction as OME-Zarr."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numcodecs import Blosc
from zarr.codecs import BloscCodec

from scripts.data.files.ome_version import array_form, image_group, zarr_format
from scripts.data.files.prediction_store import DATASET, PredictionStore, Shape
from scripts.data.volumes.voxel_size import checked_voxel_size

SCALE = "0"
"""Name of the array in an OME-Zarr group: its finest and only scale."""


class ZarrStore(PredictionStore):
    """Chunks of a Zarr array, each written once, when all of its voxels are known.

    Args:
        folder: of the group.
        chunks: voxels of a chunk (z, y, x), of one channel.
        shape, dtype, voxel_size_nm, corner, attributes: as `open_store`.
        version: of OME-Zarr, `0.5` (Zarr 3) or `0.4` (Zarr 2).
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
        version: str = "0.5",
    ) -> None:
        self.shape = shape
        z, y, x = (max(1, min(int(chunk), size)) for chunk, size in zip(chunks, shape[1:], strict=True))
        self.chunks = (z, y, x)
        if (folder / SCALE).exists():
            self.array = zarr.open_array(folder / SCALE, mode="r+")
        else:
            about: Any = {**image_group(_multiscale(voxel_size_nm, corner), version), **attributes}
            group = zarr.open_group(folder, mode="w", zarr_format=zarr_format(version), attributes=about)
            self.array = group.create_array(
                SCALE,
                shape=shape,
                dtype=dtype,
                chunks=(1, *self.chunks),
                compressors=_compressor(version),
                fill_value=0,
                **array_form(version, ("c", "z", "y", "x")),
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
        """Add a block's share of one row of chunks along x; write the row when it is complete."""
        (low_z, high_z), (low_y, high_y) = (
            (place * size, min(place * size + size, whole))
            for place, size, whole in zip((row, line), self.chunks[:2], self.shape[1:3], strict=True)
        )
        z0, z1 = max(z, low_z), min(z + block.shape[1], high_z)
        y0, y1 = max(y, low_y), min(y + block.shape[2], high_y)
        part = block[:, z0 - z : z1 - z, y0 - y : y1 - y]
        if (row, line) not in self._waiting:
            row_of_chunks = np.empty((self.shape[0], high_z - low_z, high_y - low_y, self.shape[3]), block.dtype)
            self._waiting[row, line] = row_of_chunks, [row_of_chunks[0, :, :, 0].size]
        row_of_chunks, missing = self._waiting[row, line]
        row_of_chunks[:, z0 - low_z : z1 - low_z, y0 - low_y : y1 - low_y] = part
        missing[0] -= part[0, :, :, 0].size
        if missing[0] == 0:
            self.array[:, low_z:high_z, low_y:high_y] = row_of_chunks
            del self._waiting[row, line]


def _compressor(version: str) -> Any:
    if version == "0.5":
        return BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle")
    return Blosc(cname="zstd", clevel=1, shuffle=Blosc.BITSHUFFLE)


def _multiscale(voxel_size_nm: Sequence[float] | None, corner: Sequence[int]) -> dict[str, Any]:
    """Names and units of the axes, size of a voxel and position of the first one."""
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
