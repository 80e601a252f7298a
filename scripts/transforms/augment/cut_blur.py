"""Cut-blur: a cuboid is seen at a lower resolution, so that the network learns to see through it."""

import numpy as np
from monai.config import KeysCollection

from scripts.ops.box import Size3
from scripts.ops.section_artifacts import coarsen
from scripts.transforms.augment.augmentation import Augmentationd, GreyAugmentation
from scripts.transforms.augment.cuboid import draw_cuboid


class RandCutBlur(GreyAugmentation):
    """Lower the resolution of a random cuboid in plane, by a factor uniform in [low, high] (Yoo et al. 2020).

    0.4 of each side and 2 to 8 times as in PyTorch Connectomics (Lin et al. 2021), where it is in plane alone too.
    Each coarse pixel is the mean of the pixels under it.

    Args:
        prob: how often it acts.
        share: of each side of the item, the cuboid's side.
        low: smallest factor.
        high: largest factor.

    Raises:
        ValueError: a share outside 0 to 1, or factors that are not 1 <= low <= high.

    Example:
        >>> change = RandCutBlur(prob=1.0).set_random_state(0)
        >>> change(np.zeros((1, 4, 32, 32), np.float32)).shape
        (1, 4, 32, 32)
    """

    def __init__(self, prob: float = 0.5, share: float = 0.4, low: float = 2.0, high: float = 8.0) -> None:
        super().__init__(prob)
        if not 0 < share <= 1:
            raise ValueError(f"share {share} of a side must be above 0 and at most 1")
        if not 1 <= low <= high:
            raise ValueError(f"factors low={low}, high={high} must be 1 <= low <= high")
        self.share, self.low, self.high = share, low, high
        self.cuboid = (slice(0, 0), slice(0, 0), slice(0, 0))
        self.factor = 1.0

    def draw(self, extent: Size3) -> None:
        """Draw the cuboid and the factor."""
        self.cuboid = draw_cuboid(self.R, extent, self.share)
        self.factor = float(self.R.uniform(self.low, self.high))

    def apply(self, volume: np.ndarray) -> np.ndarray:
        """(channels, z, y, x) with a coarse cuboid."""
        damaged = volume.copy()
        damaged[(slice(None), *self.cuboid)] = coarsen(volume[(slice(None), *self.cuboid)], self.factor)
        return damaged


class RandCutBlurd(Augmentationd):
    """Dictionary form of `RandCutBlur`."""

    def __init__(
        self,
        keys: KeysCollection = "image",
        prob: float = 0.5,
        share: float = 0.4,
        low: float = 2.0,
        high: float = 8.0,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(RandCutBlur(prob, share, low, high), keys, allow_missing_keys)
