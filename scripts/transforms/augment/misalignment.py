"""Misalignment: one section is displaced, or all from one section on."""

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
    centre,
    extent_of,
)


class RandMisalignment(GeometricAugmentation):
    """Move sections against each other, image and label together: half of the time turned, else shifted.

    A slip moves one inner section, a translation moves it and all after it, each half of the time. A shift is up to
    `displacement` whole pixels along y and along x, shared between both sides of the gap so that the margin is half of
    it; a rotation about the centre moves the corners of what is left by up to `displacement` pixels. Numbers of
    PyTorch Connectomics (Lin et al. 2021).

    Args:
        prob: how often it acts.
        displacement: largest distance, in pixels.
        rotation: how often the sections are turned rather than shifted.
        slip: how often one section alone moves.
        crop: (z, y, x) voxels that are left at least. Moves are cut down to the room the item has.

    Raises:
        ValueError: a negative displacement or one that is not whole, or a share outside 0 to 1.

    Example:
        >>> change = RandMisalignment(prob=1.0, crop=(4, 32, 32)).set_random_state(0)
        >>> change(np.zeros((1, *change.extent_before((4, 32, 32))), np.float32)).shape
        (1, 4, 32, 32)
    """

    def __init__(
        self,
        prob: float = 0.5,
        displacement: int = 16,
        rotation: float = 0.5,
        slip: float = 0.5,
        crop: Sequence[int] = CROP,
    ) -> None:
        super().__init__(prob, crop)
        if int(displacement) != displacement or displacement < 0:
            raise ValueError(f"displacement {displacement} must be a whole number of pixels, not negative")
        if not 0 <= rotation <= 1 or not 0 <= slip <= 1:
            raise ValueError(f"rotation {rotation} and slip {slip} must be from 0 to 1")
        self.displacement, self.rotation, self.slip = int(displacement), rotation, slip
        self.reach = self._reach()
        self.moved = slice(0, 0)
        self.angle = 0.0
        self.shifts = ((0, 0), (0, 0))

    def draw(self, extent: Size3) -> None:
        """Draw which sections move, and the angle (radians) or the shifts (y, x) of those that stay and that move."""
        turned, alone = self.R.random_sample(2)
        self.angle, self.shifts, self.moved = 0.0, ((0, 0), (0, 0)), slice(0, 0)
        after = self.extent_after(extent)
        if extent[0] > 2:
            first = 1 + int(self.R.randint(extent[0] - 2))
            self.moved = slice(first, first + 1 if alone < self.slip else extent[0])
        if turned < self.rotation:
            self.angle = float(self.R.uniform(-1, 1)) * self._largest_angle(extent, after)
        else:
            ranges = [
                min(self.displacement, 2 * ((before - left) // 2)) for before, left in zip(extent, after, strict=True)
            ]
            stay, move = ([int(self.R.randint(ranges[k] + 1)) - ranges[k] // 2 for k in (1, 2)] for _ in range(2))
            self.shifts = (stay[0], stay[1]), (move[0], move[1])

    def apply(self, volume: np.ndarray) -> np.ndarray:
        """(channels, z, y, x) to the extent that is left."""
        extent = extent_of(volume)
        after = self.extent_after(extent)
        if self.angle == 0:
            aligned = _window(volume, after, self.shifts[0]).copy()
            aligned[:, self.moved] = _window(volume[:, self.moved], after, self.shifts[1])
            return aligned
        aligned = centre(volume, after).copy()
        starts = [(size - wanted) // 2 for size, wanted in zip(extent, after, strict=True)]
        y, x = (np.arange(size) - (size - 1) / 2 for size in after[1:])
        y, x = np.meshgrid(y, x, indexing="ij")
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        places_y = starts[1] + (after[1] - 1) / 2 + cos * y + sin * x
        places_x = starts[2] + (after[2] - 1) / 2 - sin * y + cos * x
        aligned[:, self.moved] = resample_in_plane(volume[:, self.moved], places_y, places_x)
        return aligned

    def input_extent(self, extent: Size3) -> Size3:
        """Larger by the reach on each side, in plane."""
        return extent[0], extent[1] + 2 * self.reach, extent[2] + 2 * self.reach

    def output_extent(self, extent: Size3) -> Size3:
        """Smaller by the reach on each side, in plane."""
        return extent[0], extent[1] - 2 * self.reach, extent[2] - 2 * self.reach

    def _reach(self) -> int:
        """Pixels of margin: half the largest shift; a corner of a square turns along its diagonal."""
        shifted = math.ceil(self.displacement / 2) if self.rotation < 1 else 0
        turned = math.ceil(self.displacement / math.sqrt(2)) if self.rotation > 0 else 0
        return max(shifted, turned)

    def _largest_angle(self, extent: Size3, after: Size3) -> float:
        """Radians that move the corners of what is left by `displacement`, if the item has room for them."""
        half_y, half_x = (after[1] - 1) / 2, (after[2] - 1) / 2
        radius = math.hypot(half_y, half_x)
        if radius == 0:
            return 0.0
        angle = 2 * math.asin(min(1.0, self.displacement / 2 / radius))
        for half, k in ((half_y, 1), (half_x, 2)):
            room = half + (extent[k] - after[k]) // 2
            if room < radius:
                angle = min(angle, math.acos(half / radius) - math.acos(room / radius))
        return max(angle, 0.0)


class RandMisalignmentd(GeometricAugmentationd):
    """Dictionary form of `RandMisalignment`."""

    def __init__(
        self,
        keys: KeysCollection = ("image", "label"),
        prob: float = 0.5,
        displacement: int = 16,
        rotation: float = 0.5,
        slip: float = 0.5,
        crop: Sequence[int] = CROP,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(RandMisalignment(prob, displacement, rotation, slip, crop), keys, allow_missing_keys)


def _window(volume: np.ndarray, extent: Size3, shift: tuple[int, int]) -> np.ndarray:
    """View of the middle of (channels, z, y, x) in plane, moved by (y, x) pixels."""
    y, x = ((size - wanted) // 2 for size, wanted in zip(volume.shape[-2:], extent[1:], strict=True))
    y, x = y + shift[0], x + shift[1]
    return volume[..., y : y + extent[1], x : x + extent[2]]
