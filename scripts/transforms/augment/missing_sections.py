"""Missing sections: some were lost before they were imaged, so their neighbours are adjacent."""

from collections.abc import Sequence

import numpy as np
from monai.config import KeysCollection

from scripts.ops.box import Size3
from scripts.transforms.augment.augmentation import (
    CROP,
    GeometricAugmentation,
    GeometricAugmentationd,
    centre,
    extent_of,
)


class RandMissingSections(GeometricAugmentation):
    """Delete inner sections of image and label; the first and the last stay, and so does the order.

    Two sections as in PyTorch Connectomics (Lin et al. 2021); they may be neighbours.

    Args:
        prob: how often it acts.
        sections: how many are deleted.
        crop: (z, y, x) voxels that are left at least. An item that is too thin keeps all its sections.

    Raises:
        ValueError: fewer than one section to delete.

    Example:
        >>> change = RandMissingSections(prob=1.0, crop=(4, 32, 32)).set_random_state(0)
        >>> change(np.zeros((1, *change.extent_before((4, 32, 32))), np.float32)).shape
        (1, 4, 32, 32)
    """

    def __init__(self, prob: float = 0.5, sections: int = 2, crop: Sequence[int] = CROP) -> None:
        super().__init__(prob, crop)
        if int(sections) != sections or sections < 1:
            raise ValueError(f"sections {sections} must be a whole number of sections to delete, at least 1")
        self.sections = int(sections)
        self.deleted: tuple[int, ...] = ()

    def draw(self, extent: Size3) -> None:
        """Draw the sections to delete."""
        inner = extent[0] - 2
        fits = extent[0] - self.sections >= self.crop[0] and inner >= self.sections
        self.deleted = tuple(sorted(1 + self.R.permutation(inner)[: self.sections])) if fits else ()

    def apply(self, volume: np.ndarray) -> np.ndarray:
        """(channels, z, y, x) to the extent that is left."""
        kept = np.delete(volume, self.deleted, axis=-3) if self.deleted else volume
        return centre(kept, self.extent_after(extent_of(volume)))

    def input_extent(self, extent: Size3) -> Size3:
        """Thicker by the sections to delete, and by enough to have inner ones."""
        return max(extent[0], 2) + self.sections, extent[1], extent[2]

    def output_extent(self, extent: Size3) -> Size3:
        """Thinner by the sections to delete."""
        thinner = extent[0] - self.sections
        return thinner if thinner >= self.crop[0] else extent[0], extent[1], extent[2]


class RandMissingSectionsd(GeometricAugmentationd):
    """Dictionary form of `RandMissingSections`."""

    def __init__(
        self,
        keys: KeysCollection = ("image", "label"),
        prob: float = 0.5,
        sections: int = 2,
        crop: Sequence[int] = CROP,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(RandMissingSections(prob, sections, crop), keys, allow_missing_keys)
