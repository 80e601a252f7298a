"""Where a viewer finds the volumes that a command names: their addresses, their positions, open predictions."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from scripts.data.files import predictions
from scripts.data.files.attributes import made_by
from scripts.data.volumes import Volume
from scripts.data.volumes.cloud import without_secrets
from scripts.data.volumes.open import FORMATS, VIEWER_PREFIXES, kind_of, split_path, without_prefix
from scripts.ops.box import Box, Offset3

HDF5 = FORMATS["hdf5"]


class OpenedPrediction(NamedTuple):
    """Maps of a network, read by slices.

    Attributes:
        array: (channels, z, y, x).
        offset: its first voxel (z, y, x) in the volume, in voxels of its own size.
        voxel_size_nm: (z, y, x) in nm, or None where the file does not state it.
    """

    array: Any
    offset: tuple[int, int, int]
    voxel_size_nm: tuple[float, float, float] | None


class UnsignedLabels(Volume):
    """Labels without negative ids: what is not known, -1, is shown as background.

    Args:
        labels: of a signed type.
    """

    def __init__(self, labels: Volume) -> None:
        unsigned = np.dtype(f"u{labels.dtype.itemsize}")
        super().__init__(labels.path, labels.shape, unsigned, labels.voxel_size_nm)
        self.labels, self.fork_safe = labels, labels.fork_safe
        self.offset, self.offset_nm = labels.offset, labels.offset_nm

    def _read(self, low: Offset3, high: Offset3) -> np.ndarray:
        box = tuple(slice(first, end) for first, end in zip(low, high, strict=True))
        return np.maximum(self.labels[box], 0).astype(self.dtype)

    def close(self) -> None:
        """Close the file. A later read opens it again."""
        self.labels.close()


def open_prediction(path: str) -> OpenedPrediction:
    """Open maps (channels, z, y, x) of HDF5, Zarr or .npy; their voxels are read when they are shown.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no array of four axes, or several.
    """
    if "://" in path:
        raise ValueError(f"prediction '{without_secrets(path)}' is at an address; copy it, it is read from a file")
    file, _, name = path.partition(":")
    if not os.path.exists(file):
        raise FileNotFoundError(f"prediction '{file}' does not exist")
    if file.endswith(HDF5):
        opened = h5py.File(file, "r")
        arrays = {key: node for key, node in opened.items() if isinstance(node, h5py.Dataset) and node.ndim == 4}
        attributes: Any = opened.attrs
    elif file.rstrip("/").endswith(".zarr"):
        import zarr

        group = zarr.open(file, mode="r")
        attributes = group.attrs
        if isinstance(group, zarr.Array):
            arrays = {"": group}
        else:
            arrays = {key: node for key, node in group.arrays() if node.ndim == 4}
            arrays = arrays if name else dict(list(arrays.items())[:1])  # the finest level
    elif file.endswith(".npy"):
        arrays, attributes = {"": np.load(file, mmap_mode="r")}, {}
    else:
        raise ValueError(f"prediction '{file}' is none of .h5, .hdf5, .zarr, .npy")
    chosen = {key: node for key, node in arrays.items() if not name or key == name}
    if len(chosen) != 1:
        raise ValueError(
            f"'{path}' names no single array (channels, z, y, x); there are: {', '.join(arrays) or 'none'}"
        )
    array = next(iter(chosen))
    with predictions.open_prediction(f"{file}:{array}" if array else file) as stated:
        size = stated.voxel_size_nm
    return OpenedPrediction(chosen[array], _noted(attributes) or (0, 0, 0), size)


def edges_of(
    shape: Sequence[int], voxel_size_nm: Sequence[float] | None, image: Volume, otherwise: Sequence[float]
) -> tuple[float, float, float]:
    """Voxel size (z, y, x) at which a volume is shown with an image.

    Args:
        shape, voxel_size_nm: of the volume, (z, y, x); the size is None where the file does not state it.
        image: volumes of its shape agree with it voxel for voxel.
        otherwise: the size that is taken where the file states none: that of the image.
    """
    stated = None if tuple(shape) == tuple(image.shape) else voxel_size_nm
    z, y, x = stated or otherwise
    return z, y, x


def offset_of(volume: Volume, voxel_size_nm: Sequence[float]) -> tuple[int, int, int]:
    """First voxel (z, y, x) of a volume in its surroundings, counted in voxels of a size.

    Stated in voxels, as `decode` writes it, by the format in nm, or, in HDF5 files of an evaluation, as `box`.
    """
    if volume.offset is not None:
        z, y, x = map(round, volume.offset)
        return z, y, x
    if volume.offset_nm is not None:
        z, y, x = (round(at / edge) for at, edge in zip(volume.offset_nm, voxel_size_nm, strict=True))
        return z, y, x
    file = volume.path.partition(":")[0]
    if file.endswith(HDF5):
        with h5py.File(file, "r") as opened:
            return _noted(opened.attrs) or (0, 0, 0)
    return 0, 0, 0


def decode_of(instances: str | None) -> str | None:
    """The hash of the decode that made instances on this machine, where they state one."""
    found = None if instances is None else made_by(instances).get("decode")
    return None if found is None else str(found)


def viewer_url(path: str, root: str, base: str) -> str:
    """The address at which Neuroglancer reads a volume whose folder is served.

    Args:
        path: OME-Zarr, N5 or precomputed: a folder below `root`, `folder:part`, or an address.
        root: the folder that is served at `base`.
        base: its address.

    Raises:
        ValueError: a format that a browser does not read, or a folder outside `root`.
    """
    path = without_prefix(path)
    if "://" in path:
        if path.partition("://")[0] in VIEWER_PREFIXES:
            return path
        return f"{'n5' if path.rstrip('/').endswith('.n5') else 'zarr' if '.zarr' in path else 'precomputed'}://{path}"
    file, inner = split_path(path)
    kind, part = kind_of(file)[0], inner or ""
    if kind == "zarr":
        if part.rpartition("/")[2].isdigit() and not Path(file, part).exists():  # the number of a level of an image
            part = part.rpartition("/")[0]
        kind = "zarr3" if Path(file, part, "zarr.json").is_file() else "zarr2"
    elif kind == "precomputed":  # one address for all scales
        part = ""
    elif kind != "n5":
        raise ValueError(
            f"'{path}' is of no format that a browser reads; convert it first: "
            f"python -m scripts convert {path} {Path(file).stem}.zarr"
        )
    within = os.path.relpath(Path(file).resolve(), Path(root).resolve())
    if within.startswith(".."):
        raise ValueError(f"'{path}' is outside the folder '{root}' that is served; give --root a folder that holds it")
    return f"{kind}://{base.rstrip('/')}/{within}{'/' + part if part else ''}"


def _noted(attributes: Any) -> tuple[int, int, int] | None:
    """`offset` of a file that a decoder or inference wrote, or the start of the `box` of an evaluation."""
    if "offset" in attributes and len(attributes["offset"]) == 3:
        z, y, x = map(int, attributes["offset"])
        return z, y, x
    if "box" in attributes and isinstance(attributes["box"], str):
        return Box.parse(attributes["box"], (2**62,) * 3).start
    return None
