"""Masks of an image: which of its voxels count, by a volume or by a rule on the grey values."""

import math
import os
from collections.abc import Iterator, Sequence

import numpy as np

from scripts.data.regions.known_labels import UNKNOWN
from scripts.data.regions.label_search import ROWS_VOXELS, spread
from scripts.data.regions.mask_alignment import aligned_mask
from scripts.data.regions.named_volumes import Paths
from scripts.data.regions.region import Region
from scripts.data.volumes.downsampled import AS_STORED, downsampled_labels
from scripts.data.volumes.open import open_volume
from scripts.data.volumes.volume import Volume
from scripts.ops.box import Offset3

NONZERO, NOT = "nonzero", "not:"
"""Rules: voxels whose grey value is not 0, and voxels whose grey value is not the number after the colon."""
Masks = Paths | Sequence[Paths | None] | None
"""`mask` of a config: null, one rule or volume, or a list with one for each volume named."""


class MaskVolume(Volume):
    """True where a volume has another value than the empty one.

    Args:
        volume: grey values, or a mask.
        empty: the value of voxels that do not count.
        name: of the mask, for messages.
        unknown: whether -1 does not count either, as in labels.

    Example:
        >>> MaskVolume(ArrayVolume(np.array([[[0, 7, 255]]], np.uint8)), 0)[...].tolist()
        [[[False, True, True]]]
    """

    def __init__(self, volume: Volume, empty: float, name: str = "", unknown: bool = False) -> None:
        super().__init__(name or volume.path, volume.shape, np.dtype(bool), volume.voxel_size_nm)
        self.volume, self.empty, self.unknown = volume, empty, unknown
        self.fork_safe = volume.fork_safe

    def _read(self, low: Offset3, high: Offset3) -> np.ndarray:
        block = self.volume[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        counts: np.ndarray = block != self.empty
        return counts & (block != UNKNOWN) if self.unknown else counts

    def remarks(self) -> list[str]:
        """Those of a mask's own volume."""
        return self.volume.remarks() if self.unknown else []

    def close(self) -> None:
        """Close the file. A later read opens it again."""
        self.volume.close()


def open_mask(
    mask: str | os.PathLike[str], stored: Volume, image: Volume | None = None, factors: Sequence[int] = AS_STORED
) -> Volume:
    """The mask of an image, True where voxels count.

    Args:
        mask: `nonzero` (the image's own voxels that are not 0), `not:VALUE` (those that are not VALUE), or the path of
            a volume that is 0 where voxels do not count: of the image's shape, of a part whose position it states,
            around which nothing counts, or of voxels that are larger by whole numbers.
        stored: the image as it is stored, which a mask volume agrees with.
        image: the down-sampled image that a rule is applied to; by default the stored one.
        factors: stored voxels (z, y, x) of one of `image`; a mask volume takes the middle one.

    Raises:
        ValueError: a rule without a number, a mask that does not fit the image.
        FileNotFoundError: no such volume.
    """
    word = os.fspath(mask)
    empty = rule_value(word)
    if empty is not None:
        return MaskVolume(stored if image is None else image, empty, word)
    try:
        opened = open_volume(word)
    except (FileNotFoundError, ValueError) as error:
        rules = f"; a mask is a volume, or the rule {NONZERO} or {NOT}255"
        raise type(error)(f"mask: {error}{rules}") from None
    aligned = aligned_mask(opened, stored)
    return MaskVolume(downsampled_labels(aligned, factors), 0, word, unknown=True)


def is_rule(mask: str) -> bool:
    """Whether a mask is a rule on the image, not the path of a volume."""
    return mask == NONZERO or mask.startswith(NOT)


def rule_value(mask: str) -> float | None:
    """The empty value of a rule; None where the text is a path.

    Raises:
        ValueError: `not:` without a number.
    """
    if mask == NONZERO:
        return 0
    if not mask.startswith(NOT):
        return None
    try:
        value = float(mask.removeprefix(NOT))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"mask '{mask}': give the grey value of empty space, such as {NOT}255")
    return value


def masks_of(masks: Masks, names: Sequence[str]) -> list[str | None]:
    """One mask or a list of them as a list with one for each name.

    Raises:
        ValueError: a list of another length.
    """
    if masks is None or isinstance(masks, str | os.PathLike):
        return [None if masks is None else os.fspath(masks)] * len(names)
    if len(masks) != len(names):
        raise ValueError(f"{len(masks)} masks for {len(names)} volumes ({', '.join(names)}); give one for each")
    return [None if mask is None else os.fspath(mask) for mask in masks]


class MaskedLabels(Volume):
    """Labels that are -1, unknown, where a mask is 0.

    Args:
        labels: of a signed type.
        mask: True where voxels count.
    """

    def __init__(self, labels: Volume, mask: Volume) -> None:
        super().__init__(labels.path, labels.shape, labels.dtype, labels.voxel_size_nm)
        self.offset_nm, self.offset = labels.offset_nm, labels.offset
        self.labels, self.mask = labels, mask
        self.fork_safe = labels.fork_safe and mask.fork_safe

    def _read(self, low: Offset3, high: Offset3) -> np.ndarray:
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        block = self.labels[box]
        block[~self.mask[box]] = UNKNOWN
        return block

    def remarks(self) -> list[str]:
        """Those of the labels."""
        return self.labels.remarks()

    def close(self) -> None:
        """Close the files. A later read opens them again."""
        self.labels.close()
        self.mask.close()


def check_unmasked(regions: Sequence[Region]) -> None:
    """Make sure that the masks leave voxels to sample; reads sections, far apart ones first, until there is one.

    Raises:
        ValueError: a region without such voxels.
    """
    for region in regions:
        if region.mask is not None and not any(block.any() for block in _blocks(region, region.mask)):
            raise ValueError(
                f"mask {region.mask.path} is 0 in all of {region.sampling_box} of {region.title}: no voxel is left to "
                "sample; check that it is this volume's mask, or choose another box"
            )


def _blocks(region: Region, mask: Volume) -> Iterator[np.ndarray]:
    (z0, y0, x0), (z1, y1, x1) = region.sampling_box.start, region.sampling_box.stop
    rows = max(1, ROWS_VOXELS // (x1 - x0))
    for z in spread(z1 - z0):
        for y in range(y0, y1, rows):
            yield mask[z0 + z, y : min(y + rows, y1), x0:x1]
