"""Quarter turns in plane."""

from collections.abc import Sequence

import numpy as np
from monai.config import KeysCollection

from scripts.ops.box import Size3
from scripts.transforms.augment.augmentation import CROP, GeometricAugmentation, GeometricAugmentationd


class RandRotate90InPlane(GeometricAugmentation):
    """Turn all sections by 0, 90, 180 or 270 degrees from y to x, each as likely.

    An item that is not square in plane, and would no longer hold the crop after a quarter turn, is turned by 0 or 180.

    Args:
        prob: how often it acts; 1.0 as in PyTorch Connectomics (Lin et al. 2021), the turn by 0 included.
        crop: (z, y, x) voxels that are left at least.

    Example:
        >>> change = RandRotate90InPlane(prob=1.0, crop=(4, 32, 32)).set_random_state(0)
        >>> change(np.zeros((1, *change.extent_before((4, 32, 32))), np.float32)).shape
        (1, 4, 32, 32)
    """

    def __init__(self, prob: float = 1.0, crop: Sequence[int] = CROP) -> None:
        super().__init__(prob, crop)
        self.turns = 0

    def draw(self, extent: Size3) -> None:
        """Draw the number of quarter turns."""
        fits = extent[2] >= self.crop[1] and extent[1] >= self.crop[2]
        self.turns = int(self.R.randint(4)) if fits else 2 * int(self.R.randint(2))

    def apply(self, volume: np.ndarray) -> np.ndarray:
        """(channels, z, y, x), with y and x swapped after an odd number of turns."""
        return np.rot90(volume, self.turns, axes=(-2, -1)) if self.turns else volume

    def input_extent(self, extent: Size3) -> Size3:
        """Square in plane."""
        return extent[0], max(extent[1:]), max(extent[1:])

    def output_extent(self, extent: Size3) -> Size3:
        """All of it."""
        return extent


class RandRotate90InPlaned(GeometricAugmentationd):
    """Dictionary form of `RandRotate90InPlane`."""

    def __init__(
        self,
        keys: KeysCollection = ("image", "label"),
        prob: float = 1.0,
        crop: Sequence[int] = CROP,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(RandRotate90InPlane(prob, crop), keys, allow_missing_keys)
