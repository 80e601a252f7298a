"""Motion blur: the stage moved while a section was imaged."""

import numpy as np
from monai.config import KeysCollection

from scripts.ops.box import Size3
from scripts.ops.section_artifacts import motion_blur
from scripts.transforms.augment.augmentation import Augmentationd, GreyAugmentation


class RandMotionBlur(GreyAugmentation):
    """Average some sections over a window along y or along x, one direction for all of them.

    Two sections and 11 pixels as in PyTorch Connectomics (Lin et al. 2021). At the border the mean is over those
    pixels of the window that exist.

    Args:
        prob: how often it acts.
        sections: how many are blurred; all of them, where there are fewer.
        pixels: length of the window, odd.

    Raises:
        ValueError: fewer than one section, or a window that is not an odd number of at least 3.

    Example:
        >>> change = RandMotionBlur(prob=1.0).set_random_state(0)
        >>> change(np.zeros((1, 4, 32, 32), np.float32)).shape
        (1, 4, 32, 32)
    """

    def __init__(self, prob: float = 0.5, sections: int = 2, pixels: int = 11) -> None:
        super().__init__(prob)
        if int(sections) != sections or sections < 1:
            raise ValueError(f"sections {sections} must be a whole number of at least 1")
        if int(pixels) != pixels or pixels < 3 or pixels % 2 == 0:
            raise ValueError(f"pixels {pixels} must be an odd whole number of at least 3: a window has a middle")
        self.sections, self.pixels = int(sections), int(pixels)
        self.blurred: tuple[int, ...] = ()
        self.axis = -1

    def draw(self, extent: Size3) -> None:
        """Draw the sections and the direction, -2 (y) or -1 (x)."""
        self.blurred = tuple(int(section) for section in self.R.permutation(extent[0])[: self.sections])
        self.axis = -1 - int(self.R.randint(2))

    def apply(self, volume: np.ndarray) -> np.ndarray:
        """(channels, z, y, x) with blurred sections."""
        damaged = volume.copy()
        for section in self.blurred:
            damaged[:, section] = motion_blur(volume[:, section], self.pixels, self.axis)
        return damaged


class RandMotionBlurd(Augmentationd):
    """Dictionary form of `RandMotionBlur`."""

    def __init__(
        self,
        keys: KeysCollection = "image",
        prob: float = 0.5,
        sections: int = 2,
        pixels: int = 11,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(RandMotionBlur(prob, sections, pixels), keys, allow_missing_keys)
