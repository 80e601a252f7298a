"""Other pixel sizes: sections shrink or grow in plane."""

import math
from collections.abc import Sequence

import numpy as np
from monai.config import KeysCollection

from scripts.ops.box import Size3
from scripts.ops.warp import resample_in_plane
from scripts.transforms.augment.augmentation import (
    CROP,
    GeometricAugmentation,
    GeometricAugmentationd,
    extent_of,
)

ROUNDING = 1e-6
"""124 / 0.8 and 155 * 0.8 are meant to be whole."""


class RandRescaleInPlane(GeometricAugmentation):
    """Scale all sections in plane by a factor of its own along y and x, each uniform in [low, high].

    Defaults of PyTorch Connectomics (Lin et al. 2021), which draws the two factors apart as well. There the border of
    what shrinks is filled with black; here an item is read larger by 1 / low. No smoothing before shrinking: at 0.8
    it would be a Gaussian of 0.1 pixels.

    Args:
        prob: how often it acts.
        low: smallest factor; objects get smaller.
        high: largest factor.
        keep_aspect: one factor for both axes.
        crop: (z, y, x) voxels that are left at least. Where an item is too thin for a factor, the smallest it has
            room for takes its place.

    Raises:
        ValueError: factors that are not 0 < low <= 1 <= high.

    Example:
        >>> change = RandRescaleInPlane(prob=1.0, crop=(4, 32, 32)).set_random_state(0)
        >>> change(np.zeros((1, *change.extent_before((4, 32, 32))), np.float32)).shape
        (1, 4, 32, 32)
    """

    def __init__(
        self,
        prob: float = 0.5,
        low: float = 0.8,
        high: float = 1.25,
        keep_aspect: bool = False,
        crop: Sequence[int] = CROP,
    ) -> None:
        super().__init__(prob, crop)
        if not 0 < low <= 1 <= high < math.inf:
            raise ValueError(f"factors low={low}, high={high} must be 0 < low <= 1 <= high")
        self.low, self.high, self.keep_aspect = low, high, keep_aspect
        self.factors = (1.0, 1.0)

    def draw(self, extent: Size3) -> None:
        """Draw the factors of y and x."""
        y, x = self.R.uniform(self.low, self.high, size=2)
        y, x = (y, y) if self.keep_aspect else (y, x)
        after = self.extent_after(extent)
        least_y, least_x = after[1] / extent[1], after[2] / extent[2]
        if self.keep_aspect:
            least_y = least_x = max(least_y, least_x)
        self.factors = max(float(y), least_y), max(float(x), least_x)

    def apply(self, volume: np.ndarray) -> np.ndarray:
        """(channels, z, y, x) to the extent that is left."""
        extent = extent_of(volume)
        after = self.extent_after(extent)
        y, x = (
            (size - 1) / 2 + (np.arange(wanted) - (wanted - 1) / 2) / factor
            for size, wanted, factor in zip(extent[1:], after[1:], self.factors, strict=True)
        )
        return resample_in_plane(volume, *np.meshgrid(y, x, indexing="ij"))

    def input_extent(self, extent: Size3) -> Size3:
        """Larger by 1 / low in plane."""
        y, x = (math.ceil(size / self.low - ROUNDING) for size in extent[1:])
        return extent[0], y, x

    def output_extent(self, extent: Size3) -> Size3:
        """Smaller by low in plane."""
        y, x = (math.floor(size * self.low + ROUNDING) for size in extent[1:])
        return extent[0], y, x


class RandRescaleInPlaned(GeometricAugmentationd):
    """Dictionary form of `RandRescaleInPlane`."""

    def __init__(
        self,
        keys: KeysCollection = ("image", "label"),
        prob: float = 0.5,
        low: float = 0.8,
        high: float = 1.25,
        keep_aspect: bool = False,
        crop: Sequence[int] = CROP,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(RandRescaleInPlane(prob, low, high, keep_aspect, crop), keys, allow_missing_keys)
