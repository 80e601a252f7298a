"""Open a store of a prediction in the format of its ending."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.data.files.hdf5_prediction import Hdf5Store
from scripts.data.files.ome_version import checked_version
from scripts.data.files.prediction_store import PredictionStore, Shape
from scripts.data.files.zarr_prediction import ZarrStore

FORMATS = {".zarr": "OME-Zarr", ".h5": "HDF5", ".hdf5": "HDF5"}


def prediction_format(path: str | os.PathLike[str], ome_version: str = "0.5") -> str:
    """Return `OME-Zarr` or `HDF5`, by the ending.

    Raises:
        ValueError: another ending; an unknown version of OME-Zarr, or 0.4 where the format is HDF5.
    """
    ending = Path(path).suffix.lower()
    if ending not in FORMATS:
        raise ValueError(f"'{path}' ends in none of {', '.join(FORMATS)}, so its format is not known; add an ending")
    if checked_version(ome_version) != "0.5" and FORMATS[ending] == "HDF5":
        raise ValueError(
            f"--ome_version {ome_version} is of OME-Zarr and '{path}' is HDF5; give a .zarr, or leave it out"
        )
    return FORMATS[ending]


def open_store(
    path: Path,
    kind: str,
    shape: Shape,
    dtype: str,
    chunks: Sequence[int],
    voxel_size_nm: Sequence[float] | None = None,
    corner: Sequence[int] = (0, 0, 0),
    attributes: Mapping[str, Any] | None = None,
    ome_version: str = "0.5",
) -> PredictionStore:
    """Return a store to fill: a new one or, where there is one at `path`, that one as it was left.

    Args:
        path: folder or file.
        kind: `OME-Zarr` or `HDF5`.
        shape: (channels, z, y, x).
        dtype: numpy's name of the type.
        chunks: voxels (z, y, x) of a Zarr chunk.
        voxel_size_nm: (z, y, x) in nm, if known.
        corner: first voxel of the prediction in the volume, (z, y, x).
        attributes: metadata to store with the array.
        ome_version: `0.5` or `0.4`, of OME-Zarr.
    """
    notes = {"offset": [int(n) for n in corner], **(attributes or {})}
    if kind == "HDF5":
        return Hdf5Store(path, shape, dtype, voxel_size_nm, corner, notes)
    return ZarrStore(path, shape, dtype, chunks, voxel_size_nm, corner, notes, ome_version)
