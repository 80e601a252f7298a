"""OME-Zarr images with a pyramid, and labels beside an image."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numcodecs import Blosc
from zarr.codecs import BloscCodec

from scripts.data.export.ome_metadata import image_attributes, labels_attributes
from scripts.data.export.pyramid import levels_of_factors, pyramid_levels
from scripts.data.export.target import Description, Target
from scripts.data.files.ome_version import array_form, checked_version, stored_version, zarr_format
from scripts.data.volumes.ome_zarr import multiscales
from scripts.ops.box import Offset3, Size3

CHUNKS = (16, 128, 128)


class OmeZarrTarget(Target):
    """The group of an OME-Zarr image. Where the folder holds one already it is continued.

    Args:
        folder: of the group.
        about: what is written.
        version: `0.5` (Zarr 3) or `0.4` (Zarr 2).
        chunks: voxels (z, y, x) of a chunk.
        factors: of each level, see `levels_of_factors`; by default as `pyramid_levels` chooses them.
    """

    def __init__(
        self,
        folder: Path,
        about: Description,
        version: str = "0.5",
        chunks: Sequence[int] = CHUNKS,
        factors: Sequence[Size3] | None = None,
    ) -> None:
        self.description, self.version = about, checked_version(version)
        z, y, x = (max(1, min(int(chunk), size)) for chunk, size in zip(chunks, about.shape, strict=True))
        self.chunks = (z, y, x)
        self.levels = (
            pyramid_levels(about.shape, about.voxel_size_nm, self.chunks)
            if factors is None
            else levels_of_factors(about.shape, factors)
        )
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


def factors_of_image(folder: Path) -> list[Size3] | None:
    """For each level of an image, how many voxels (z, y, x) of the finest one become one: labels have the same levels.

    Returns:
        None where they are no whole multiples of the level before.

    Raises:
        ValueError: the metadata of the image state no scales.
    """
    image: Any = multiscales(zarr.open_group(folder, mode="r").attrs.asdict())
    try:
        scales = [
            [float(edge) for edge in change["scale"][-3:]]
            for level in image["datasets"]
            for change in level["coordinateTransformations"]
            if change["type"] == "scale"
        ]
        damaged = min(edge for scale in scales for edge in scale) <= 0 or len(scales) != len(image["datasets"])
    except (KeyError, TypeError, ValueError):
        damaged = True
    if damaged:
        raise ValueError(
            f"the OME-Zarr metadata of '{folder}' state no scale of its levels; fix them before adding labels"
        )
    factors: list[Size3] = []
    for scale in scales:
        ratios = [edge / finest for edge, finest in zip(scale, scales[0], strict=True)]
        z, y, x = map(round, ratios)
        before = factors[-1] if factors else (1, 1, 1)
        whole = all(abs(ratio - by) < 0.01 * by for ratio, by in zip(ratios, (z, y, x), strict=True))
        if not whole or any(by % last for by, last in zip((z, y, x), before, strict=True)):
            return None
        factors.append((z, y, x))
    return factors


def add_label_name(folder: Path, name: str) -> None:
    """List labels in the group `labels` of an image, which is made where it is missing."""
    version = version_of(folder)
    group = zarr.open_group(folder / "labels", mode="a", zarr_format=zarr_format(version))
    known = group.attrs.asdict()
    names = known.get("ome", known).get("labels", [])  # type: ignore[union-attr]
    group.attrs.update(labels_attributes([*names, name], version))  # type: ignore[misc]
