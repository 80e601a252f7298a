"""Neuroglancer precomputed volumes: images raw, labels as compressed_segmentation of 64-bit ids."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.data.export.pyramid import pyramid_levels
from scripts.data.export.target import Description, Target
from scripts.data.volumes.cloud import load_tensorstore
from scripts.ops.box import Offset3

CHUNKS = (32, 64, 64)
IMAGE_TYPES = ("uint8", "uint16", "uint32", "uint64", "float32", "int8", "int16", "int32")


class PrecomputedTarget(Target):
    """A precomputed volume in a folder. Where the folder holds one already it is continued.

    Args:
        folder: of `info`.
        about: what is written; ids become uint64.
        chunks: voxels (z, y, x) of a chunk.

    Raises:
        ImportError: the extra `cloud` is not installed.
        ValueError: a type that the format has not, negative ids, channels, or an offset that is no whole number of
            voxels.
    """

    def __init__(self, folder: Path, about: Description, chunks: Sequence[int] = CHUNKS) -> None:
        if about.channels is not None:
            raise ValueError(
                "a prediction of several channels is written as OME-Zarr; give a target that ends in .zarr"
            )
        if about.labels:
            if about.dtype.kind not in "ui":
                raise ValueError(
                    f"labels of type {about.dtype} are no ids; precomputed segmentations hold whole numbers"
                )
            about = about._replace(dtype=np.dtype(np.uint64))
        elif about.dtype.name not in IMAGE_TYPES:
            raise ValueError(f"precomputed has no images of type {about.dtype}; it has {', '.join(IMAGE_TYPES)}")
        self.description, self.folder = about, folder
        z, y, x = map(int, chunks)
        self.chunks = (z, y, x)
        self._first = _whole_offset(about)
        levels = pyramid_levels(about.shape, about.voxel_size_nm, self.chunks)
        self.levels = [  # the format knows whole offsets only, so an odd one ends the pyramid
            level for level in levels if not any(at % by for at, by in zip(self._first, level.factors, strict=True))
        ]
        tensorstore = load_tensorstore(str(folder))
        if not (folder / "info").exists():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "info").write_text(json.dumps(self._info(), indent=1))
        self.arrays = [
            tensorstore.open(
                {
                    "driver": "neuroglancer_precomputed",
                    "kvstore": {"driver": "file", "path": f"{folder.absolute()}/"},
                    "scale_index": number,
                }
            ).result()[tensorstore.d[:].translate_to[0]]
            for number in range(len(self.levels))
        ]

    def write(self, level: int, low: Offset3, voxels: np.ndarray) -> None:
        if self.description.labels and voxels.dtype.kind == "i" and voxels.size and voxels.min() < 0:
            raise ValueError(
                f"id {voxels.min()} is negative, and precomputed ids are from 0 up; give unknown voxels the id 0"
            )
        z, y, x = (slice(first, first + size) for first, size in zip(low, voxels.shape, strict=True))
        self.arrays[level][x, y, z, 0].write(voxels.astype(self.description.dtype).T).result()

    def read(self, level: int, low: Offset3, high: Offset3) -> np.ndarray:
        z, y, x = (slice(first, last) for first, last in zip(low, high, strict=True))
        return np.ascontiguousarray(self.arrays[level][x, y, z, 0].read().result().T)

    def _info(self) -> dict[str, Any]:
        about = self.description
        size = about.voxel_size_nm or (1.0, 1.0, 1.0)
        scales = []
        for level in self.levels:
            edges = [edge * factor for edge, factor in zip(size, level.factors, strict=True)][::-1]
            scales.append(
                {
                    "key": "_".join(f"{edge:g}" for edge in edges),
                    "resolution": edges,
                    "size": list(level.shape[::-1]),
                    "voxel_offset": [at // by for at, by in zip(self._first, level.factors, strict=True)][::-1],
                    "chunk_sizes": [list(self.chunks[::-1])],
                    "encoding": "compressed_segmentation" if about.labels else "raw",
                    **({"compressed_segmentation_block_size": [8, 8, 8]} if about.labels else {}),
                }
            )
        return {
            "@type": "neuroglancer_multiscale_volume",
            "type": "segmentation" if about.labels else "image",
            "data_type": about.dtype.name,
            "num_channels": 1,
            "scales": scales,
        }


def _whole_offset(about: Description) -> list[int]:
    """The first voxel (z, y, x), counted in voxels."""
    size = about.voxel_size_nm or (1.0, 1.0, 1.0)
    first = [round(at / edge, 6) for at, edge in zip(about.offset_nm or (0.0, 0.0, 0.0), size, strict=True)]
    if any(at != int(at) for at in first):
        raise ValueError(
            f"the first voxel is at {about.offset_nm} nm (z, y, x), no whole number of voxels of {size} nm, which "
            "precomputed asks for; write OME-Zarr"
        )
    return [int(at) for at in first]
