"""Distance targets: the depth of a voxel inside an object, or its distance from all of them."""

from collections.abc import Sequence

import numpy as np
import torch
from monai.config import NdarrayOrTensor
from monai.transforms import Transform
from monai.utils import TransformBackends

from scripts.ops.box import Size3, Window, three_sizes
from scripts.ops.targets.distance_maps import (
    instance_distance,
    instance_distance_known,
    section_distance,
    section_distance_known,
)
from scripts.transforms.known_labels import cut, known_labels


class SectionDistanceTarget(Transform):
    """tanh(EDT_foreground / inside - EDT_background / outside) per section, in pixels (Lin et al. 2021).

    A crop is cut with a margin of 4 * inside pixels in plane (32 by default). Against the crop of the volume's target
    it is exact where the other kind of voxel (object or background) is nearer than the margin. Elsewhere an object's
    value is off by at most 1 - tanh(4) = 0.0007; background that is farther than the margin from every object is as
    far as the crop shows, or tanh(-5) where it shows no object. Labels with thin background have none such.

    A value is known where the nearest voxel of the other kind is at most as far as the nearest unknown one.

    Args:
        inside: pixels that scale distances in objects.
        outside: pixels that scale distances in background.

    Raises:
        ValueError: scales that are not positive.

    Example:
        >>> target = SectionDistanceTarget()(np.array([[[1, 1, 1, 0, 0, 0]]]))
        >>> (target > 0).tolist()
        [[[[True, True, True, False, False, False]]]]
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 (MONAI's own form)
    channels: int = 1
    smallest: Size3 = (1, 1, 1)

    def __init__(self, inside: float = 8.0, outside: float = 50.0) -> None:
        if inside <= 0 or outside <= 0:
            raise ValueError(f"scales inside {inside} and outside {outside} are pixels, above 0")
        self.inside, self.outside = float(inside), float(outside)

    @property
    def margin(self) -> Size3:
        """Nothing along z; 4 * inside pixels in plane, where tanh has all but reached 1."""
        reach = int(np.ceil(4 * self.inside))
        return 0, reach, reach

    def __call__(self, label: NdarrayOrTensor) -> torch.Tensor:
        """(1, z, y, x) or (z, y, x) labels, -1 where unknown, to (1, z, y, x) float32 in (-1, 1).

        Raises:
            ValueError: labels that are not labels.
        """
        return torch.from_numpy(self.maps(label)).float()

    def maps(self, label: NdarrayOrTensor, inner: Window | None = None) -> np.ndarray:
        """The same as an array, of the `inner` window only, if given."""
        return section_distance(known_labels(label)[0], self.inside, self.outside, inner)[None]

    def known(self, label: NdarrayOrTensor, inner: Window | None = None) -> torch.Tensor:
        """The same labels to (1, z, y, x) bool."""
        return torch.from_numpy(section_distance_known(*known_labels(label), inner))[None]


class InstanceDistanceTarget(Transform):
    """Each instance's 3-D distance to its surface over its maximum, in (0, 1]; -1 on the background.

    The maximum is that of the part of the instance that can be seen: a crop equals the crop of the volume's target
    exactly for instances that are completely within crop and margin, a voxel short of its border. One that reaches
    farther is relative to what is seen of it, so that a thick one has larger values than in the volume.

    A value is known on background, and in instances that touch no unknown voxel.

    Args:
        voxel_size: (z, y, x) in any unit; only the ratio matters.
        margin: (z, y, x) voxels to look at around a crop; more shows more of each instance and costs more time.

    Raises:
        ValueError: sizes that are not positive, or a negative margin.

    Example:
        >>> InstanceDistanceTarget()(np.array([[[0, 1, 1, 1, 0]]])).tolist()
        [[[[-1.0, 0.5, 1.0, 0.5, -1.0]]]]
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 (MONAI's own form)
    channels: int = 1
    smallest: Size3 = (1, 1, 1)

    def __init__(self, voxel_size: Sequence[float] = (1.0, 1.0, 1.0), margin: Sequence[int] = (1, 8, 8)) -> None:
        if len(voxel_size) != 3 or min(voxel_size) <= 0:
            raise ValueError(f"voxel_size {tuple(voxel_size)} must be three positive lengths: z, y, x")
        self.voxel_size = float(voxel_size[0]), float(voxel_size[1]), float(voxel_size[2])
        self.margin: Size3 = three_sizes(margin, "margin", 0)

    def __call__(self, label: NdarrayOrTensor) -> torch.Tensor:
        """(1, z, y, x) or (z, y, x) labels, -1 where unknown, to (1, z, y, x) float32, -1 or in (0, 1].

        Raises:
            ValueError: labels that are not labels.
        """
        return torch.from_numpy(self.maps(label)).float()

    def maps(self, label: NdarrayOrTensor, inner: Window | None = None) -> np.ndarray:
        """The same as an array, of the `inner` window only, if given."""
        return cut(instance_distance(known_labels(label)[0], self.voxel_size), inner)[None]

    def known(self, label: NdarrayOrTensor, inner: Window | None = None) -> torch.Tensor:
        """The same labels to (1, z, y, x) bool."""
        return torch.from_numpy(cut(instance_distance_known(*known_labels(label)), inner))[None]
