"""Open a store of a prediction in the format of its ending."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.data.files.hdf5_prediction import Hdf5Store
from scripts.data.files.prediction_store import PredictionStore, Shape
from scripts.data.files.zarr_prediction import ZarrStore

FORMATS = {".zarr": "OME-Zarr", ".h5": "HDF5", ".hdf5": "HDF5"}


def prediction_format(path: str | os.PathLike[str]) -> str:
    """Return `OME-Zarr` or `HDF5`, by the ending.

    Raises:
        ValueError: another ending.
    """
    ending = Path(path).suffix.lower()
    if ending not in FORMATS:
        raise ValueError(f"'{path}' ends in none of {', '.join(FORMATS)}, so its format is not known; add an ending")
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
    """
    notes = {"offset": [int(n) for n in corner], **(attributes or {})}
    if kind == "HDF5":
        return Hdf5Store(path, shape, dtype, voxel_size_nm, corner, notes)
    return ZarrStore(path, shape, dtype, chunks, voxel_size_nm, corner, notes)
