"""Missing parts: a band of a section is hidden, as by a fold or a crack."""

import numpy as np
from monai.config import KeysCollection

from scripts.ops.box import Size3
from scripts.ops.section_artifacts import band_mask
from scripts.transforms.augment.augmentation import Augmentationd, GreyAugmentation


class RandMissingParts(GreyAugmentation):
    """Give a band across a section the section's mean grey value.

    The band follows a line between random places of two opposite sides. Sections are gone through in order; after one
    that is hit the next `gap` are spared. Numbers of PyTorch Connectomics (Lin et al. 2021), where a band reaches 64
    pixels to each side in inputs of 256: a quarter of the side. It spares two sections, so never two neighbours.

    Args:
        prob: how often it acts.
        section_prob: how often a section that is not spared is hit.
        half_width: of the band, a share of the side it starts from.
        gap: sections spared after one that is hit, at least 1.

    Raises:
        ValueError: a share or probability outside 0 to 1, or a gap below 1.

    Example:
        >>> change = RandMissingParts(prob=1.0).set_random_state(0)
        >>> change(np.zeros((1, 4, 32, 32), np.float32)).shape
        (1, 4, 32, 32)
    """

    def __init__(self, prob: float = 0.9, section_prob: float = 0.9, half_width: float = 0.25, gap: int = 2) -> None:
        super().__init__(prob)
        if not 0 <= section_prob <= 1 or not 0 < half_width <= 1:
            raise ValueError(f"section_prob {section_prob} and half_width {half_width} must be from 0 to 1")
        if int(gap) != gap or gap < 1:
            raise ValueError(f"gap {gap} must be a whole number of sections, at least 1: never two neighbours")
        self.section_prob, self.half_width, self.gap = section_prob, half_width, int(gap)
        self.bands: dict[int, tuple[float, float, bool]] = {}

    def draw(self, extent: Size3) -> None:
        """Draw the bands: section -> where the line begins and ends, as shares of the side, and its direction."""
        self.bands, section = {}, 0
        while section < extent[0]:
            if self.R.random_sample() < self.section_prob:
                along, begin, end = self.R.random_sample(3)
                self.bands[section] = (float(begin), float(end), bool(along < 0.5))
                section += self.gap
            section += 1

    def apply(self, volume: np.ndarray) -> np.ndarray:
        """(channels, z, y, x) with the bands in it."""
        damaged = volume.copy()
        for section, (begin, end, along_y) in self.bands.items():
            side = volume.shape[-1 if along_y else -2]
            places = begin * (side - 1), end * (side - 1)
            band = band_mask((volume.shape[-2], volume.shape[-1]), *places, self.half_width * side, along_y)
            for channel in damaged:
                channel[section][band] = channel[section].mean()
        return damaged


class RandMissingPartsd(Augmentationd):
    """Dictionary form of `RandMissingParts`."""

    def __init__(
        self,
        keys: KeysCollection = "image",
        prob: float = 0.9,
        section_prob: float = 0.9,
        half_width: float = 0.25,
        gap: int = 2,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(RandMissingParts(prob, section_prob, half_width, gap), keys, allow_missing_keys)
