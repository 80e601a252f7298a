"""Write a prediction, (channels, z, y, x), in the format that the name of the target asks for."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import zarr

from scripts.data.export.copying import copy_volume, resumable_folder
from scripts.data.export.ome_zarr import OmeZarrTarget
from scripts.data.export.pyramid import PyramidLevel
from scripts.data.export.target import Description, Target
from scripts.data.export.write import Options, levels_text, name_of, parse_target
from scripts.data.files.attributes import attributes
from scripts.data.files.ome_version import checked_version
from scripts.data.files.overwriting import check_overwritten
from scripts.data.files.prediction_store import DATASET
from scripts.data.files.predictions import Prediction
from scripts.data.files.writing import CHUNKS, FASTEST, new_hdf5
from scripts.data.volumes.open import kind_of, split_path
from scripts.data.volumes.open_array import open_array
from scripts.ops.box import Box, Offset3

OF_A_FORMAT = (
    *("ome", "multiscales", "omero", "offset", "offset_nm", "resolution", "voxel_size_nm", "voxel_size", "units"),
    *("unit", "element_size_um", "axes", "axistags", "axis_names", "_ARRAY_DIMENSIONS", "DIMENSION_LABELS"),
)
"""Attributes that the target has from its own format; all others, such as the decoder, are copied."""


class PredictionPart:
    """A box of a prediction.

    Args:
        prediction: that is read.
        box: the part, in its voxels.

    Attributes:
        shape: (channels, z, y, x).
        dtype: as stored.
    """

    def __init__(self, prediction: Prediction, box: Box) -> None:
        self.prediction, self.box = prediction, box
        self.shape, self.dtype = (prediction.shape[0], *box.shape), prediction.dtype.newbyteorder("=")

    def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
        """Slices along the channels, z, y and x, without steps."""
        channels, *inside = key
        ends = [part.indices(extent)[:2] for part, extent in zip(inside, self.box.shape, strict=True)]
        (z0, z1), (y0, y1), (x0, x1) = (
            (low + at, high + at) for (low, high), at in zip(ends, self.box.start, strict=True)
        )
        return self.prediction.read(Box((z0, y0, x0), (z1, y1, x1)), channels)


class Hdf5Target(Target):
    """A dataset (channels, z, y, x) of gzip chunks, of one level.

    Args:
        file: open for writing.
        name: of the dataset.
        about: what is written.
    """

    def __init__(self, file: h5py.File, name: str, about: Description) -> None:
        z, y, x = (min(chunk, size) for chunk, size in zip(CHUNKS, about.shape, strict=True))
        self.description, self.chunks = about, (z, y, x)
        self.levels = [PyramidLevel(about.shape, (1, 1, 1), (1, 1, 1))]
        shape, packed = (about.channels or 1, *about.shape), {"compression": "gzip", "compression_opts": FASTEST}
        self.dataset = file.create_dataset(name, shape, about.dtype, chunks=(1, *self.chunks), **packed)

    def write(self, level: int, low: Offset3, voxels: np.ndarray) -> None:
        z, y, x = (slice(at, at + size) for at, size in zip(low, voxels.shape[-3:], strict=True))
        self.dataset[:, z, y, x] = voxels

    def read(self, level: int, low: Offset3, high: Offset3) -> np.ndarray:
        z, y, x = (slice(at, end) for at, end in zip(low, high, strict=True))
        return np.asarray(self.dataset[:, z, y, x])


def is_prediction(path: str | os.PathLike[str]) -> bool:
    """Whether a path is of an array with four axes and of none with three; what cannot be opened is none."""
    try:
        if kind_of(split_path(os.fspath(path))[0])[0] not in ("hdf5", "zarr", "npy"):
            return False
        with open_array(path, axes=(3, 4)) as array:
            return int(array.ndim) == 4
    except (OSError, ValueError):
        return False


def write_prediction(prediction: Prediction, source: str, box: Box, target: str, options: Options) -> list[str]:
    """Write a box of a prediction; its attributes, such as the decoder, are kept where the format has any.

    Args:
        prediction: open; with the voxel size and position to write.
        source: its path, for the attributes.
        box: the part to write.
        target: as `parse_target`.
        options: how.

    Returns:
        Lines that describe what was written.

    Raises:
        FileExistsError: the target exists, or was begun.
        ValueError: the format holds no prediction, or what would be overwritten holds something else.
        OSError: it cannot be written.
    """
    kind, path, inner = parse_target(target)
    if kind == "precomputed" or (kind == "ome-zarr" and inner is not None):
        raise ValueError(
            f"'{source}' is a prediction of {prediction.shape[0]} channels, which '{target}' does not hold; give a "
            "target NAME.zarr, NAME.h5 or NAME.tif"
        )
    part, size = PredictionPart(prediction, box), prediction.voxel_size_nm
    first = [at + low for at, low in zip(prediction.offset, box.start, strict=True)]
    z, y, x = (at * edge for at, edge in zip(first, size or (1.0, 1.0, 1.0), strict=True))
    about = Description(box.shape, part.dtype, size, (z, y, x), False, part.shape[0], name_of(target))
    notes = {"offset": first, **_plain(attributes(source))}
    if kind == "tiff":
        from scripts.data.export.stacks import write_tiff

        write_tiff(path, part, size, options.overwrite)
        return ["TIFF of axes CZYX, for Fiji; it holds no position and no decoder"]
    if kind == "hdf5":
        if options.overwrite:
            check_overwritten(path, [inner or DATASET])
        with new_hdf5(path, size, options.overwrite, notes) as file:
            copy_volume(part, Hdf5Target(file, inner or DATASET, about), None, options.progress)
        return []
    return [_write_ome_zarr(path, part, about, notes, options)]


def _write_ome_zarr(
    path: Path, part: PredictionPart, about: Description, notes: Mapping[str, Any], options: Options
) -> str:
    version = checked_version(options.version)
    with resumable_folder(path, {**options.plan, "version": version}, options.resume, options.overwrite) as opened:
        folder, record = opened
        target = OmeZarrTarget(folder, about, version)
        copy_volume(part, target, record, options.progress)
        zarr.open_group(folder, mode="r+").attrs.update(notes)
    return f"OME-Zarr {version}, {levels_text(target)}"


def _plain(found: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as text, numbers and lists, without those that a format writes itself."""
    kept = {}
    for name, value in found.items():
        value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        value = json.dumps(value) if isinstance(value, Mapping) else value
        if name not in OF_A_FORMAT and isinstance(value, str | int | float | list):
            kept[name] = value
    return kept
