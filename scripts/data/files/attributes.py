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
            found = {**opened.attrs, **(opened[name].attrs if name in opened else {})}
            return {key: _printable(value) for key, value in found.items()}
    if file.rstrip("/").endswith(".zarr"):
        import zarr

        return {key: _printable(value) for key, value in zarr.open(file, mode="r").attrs.items()}
    return {}


def _printable(value: Any) -> Any:
    """Text with a question mark for each byte that is no UTF-8, which no terminal prints; another value as it is."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value
