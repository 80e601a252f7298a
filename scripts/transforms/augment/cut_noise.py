"""Cut-noise: a cuboid gets noise, so that the network learns to see through it."""

import numpy as np
from monai.config import KeysCollection

from scripts.ops.box import Size3
from scripts.transforms.augment.augmentation import Augmentationd, GreyAugmentation
from scripts.transforms.augment.cuboid import draw_cuboid


class RandCutNoise(GreyAugmentation):
    """Add uniform noise to a random cuboid, and cut to the range from black to white.

    0.4 of each side and +-0.3 as in PyTorch Connectomics (Lin et al. 2021).

    Args:
        prob: how often it acts.
        share: of each side of the item, the cuboid's side.
        scale: largest change, a share of the range from black to white.

    Raises:
        ValueError: a share outside 0 to 1, or a negative scale.

    Example:
        >>> change = RandCutNoise(prob=1.0).set_random_state(0)
        >>> change(np.zeros((1, 4, 32, 32), np.float32)).shape
        (1, 4, 32, 32)
    """

    def __init__(self, prob: float = 0.75, share: float = 0.4, scale: float = 0.3) -> None:
        super().__init__(prob)
        if not 0 < share <= 1:
            raise ValueError(f"share {share} of a side must be above 0 and at most 1")
        if scale < 0:
            raise ValueError(f"scale {scale} must not be negative")
        self.share, self.scale = share, scale
        self.cuboid = (slice(0, 0), slice(0, 0), slice(0, 0))
        self.noise = np.zeros((0, 0, 0), np.float32)

    def draw(self, extent: Size3) -> None:
        """Draw the cuboid and its noise."""
        self.cuboid = draw_cuboid(self.R, extent, self.share)
        size = [part.stop - part.start for part in self.cuboid]
        self.noise = (2 * self.R.uniform(-self.scale, self.scale, size)).astype(np.float32)  # white - black is 2

    def apply(self, volume: np.ndarray) -> np.ndarray:
        """(channels, z, y, x) with a noisy cuboid."""
        damaged = volume.copy()
        part = damaged[(slice(None), *self.cuboid)]
        np.clip(part + self.noise, -1, 1, out=part)
        return damaged


class RandCutNoised(Augmentationd):
    """Dictionary form of `RandCutNoise`."""

    def __init__(
        self,
        keys: KeysCollection = "image",
        prob: float = 0.75,
        share: float = 0.4,
        scale: float = 0.3,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(RandCutNoise(prob, share, scale), keys, allow_missing_keys)
