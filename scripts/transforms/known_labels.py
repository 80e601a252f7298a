"""Instance labels of which a part may be unknown, as targets take them in."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from monai.config import NdarrayOrTensor

from scripts.ops.box import Size3, Window
from scripts.ops.labels.label_checks import labels_as_stored

UNKNOWN = -1
"""The id of unlabelled voxels; 0 is background."""


class Target(Protocol):
    """What a network predicts, as computed from a label volume. All sizes are in voxels: z, y, x."""

    @property
    def channels(self) -> int:
        """Number of maps."""

    @property
    def margin(self) -> Size3:
        """Voxels around a crop that decide the target at its border."""

    @property
    def smallest(self) -> Size3:
        """Smallest crop that the target makes sense on."""

    def __call__(self, label: NdarrayOrTensor) -> torch.Tensor:
        """(z, y, x) or (1, z, y, x) labels to (channels, z, y, x) float32."""

    def maps(self, label: NdarrayOrTensor, inner: Window | None = None) -> np.ndarray:
        """The same as an array of any number type; of the `inner` window only, if given."""

    def known(self, label: NdarrayOrTensor, inner: Window | None = None) -> torch.Tensor:
        """The same labels to (channels, z, y, x) bool: where no unknown label could change the target."""


@runtime_checkable
class OneSidedTarget(Target, Protocol):
    """A target that reads less far on one side than `margin`; labels that it does not read need no erosion."""

    @property
    def reach(self) -> tuple[Size3, Size3]:
        """Voxels read before the first of a crop and after its last, along each axis; at most `margin`."""


def as_volume(label: NdarrayOrTensor, name: str = "label") -> np.ndarray:
    """(z, y, x) array of a (z, y, x) or (1, z, y, x) array or tensor, a view where possible.

    Raises:
        ValueError: another shape.
    """
    volume: Any = label
    if isinstance(volume, torch.Tensor):
        volume = volume.detach().cpu()
        volume = (volume.as_tensor() if hasattr(volume, "as_tensor") else volume).numpy()
    volume = np.asarray(volume)
    if volume.ndim == 4 and volume.shape[0] == 1:
        volume = volume[0]
    if volume.ndim != 3:
        raise ValueError(f"{name} of shape {volume.shape} is neither (1, z, y, x) nor (z, y, x)")
    return volume


def known_labels(label: NdarrayOrTensor) -> tuple[np.ndarray, np.ndarray]:
    """(z, y, x) labels with 0 where unknown, in their dtype, and where they are known, bool.

    Raises:
        ValueError: labels that are no whole numbers, empty, of another shape, or negative other than `UNKNOWN`.
    """
    volume = labels_as_stored(as_volume(label), least=UNKNOWN)
    known = _known(volume)
    filled = volume if known.all() else np.where(known, volume, 0)
    return np.ascontiguousarray(filled, dtype=filled.dtype.newbyteorder("=")), known


def where_known(label: NdarrayOrTensor) -> np.ndarray:
    """(z, y, x) bool: where labels are not `UNKNOWN`.

    Raises:
        ValueError: as `known_labels`.
    """
    return _known(labels_as_stored(as_volume(label), least=UNKNOWN))


def _known(volume: np.ndarray) -> np.ndarray:
    known: np.ndarray = volume != UNKNOWN if volume.dtype.kind == "i" else np.ones(volume.shape, dtype=bool)
    return known


def cut(volume: np.ndarray, inner: Window | None) -> np.ndarray:
    """The window of a (z, y, x) array, C-contiguous; all of it where none is given."""
    return volume if inner is None else np.ascontiguousarray(volume[inner])
