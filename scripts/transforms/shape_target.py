"""Local shape descriptors as a target: the position, spread and size of an object around each of its voxels."""

from collections.abc import Sequence

import numpy as np
import torch
from monai.config import NdarrayOrTensor
from monai.transforms import Transform
from monai.utils import TransformBackends

from scripts.ops.box import Size3, Window
from scripts.ops.targets.shape_descriptors import CHANNELS, descriptor_reach, descriptors_known, shape_descriptors
from scripts.transforms.known_labels import as_volume


class ShapeDescriptorTarget(Transform):
    """Ten maps from 0 to 1 of the object around each of its voxels, in a Gaussian window (Sheridan et al. 2023).

    See `scripts.ops.targets.shape_descriptors`. A crop cut with `margin` equals the crop of the volume's target. A
    value is known within objects, where no label of the window is unknown; it is not on the background, which has no
    shape and, as in the authors' code, no loss.

    Args:
        sigma: standard deviations of the window (z, y, x) in voxels; it ends after twice as many.

    Raises:
        ValueError: a standard deviation that is not above 0, or another number of them.

    Example:
        >>> target = ShapeDescriptorTarget((1, 1, 1))(np.array([[[1, 1, 1, 0]]]))
        >>> target[2, 0, 0].tolist()[1], target[2, 0, 0, 0].item() > 0.5  # the middle; the rest is ahead
        (0.5, True)
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 (MONAI's own form)
    channels: int = len(CHANNELS)
    smallest: Size3 = (1, 1, 1)

    def __init__(self, sigma: Sequence[float]) -> None:
        if len(sigma) != 3 or not min(sigma) > 0:
            raise ValueError(f"sigma {list(sigma)} must be three numbers of voxels above 0: z, y, x")
        self.sigma = float(sigma[0]), float(sigma[1]), float(sigma[2])

    @property
    def margin(self) -> Size3:
        """As far as the window goes."""
        return descriptor_reach(self.sigma)

    def __call__(self, label: NdarrayOrTensor) -> torch.Tensor:
        """(1, z, y, x) or (z, y, x) labels, -1 where unknown, to (10, z, y, x) float32 from 0 to 1.

        Raises:
            ValueError: labels that are not labels.
        """
        return torch.from_numpy(self.maps(label))

    def maps(self, label: NdarrayOrTensor, inner: Window | None = None) -> np.ndarray:
        """The same as an array, of the `inner` window only, if given."""
        return shape_descriptors(as_volume(label), self.sigma, inner)

    def known(self, label: NdarrayOrTensor, inner: Window | None = None) -> torch.Tensor:
        """The same labels to (10, z, y, x) bool."""
        return torch.from_numpy(descriptors_known(as_volume(label), self.sigma, inner))
