"""OME-Zarr images with a pyramid, and labels beside an image."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numcodecs import Blosc
from zarr.codecs import BloscCodec

from scripts.data.export.ome_metadata import image_attributes, labels_attributes
from scripts.data.export.pyramid import pyramid_levels
from scripts.data.export.target import Description, Target
from scripts.data.files.ome_version import array_form, checked_version, stored_version, zarr_format
from scripts.ops.box import Offset3

CHUNKS = (16, 128, 128)


class OmeZarrTarget(Target):
    """The group of an OME-Zarr image. Where the folder holds one already it is continued.

    Args:
        folder: of the group.
        about: what is written.
        version: `0.5` (Zarr 3) or `0.4` (Zarr 2).
        chunks: voxels (z, y, x) of a chunk.
    """

    def __init__(self, folder: Path, about: Description, version: str = "0.5", chunks: Sequence[int] = CHUNKS) -> None:
        self.description, self.version = about, checked_version(version)
        z, y, x = (max(1, min(int(chunk), size)) for chunk, size in zip(chunks, about.shape, strict=True))
        self.chunks = (z, y, x)
        self.levels = pyramid_levels(about.shape, about.voxel_size_nm, self.chunks)
        if not is_group(folder):
            self._create(folder)
        self.arrays = [zarr.open_array(folder / str(number), mode="r+") for number in range(len(self.levels))]

    def write(self, level: int, low: Offset3, voxels: np.ndarray) -> None:
        self.arrays[level][self._box(low, [a + b for a, b in zip(low, voxels.shape[-3:], strict=True)])] = voxels

    def read(self, level: int, low: Offset3, high: Offset3) -> np.ndarray:
        return np.asarray(self.arrays[level][self._box(low, high)])

    def _box(self, low: Sequence[int], high: Sequence[int]) -> tuple[slice, ...]:
        box = tuple(slice(first, last) for first, last in zip(low, high, strict=True))
        return box if self.description.channels is None else (slice(None), *box)

    def _create(self, folder: Path) -> None:
        about = self.description
        group = zarr.open_group(folder, mode="a", zarr_format=zarr_format(self.version))
        lead = () if about.channels is None else (about.channels,)
        packed: Any = (BloscCodec if self.version == "0.5" else Blosc)(cname="zstd", clevel=3)
        for number, level in enumerate(self.levels):
            group.create_array(
                str(number),
                shape=(*lead, *level.shape),
                chunks=(*(1 for _ in lead), *self.chunks),
                dtype=about.dtype,
                compressors=packed,
                fill_value=0,
                overwrite=True,
                **array_form(self.version, [*("c" for _ in lead), "z", "y", "x"]),
            )
        group.attrs.update(image_attributes(about, self.levels, self.version))  # last: a group is complete with it


def is_group(folder: Path) -> bool:
    """Whether a folder holds the complete metadata of an OME-Zarr group."""
    if not (folder / "zarr.json").exists() and not (folder / ".zgroup").exists():
        return False
    attributes = zarr.open_group(folder, mode="r").attrs
    return "ome" in attributes or "multiscales" in attributes


def version_of(folder: Path) -> str:
    """Version of an OME-Zarr image that labels are added to.

    Raises:
        ValueError: the folder is no OME-Zarr image.
    """
    if not is_group(folder):
        raise ValueError(f"'{folder}' is no OME-Zarr image, so no labels can be added to it; convert the image first")
    return stored_version(folder)


def add_label_name(folder: Path, name: str) -> None:
    """List labels in the group `labels` of an image, which is made where it is missing."""
    version = version_of(folder)
    group = zarr.open_group(folder / "labels", mode="a", zarr_format=zarr_format(version))
    known = group.attrs.asdict()
    names = known.get("ome", known).get("labels", [])  # type: ignore[union-attr]
    group.attrs.update(labels_attributes([*names, name], version))  # type: ignore[misc]
