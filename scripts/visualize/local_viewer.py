"""Neuroglancer served from this machine: volumes of any format are read as the viewer asks for them."""

import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

EXTRA = "pip install 'sem-mae[view]'"
LARGEST_MESHED = 2**30
"""Bytes of a segmentation from which the viewer makes meshes, which needs all of it in memory."""


class Viewed(NamedTuple):
    """Data of a layer.

    Attributes:
        array: (z, y, x) or (channels, z, y, x), read by slices.
        offset: first voxel (z, y, x) in voxels of the view.
        voxel_size_nm: (z, y, x) in nm.
        segmentation: whether the voxels are ids.
    """

    array: Any
    offset: Sequence[int]
    voxel_size_nm: Sequence[float]
    segmentation: bool


class ReadArray:
    """An array as Neuroglancer's server reads it.

    Args:
        array: anything with shape, dtype and `[slices]`.
    """

    def __init__(self, array: Any) -> None:
        self.array = array
        self.shape, self.ndim = tuple(array.shape), len(array.shape)
        self.rank = self.ndim
        self.dtype = np.dtype(np.float32) if np.dtype(array.dtype) == np.float16 else np.dtype(array.dtype)
        self.nbytes = int(np.prod(self.shape)) * self.dtype.itemsize

    def __getitem__(self, key: Any) -> np.ndarray:
        return np.asarray(self.array[key]).astype(self.dtype, copy=False)

    def transpose(self) -> np.ndarray:
        """All voxels, (x, y, z), for meshes.

        Raises:
            ValueError: more than 1 GiB.
        """
        if self.nbytes > LARGEST_MESHED:
            raise ValueError(f"{self.nbytes:,} bytes are too many to make meshes of; convert with --meshes")
        return self[...].transpose()


def open_viewer(state: Mapping[str, Any], data: Mapping[str, Viewed], bind: str = "127.0.0.1", port: int = 0) -> Any:
    """Serve a state in the browser; the viewer of Neuroglancer, whose `str` is its address.

    Args:
        state: as `viewer_state` makes it.
        data: by the name of the layer.
        bind, port: where the server listens; 0 takes any port that is free.

    Raises:
        ImportError: the extra `view` is not installed.
        OSError: the port is in use.
    """
    try:
        import neuroglancer
    except ImportError as error:
        raise ImportError(f"the viewer is Neuroglancer, which is not installed; {EXTRA}") from error
    try:
        socket.create_server((bind, port)).close()
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise OSError(
            f"port {port} of {bind} cannot be used ({why}); give another --port, or 0 for any, or another --bind"
        ) from error
    neuroglancer.set_server_bind_address(bind, port)
    made = neuroglancer.ViewerState(dict(state))
    for name, viewed in data.items():
        made.layers[name].layer.source = local_volume(neuroglancer, viewed)
    viewer = neuroglancer.Viewer()
    viewer.set_state(made)
    return viewer


def local_volume(neuroglancer: Any, viewed: Viewed) -> Any:
    """Data of a layer with its axes named and its position."""
    lead = len(viewed.array.shape) - 3
    space = neuroglancer.CoordinateSpace(
        names=["c^"] * lead + ["z", "y", "x"],
        units=[""] * lead + ["m"] * 3,
        scales=[1.0] * lead + [float(f"{size * 1e-9:.9g}") for size in viewed.voxel_size_nm],
    )
    return neuroglancer.LocalVolume(
        ReadArray(viewed.array),
        dimensions=space,
        volume_type="segmentation" if viewed.segmentation else "image",
        voxel_offset=[0] * lead + [int(at) for at in viewed.offset],
    )
