"""Attributes of a prediction or segmentation: what the program that wrote it noted."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

ENDINGS = (".h5", ".hdf5", ".hdf")


def attributes(path: str) -> Mapping[str, Any]:
    """Attributes of an HDF5 file or Zarr folder, and of the array named after the colon; none of any other file.

    Args:
        path: `file.h5`, `file.h5:dataset`, `x.zarr` or `x.zarr:array`.
    """
    file, _, name = str(path).partition(":")
    if not Path(file).exists():
        return {}
    if file.endswith(ENDINGS):
        with h5py.File(file, "r") as opened:
            return {**opened.attrs, **(opened[name].attrs if name in opened else {})}
    if file.rstrip("/").endswith(".zarr"):
        import zarr

        return dict(zarr.open(file, mode="r").attrs)
    return {}
