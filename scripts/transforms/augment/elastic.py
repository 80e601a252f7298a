"""Elastic deformation: sections bend in plane, all of a crop alike."""

import math
from collections.abc import Sequence

import numpy as np
from monai.config import KeysCollection

from scripts.ops.box import Size3
from scripts.ops.displacement import smooth_displacement, typical_displacement
from scripts.ops.warp import resample_in_plane
from scripts.transforms.augment.augmentation import (
    CROP,
    GeometricAugmentation,
    GeometricAugmentationd,
    extent_of,
)

SPREAD = 6
"""Standard deviations of a displacement that the margin has room for."""


class RandElasticInPlane(GeometricAugmentation):
    """Displace pixels by smoothed uniform noise, one field for all sections (Simard, Steinkraus and Platt 2003).

    alpha 16 and sigma 4 as in PyTorch Connectomics (Lin et al. 2021): a standard deviation of 0.65 pixels, and 4
    pixels of margin.

    Args:
        prob: how often it acts.
        alpha: what the smoothed noise in [-1, 1] is multiplied with, pixels.
        sigma: of the Gaussian that smooths it, pixels.
        crop: (z, y, x) voxels that are left at least. Displacements are cut down to the room the item has.

    Raises:
        ValueError: a negative alpha or a sigma that is not positive.

    Example:
        >>> change = RandElasticInPlane(prob=1.0, crop=(4, 32, 32)).set_random_state(0)
        >>> change(np.zeros((1, *change.extent_before((4, 32, 32))), np.float32)).shape
        (1, 4, 32, 32)
    """

    def __init__(self, prob: float = 0.75, alpha: float = 16.0, sigma: float = 4.0, crop: Sequence[int] = CROP) -> None:
        super().__init__(prob, crop)
        if alpha < 0 or sigma <= 0:
            raise ValueError(f"alpha {alpha} must not be negative and sigma {sigma} must be positive, in pixels")
        self.alpha, self.sigma = alpha, sigma
        self.reach = math.ceil(SPREAD * typical_displacement(alpha, sigma))
        self.field = np.zeros((2, 1, 1), np.float32)

    def draw(self, extent: Size3) -> None:
        """Draw the field (2, y, x), pixels along y and x, of what is left."""
        after = self.extent_after(extent)
        noise = self.R.random_sample((2, *after[1:]))
        self.field = smooth_displacement(2 * noise - 1, self.alpha, self.sigma)
        for axis in (1, 2):
            room = min(self.reach, (extent[axis] - after[axis]) // 2)
            np.clip(self.field[axis - 1], -room, room, out=self.field[axis - 1])

    def apply(self, volume: np.ndarray) -> np.ndarray:
        """(channels, z, y, x) to the extent that is left."""
        extent = extent_of(volume)
        after = self.extent_after(extent)
        starts = [(size - wanted) // 2 for size, wanted in zip(extent, after, strict=True)]
        y = self.field[0] + np.arange(starts[1], starts[1] + after[1], dtype=np.float32)[:, None]
        x = self.field[1] + np.arange(starts[2], starts[2] + after[2], dtype=np.float32)
        return resample_in_plane(volume, y, x)

    def input_extent(self, extent: Size3) -> Size3:
        """Larger by the reach on each side, in plane."""
        return extent[0], extent[1] + 2 * self.reach, extent[2] + 2 * self.reach

    def output_extent(self, extent: Size3) -> Size3:
        """Smaller by the reach on each side, in plane."""
        return extent[0], extent[1] - 2 * self.reach, extent[2] - 2 * self.reach


class RandElasticInPlaned(GeometricAugmentationd):
    """Dictionary form of `RandElasticInPlane`."""

    def __init__(
        self,
        keys: KeysCollection = ("image", "label"),
        prob: float = 0.75,
        alpha: float = 16.0,
        sigma: float = 4.0,
        crop: Sequence[int] = CROP,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(RandElasticInPlane(prob, alpha, sigma, crop), keys, allow_missing_keys)
