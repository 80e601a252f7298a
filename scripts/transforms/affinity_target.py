"""Affinity targets: whether a voxel belongs to the same object as its neighbour at an offset."""

from collections.abc import Sequence

import numpy as np
import torch
from monai.config import NdarrayOrTensor
from monai.transforms import Transform
from monai.utils import TransformBackends

from scripts.ops.box import Size3, Window
from scripts.ops.labels.label_checks import labels_as_stored
from scripts.ops.targets.affinities import affinities_known, affinity_maps
from scripts.ops.targets.affinity_convention import AffinityConvention, convention
from scripts.transforms.known_labels import UNKNOWN, as_volume, where_known


class AffinityTarget(Transform):
    """One map per offset: 1 where v and v + offset carry the same non-zero label, else 0 (Lin et al. 2021).

    Where v + offset is outside, 1 where v is foreground. A crop cut with `margin` equals the crop of the volume's
    target exactly. A value is known where v and v + offset are.

    Args:
        offsets: "nearest" (3 maps), "long_range" (12), a list of (z, y, x) steps in voxels, or a convention, which
            the decoder should be given too.

    Raises:
        ValueError: an unknown name or senseless offsets.

    Example:
        >>> label = np.array([[[1, 1, 2, 0]] * 2] * 2)
        >>> AffinityTarget()(label)[2, 0, 0].tolist()  # along x; the first voxel has no neighbour
        [1.0, 1.0, 0.0, 0.0]
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 (MONAI's own form)

    def __init__(self, offsets: str | AffinityConvention | Sequence[Sequence[int]] = "nearest") -> None:
        named = isinstance(offsets, str | AffinityConvention)
        self.convention = convention(offsets) if named else AffinityConvention(tuple(map(tuple, offsets)))  # type: ignore[arg-type]

    @property
    def channels(self) -> int:
        """One per offset."""
        return self.convention.channels

    @property
    def margin(self) -> Size3:
        """The longest step along each axis."""
        z, y, x = (max(ends) for ends in zip(*self.reach, strict=True))
        return z, y, x

    @property
    def reach(self) -> tuple[Size3, Size3]:
        """The longest step back along each axis, and the longest ahead."""
        z, y, x = zip(*self.convention.offsets, (0, 0, 0), strict=True)
        return (-min(z), -min(y), -min(x)), (max(z), max(y), max(x))

    @property
    def smallest(self) -> Size3:
        """A crop in which each offset joins at least two voxels."""
        z, y, x = self.margin
        return z + 1, y + 1, x + 1

    def __call__(self, label: NdarrayOrTensor) -> torch.Tensor:
        """(1, z, y, x) or (z, y, x) labels, -1 where unknown, to (channels, z, y, x) float32, 1 or 0.

        Raises:
            ValueError: labels that are not labels, or smaller than an offset.
        """
        return torch.from_numpy(self.maps(label))

    def maps(self, label: NdarrayOrTensor, inner: Window | None = None) -> np.ndarray:
        """The same as an array, of the `inner` window only, if given."""
        volume = labels_as_stored(as_volume(label), least=UNKNOWN)
        for offset in self.convention.offsets:
            if any(abs(step) >= size for step, size in zip(offset, volume.shape, strict=True)):
                raise ValueError(
                    f"offset {offset} is longer than the labels of {volume.shape} voxels (z, y, x), so no voxel has a "
                    "neighbour there; use larger crops or shorter offsets"
                )
        return affinity_maps(volume, self.convention, inner)

    def known(self, label: NdarrayOrTensor, inner: Window | None = None) -> torch.Tensor:
        """The same labels to (channels, z, y, x) bool."""
        return torch.from_numpy(affinities_known(where_known(label), self.convention, inner))
