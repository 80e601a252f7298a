"""Other grey values: contrast, brightness and gamma."""

import numpy as np
from monai.config import KeysCollection

from scripts.ops.box import Size3
from scripts.transforms.augment.augmentation import Augmentationd, GreyAugmentation


class RandGrey(GreyAugmentation):
    """Change contrast, then brightness, then gamma, with black 0 and white 1, and cut to that range.

    grey (1 + c) + b, to the power 2^g: c uniform in +-`contrast`, b in +-`brightness`, g in +-`gamma`. Numbers of
    PyTorch Connectomics (Lin et al. 2021), after ELEKTRONN; and as its documentation has it, half of the time each
    section draws its own, as sections differ under a microscope, and half of the time the crop draws once.

    Args:
        prob: how often it acts.
        contrast: largest c, at most 1.
        brightness: largest b, a share of the range from black to white.
        gamma: largest g.
        per_section: how often each section draws its own numbers.

    Raises:
        ValueError: a negative number, or one above 1 for contrast or per_section.

    Example:
        >>> change = RandGrey(prob=1.0).set_random_state(0)
        >>> change(np.zeros((1, 4, 32, 32), np.float32)).shape
        (1, 4, 32, 32)
    """

    def __init__(
        self,
        prob: float = 0.75,
        contrast: float = 0.15,
        brightness: float = 0.15,
        gamma: float = 1.0,
        per_section: float = 0.5,
    ) -> None:
        super().__init__(prob)
        if not 0 <= contrast <= 1 or brightness < 0 or gamma < 0 or not 0 <= per_section <= 1:
            raise ValueError(
                f"contrast {contrast} and per_section {per_section} must be from 0 to 1, brightness {brightness} and "
                f"gamma {gamma} must not be negative"
            )
        self.contrast, self.brightness, self.gamma, self.per_section = contrast, brightness, gamma, per_section
        self.numbers = np.zeros((3, 1), np.float32)

    def draw(self, extent: Size3) -> None:
        """Draw contrast, brightness and gamma, (3, z) or (3, 1)."""
        count = extent[0] if self.R.random_sample() < self.per_section else 1
        largest = np.array([[self.contrast], [self.brightness], [self.gamma]])
        self.numbers = (self.R.uniform(-1, 1, size=(3, count)) * largest).astype(np.float32)

    def apply(self, volume: np.ndarray) -> np.ndarray:
        """(channels, z, y, x) grey values in [-1, 1] to float32 in [-1, 1]."""
        contrast, brightness, gamma = self.numbers[:, :, None, None]
        grey = volume.astype(np.float32)
        grey += 1
        grey *= (1 + contrast) / 2
        grey += brightness
        np.clip(grey, 0, 1, out=grey)
        np.power(grey, np.exp2(gamma), out=grey)
        grey *= 2
        grey -= 1
        return grey


class RandGreyd(Augmentationd):
    """Dictionary form of `RandGrey`."""

    def __init__(
        self,
        keys: KeysCollection = "image",
        prob: float = 0.75,
        contrast: float = 0.15,
        brightness: float = 0.15,
        gamma: float = 1.0,
        per_section: float = 0.5,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(RandGrey(prob, contrast, brightness, gamma, per_section), keys, allow_missing_keys)
