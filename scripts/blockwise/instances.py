"""The instances as a Zarr group, filled block by block or at once."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from scripts.blockwise.grid import Size3

CHUNK = (32, 128, 128)
"""Voxels of a chunk where the prediction has none."""


def chunk_of(shape: Size3, of_prediction: Sequence[int] | None) -> Size3:
    """(z, y, x) voxels of a chunk of the instances: those of the prediction, as far as the volume goes."""
    z, y, x = (min(size, step) for size, step in zip(shape, of_prediction or CHUNK, strict=True))
    return z, y, x


def create_instances(
    folder: Path, dtypes: Mapping[str, np.dtype], shape: Size3, chunk: Size3, attributes: Mapping[str, Any]
) -> None:
    """An empty Zarr 3 group with an array for each name; nothing is done where one is there already."""
    if (folder / "zarr.json").exists():
        return
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    group = zarr.open_group(fresh, mode="w", zarr_format=3, attributes=dict(attributes))
    for name, dtype in dtypes.items():
        group.create_array(
            name,
            shape=shape,
            dtype=dtype,
            chunks=chunk,
            compressors=BloscCodec(cname="zstd", clevel=1, shuffle="shuffle"),
            dimension_names=("z", "y", "x"),
        )
    os.replace(fresh, folder)


def write_instances(
    path: Path, datasets: Mapping[str, np.ndarray], chunk: Size3, attributes: Mapping[str, Any]
) -> None:
    """Write instances that are in memory, as a folder that appears under its name when it is complete."""
    partial, replaced = (path.with_name(f".{path.name}.{os.getpid()}.{state}") for state in ("partial", "replaced"))
    try:
        shape = next(iter(datasets.values())).shape
        dtypes = {name: labels.dtype for name, labels in datasets.items()}
        create_instances(partial, dtypes, (shape[0], shape[1], shape[2]), chunk, attributes)
        for name, labels in datasets.items():
            zarr.open_array(partial / name, mode="r+")[:] = labels
        if path.exists():  # moved aside, as removing it may take minutes in which a stop would lose both
            os.replace(path, replaced)
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(replaced, ignore_errors=True)
