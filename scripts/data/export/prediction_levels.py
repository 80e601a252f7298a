"""Coarser levels of a prediction that inference wrote as OME-Zarr."""

from pathlib import Path
from typing import Any

import numpy as np
import zarr

from scripts.data.export.copying import copy_volume
from scripts.data.export.ome_metadata import image_attributes
from scripts.data.export.ome_zarr import OmeZarrTarget
from scripts.data.export.pyramid import pyramid_levels
from scripts.data.export.target import Description
from scripts.data.files.ome_version import array_form, stored_version
from scripts.data.files.prediction_store import DATASET
from scripts.data.volumes.ome_zarr import level_at, multiscales

FINEST = "0"


class PredictionPyramid(OmeZarrTarget):
    """The group of a prediction, with its finest level as it is and empty arrays for the others.

    Args:
        folder: of the group, with one level.
    """

    def __init__(self, folder: Path) -> None:
        group = zarr.open_group(folder, mode="r+")
        finest = zarr.open_array(folder / FINEST, mode="r+")
        level = level_at(_image(group), 0, str(folder))
        channels, *shape = finest.shape
        z, y, x = finest.chunks[1:]
        self.version, self.chunks = stored_version(folder), (z, y, x)
        self.levels = pyramid_levels(shape, level.voxel_size_nm, self.chunks)
        about = Description(
            self.levels[0].shape,
            np.dtype(finest.dtype),
            level.voxel_size_nm,
            level.offset_nm,
            labels=False,
            channels=channels,
            name=DATASET,
        )
        self.description = about
        coarser = [
            group.create_array(
                str(number),
                shape=(channels, *level.shape),
                chunks=finest.chunks,
                dtype=about.dtype,
                compressors=finest.compressors,
                fill_value=0,
                overwrite=True,
                **array_form(self.version, ("c", "z", "y", "x")),
            )
            for number, level in enumerate(self.levels[1:], 1)
        ]
        self.arrays = [finest, *coarser]


def add_levels(folder: Path) -> int:
    """Add coarser levels, each the mean of the one before it, to a prediction; nothing is done where it has them.

    The metadata name them in the end, so a run that was stopped starts again from the finest level.

    Args:
        folder: of the OME-Zarr group.

    Returns:
        How many levels the prediction has.

    Raises:
        OSError: they cannot be written.
    """
    group = zarr.open_group(folder, mode="r+")
    listed = len(_image(group)["datasets"])
    if listed > 1:
        return listed
    pyramid = PredictionPyramid(folder)
    copy_volume(pyramid.arrays[0], pyramid, first=1)
    group.attrs.update(image_attributes(pyramid.description, pyramid.levels, pyramid.version))
    return len(pyramid.levels)


def _image(group: zarr.Group) -> Any:
    return multiscales(group.attrs.asdict())
