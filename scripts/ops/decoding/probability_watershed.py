"""Instances from binary (B), contour (C) and distance (D) maps: seeds, mask, flood, filter."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from scripts.ops.decoding.probability_checks import check_range, checked_prediction, levels, threshold_in
from scripts.ops.decoding.seeded_watershed import flood, quantised_height
from scripts.ops.labels.connected_components import connected_components, drop_small
from scripts.ops.limits import Fraction, Limits

Distance = Annotated[float, Limits(-1, 1)]
"""A value of the distance map."""


def _check(thresholds: object, names: tuple[str, ...], low: float = 0.0) -> None:
    for name in names:
        threshold_in(getattr(thresholds, name), f"{type(thresholds).__name__} {name}", low)


@dataclass(frozen=True)
class BinaryThresholds:
    """Seeds where B > seed, flood within B > mask (Lin et al. 2021).

    Raises:
        ValueError: outside [0, 1], or mask above seed.
    """

    seed: Fraction = 0.98
    mask: Fraction = 0.85

    def __post_init__(self) -> None:
        _check(self, ("seed", "mask"))
        if self.mask > self.seed:
            raise ValueError(f"mask {self.mask} is above seed {self.seed}: seeds would lie outside the mask")


@dataclass(frozen=True)
class ContourThresholds:
    """Seeds where B > seed and C < contour, flood within B > mask (Lin et al. 2021).

    A tutorial for MitoEM uses 0.85, 0.6, 0.8 and drops objects below 1024 voxels.

    Raises:
        ValueError: outside [0, 1].
    """

    seed: Fraction = 0.9
    contour: Fraction = 0.8
    mask: Fraction = 0.85

    def __post_init__(self) -> None:
        _check(self, ("seed", "contour", "mask"))


@dataclass(frozen=True)
class DistanceThresholds:
    """Seeds where B > seed, C < contour, D > distance, flood within B > mask and D > distance_mask (Lin et al. 2021).

    Raises:
        ValueError: outside [0, 1] (B, C) or [-1, 1] (D), or distance_mask above distance.
    """

    seed: Fraction = 0.9
    contour: Fraction = 0.8
    distance: Distance = 0.5
    mask: Fraction = 0.85
    distance_mask: Distance = 0.0

    def __post_init__(self) -> None:
        _check(self, ("seed", "contour", "mask"))
        _check(self, ("distance", "distance_mask"), -1.0)
        if self.distance_mask > self.distance:
            raise ValueError(f"distance_mask {self.distance_mask} is above distance {self.distance}")


BINARY, CONTOUR, DISTANCE = BinaryThresholds(), ContourThresholds(), DistanceThresholds()
"""The published thresholds."""


def binary_watershed(
    prediction: np.ndarray,
    thresholds: BinaryThresholds = BINARY,
    *,
    small_seed: int = 32,
    small: int = 128,
) -> np.ndarray:
    """B to instances: seeds of `small_seed` voxels or more (26 neighbours), flooding -B (6 neighbours) within the mask.

    Args:
        prediction: (1, z, y, x), floats in [0, 1] or uint8 for value / 255.
        small_seed, small: seeds, and in the end objects, of fewer voxels are dropped.

    Returns:
        (z, y, x) ids 1, 2, ... without gaps in the order of the seeds' first voxels; uint32 (uint64 from 2^31 voxels).

    Raises:
        ValueError: another number of channels, values out of range.
    """
    return _grow(*maps_of_binary(prediction, thresholds), small_seed, small)


def bc_watershed(
    prediction: np.ndarray,
    thresholds: ContourThresholds = CONTOUR,
    *,
    small_seed: int = 32,
    small: int = 128,
) -> np.ndarray:
    """B and C, (2, z, y, x), to instances; otherwise as `binary_watershed`."""
    return _grow(*maps_of_contour(prediction, thresholds), small_seed, small)


def maps_of_binary(prediction: np.ndarray, thresholds: BinaryThresholds) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(1, z, y, x) probabilities to (seeds, mask, height): bool, bool, uint8. Errors as `binary_watershed`."""
    b = _channels(prediction, 1)[0]
    return _above(b, thresholds.seed), _above(b, thresholds.mask), quantised_height(b)


def maps_of_contour(prediction: np.ndarray, thresholds: ContourThresholds) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(2, z, y, x) probabilities to (seeds, mask, height): bool, bool, uint8. Errors as `bc_watershed`."""
    b, c = _channels(prediction, 2)
    seed = _above(b, thresholds.seed)
    seed &= _below(c, thresholds.contour)
    return seed, _above(b, thresholds.mask), quantised_height(b)


def bcd_watershed(
    prediction: np.ndarray,
    thresholds: DistanceThresholds = DISTANCE,
    *,
    small_seed: int = 32,
    small: int = 128,
) -> np.ndarray:
    """B, C and D, (3, z, y, x), to instances, flooding -B; D in [-1, 1], so float only. As `binary_watershed`."""
    b, _, _, seed, mask = _bcd(prediction, thresholds)
    return _grow(seed, mask, quantised_height(b), small_seed, small)


def bcd_watershed_by_distance(
    prediction: np.ndarray,
    thresholds: DistanceThresholds = DISTANCE,
    *,
    small_seed: int = 32,
    small: int = 128,
) -> np.ndarray:
    """As `bcd_watershed`, but flooding -D instead of -B, so that touching objects meet where both are thin."""
    _, _, d, seed, mask = _bcd(prediction, thresholds)
    return _grow(seed, mask, quantised_height(d, -1.0, 1.0), small_seed, small)


def _channels(prediction: np.ndarray, channels: int) -> np.ndarray:
    prediction = checked_prediction(prediction, channels)
    check_range(prediction)
    return prediction


def _bcd(prediction: np.ndarray, at: DistanceThresholds) -> tuple[np.ndarray, ...]:
    prediction = checked_prediction(prediction, 3)
    if prediction.dtype == np.uint8:
        raise ValueError("prediction is uint8, but the distance channel runs from -1 to 1; keep B, C, D as floats")
    check_range(prediction[:2])
    check_range(prediction[2], "distance", "distance")
    b, c, d = prediction
    seed = _above(b, at.seed)
    seed &= _below(c, at.contour)
    seed &= _above(d, at.distance)
    mask = _above(b, at.mask)
    mask &= _above(d, at.distance_mask)
    return b, c, d, seed, mask


def _above(channel: np.ndarray, threshold: float) -> np.ndarray:
    level, _ = levels(channel.dtype, threshold)
    return channel > channel.dtype.type(level)


def _below(channel: np.ndarray, threshold: float) -> np.ndarray:
    if channel.dtype == np.uint8:
        return channel < np.uint8(levels(channel.dtype, threshold)[1])
    return channel < np.float32(threshold)


def _grow(seed: np.ndarray, mask: np.ndarray, height: np.ndarray, small_seed: int, small: int) -> np.ndarray:
    if small_seed < 0 or small < 0:
        raise ValueError(f"small_seed {small_seed} and small {small} are voxel counts, 0 or more")
    labels, count = connected_components(seed, 26)
    del seed
    drop_small(labels, count, small_seed)
    flood(height, labels, mask.view(np.uint8))
    drop_small(labels, count, small)
    return labels
