"""The decoders by name: plain settings, then prediction in and instances out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np

from scripts.ops.decoding.agglomeration import MeanAffinity, QuantileAffinity, agglomerate
from scripts.ops.decoding.mutex_watershed import STRIDES, mutex_watershed
from scripts.ops.decoding.probability_watershed import (
    BinaryThresholds,
    ContourThresholds,
    DistanceThresholds,
    bc_watershed,
    bcd_watershed,
    bcd_watershed_by_distance,
    binary_watershed,
)
from scripts.ops.decoding.zwatershed import AffinityThresholds, PercentileThresholds, zwatershed
from scripts.ops.labels.connected_components import drop_small
from scripts.ops.targets.affinity_convention import convention


class Decoder(Protocol):
    """Turns a (channels, z, y, x) prediction into (z, y, x) ids, 0 background."""

    def __call__(self, prediction: np.ndarray) -> np.ndarray:
        """(channels, z, y, x) to (z, y, x) ids."""


@dataclass(frozen=True)
class ZWatershed:
    """zwatershed at affinities `low`, `high`, `weak`; see `scripts.ops.decoding.zwatershed.zwatershed`."""

    low: float = 0.1
    high: float = 0.9
    weak: float = 0.2
    size: int = 800
    dust: int = 600
    join: float | None = None
    offsets: str = "nearest"

    def __post_init__(self) -> None:
        AffinityThresholds(self.low, self.high, self.weak)

    def __call__(self, prediction: np.ndarray) -> np.ndarray:
        """(channels, z, y, x) affinities to instances."""
        at = AffinityThresholds(self.low, self.high, self.weak)
        return zwatershed(
            prediction, at, size=self.size, dust=self.dust, join=self.join, convention=convention(self.offsets)
        )


@dataclass(frozen=True)
class PercentileZWatershed:
    """zwatershed at ranks `low`, `high`, `weak` of all affinities, fractions in [0, 1]; `join` stays an affinity."""

    low: float = 0.01
    high: float = 0.8
    weak: float = 0.2
    size: int = 800
    dust: int = 600
    join: float | None = None
    offsets: str = "nearest"

    def __post_init__(self) -> None:
        PercentileThresholds(self.low, self.high, self.weak)

    def __call__(self, prediction: np.ndarray) -> np.ndarray:
        """(channels, z, y, x) affinities to instances."""
        at = PercentileThresholds(self.low, self.high, self.weak)
        return zwatershed(
            prediction, at, size=self.size, dust=self.dust, join=self.join, convention=convention(self.offsets)
        )


@dataclass(frozen=True)
class MeanAgglomeration:
    """zwatershed fragments (low, high, weak, size), merged while 1 - mean affinity < threshold; no dust."""

    threshold: float = 0.3
    low: float = 0.1
    high: float = 0.99
    weak: float = 0.5
    size: int = 100
    dust: int = 600
    offsets: str = "nearest"

    def __post_init__(self) -> None:
        AffinityThresholds(self.low, self.high, self.weak)

    def __call__(self, prediction: np.ndarray) -> np.ndarray:
        """(channels, z, y, x) affinities to instances."""
        return next(self.at_each(prediction, (self.threshold,)))[1]

    def at_each(self, prediction: np.ndarray, thresholds: Sequence[float]) -> Iterator[tuple[float, np.ndarray]]:
        """(threshold, instances) of every threshold (ascending) from one run; `threshold` is not used."""
        return _agglomerated(self, MeanAffinity(), prediction, thresholds)


@dataclass(frozen=True)
class QuantileAgglomeration:
    """As `MeanAgglomeration`, with 1 - the `percent` quantile of a border's affinities as its score."""

    threshold: float = 0.3
    percent: float = 75.0
    low: float = 0.1
    high: float = 0.99
    weak: float = 0.5
    size: int = 100
    dust: int = 600
    offsets: str = "nearest"

    def __post_init__(self) -> None:
        AffinityThresholds(self.low, self.high, self.weak)
        QuantileAffinity(self.percent)

    def __call__(self, prediction: np.ndarray) -> np.ndarray:
        """(channels, z, y, x) affinities to instances."""
        return next(self.at_each(prediction, (self.threshold,)))[1]

    def at_each(self, prediction: np.ndarray, thresholds: Sequence[float]) -> Iterator[tuple[float, np.ndarray]]:
        """(threshold, instances) of every threshold (ascending) from one run; `threshold` is not used."""
        return _agglomerated(self, QuantileAffinity(self.percent), prediction, thresholds)


@dataclass(frozen=True)
class MutexWatershed:
    """Mutex watershed on long-range affinities; see `scripts.ops.decoding.mutex_watershed.mutex_watershed`."""

    low: float = 0.1
    strides: tuple[int, int, int] = STRIDES
    dust: int = 600
    offsets: str = "long_range"

    def __call__(self, prediction: np.ndarray) -> np.ndarray:
        """(channels, z, y, x) affinities to instances."""
        channels = convention(self.offsets)
        return mutex_watershed(prediction, channels, low=self.low, strides=self.strides, dust=self.dust)


@dataclass(frozen=True)
class BinaryWatershed:
    """Binary map to instances; see `scripts.ops.decoding.probability_watershed.binary_watershed`."""

    seed: float = 0.98
    mask: float = 0.85
    small_seed: int = 32
    small: int = 128

    def __call__(self, prediction: np.ndarray) -> np.ndarray:
        """(1, z, y, x) probabilities to instances."""
        at = BinaryThresholds(self.seed, self.mask)
        return binary_watershed(prediction, at, small_seed=self.small_seed, small=self.small)


@dataclass(frozen=True)
class BCWatershed:
    """Binary and contour maps to instances; see `scripts.ops.decoding.probability_watershed.bc_watershed`."""

    seed: float = 0.9
    contour: float = 0.8
    mask: float = 0.85
    small_seed: int = 32
    small: int = 128

    def __call__(self, prediction: np.ndarray) -> np.ndarray:
        """(2, z, y, x) probabilities to instances."""
        at = ContourThresholds(self.seed, self.contour, self.mask)
        return bc_watershed(prediction, at, small_seed=self.small_seed, small=self.small)


@dataclass(frozen=True)
class BCDWatershed:
    """B, C and D maps to instances, flooding -B; see `scripts.ops.decoding.probability_watershed.bcd_watershed`."""

    seed: float = 0.9
    contour: float = 0.8
    distance: float = 0.5
    mask: float = 0.85
    distance_mask: float = 0.0
    small_seed: int = 32
    small: int = 128

    def __call__(self, prediction: np.ndarray) -> np.ndarray:
        """(3, z, y, x) maps, the distance in [-1, 1], to instances."""
        at = DistanceThresholds(self.seed, self.contour, self.distance, self.mask, self.distance_mask)
        return bcd_watershed(prediction, at, small_seed=self.small_seed, small=self.small)


@dataclass(frozen=True)
class BCDWatershedByDistance(BCDWatershed):
    """As `BCDWatershed`, flooding -D."""

    def __call__(self, prediction: np.ndarray) -> np.ndarray:
        """(3, z, y, x) maps, the distance in [-1, 1], to instances."""
        at = DistanceThresholds(self.seed, self.contour, self.distance, self.mask, self.distance_mask)
        return bcd_watershed_by_distance(prediction, at, small_seed=self.small_seed, small=self.small)


DECODERS: dict[str, Callable[..., Decoder]] = {
    "zwatershed": ZWatershed,
    "zwatershed-percentile": PercentileZWatershed,
    "agglomeration": MeanAgglomeration,
    "agglomeration-quantile": QuantileAgglomeration,
    "mutex": MutexWatershed,
    "binary": BinaryWatershed,
    "bc": BCWatershed,
    "bcd": BCDWatershed,
    "bcd-distance": BCDWatershedByDistance,
}
"""Name on the command line and in configs -> decoder."""


def decoder(name: str, settings: Mapping[str, Any] | None = None) -> Decoder:
    """The named decoder with these settings; what is not given keeps its default.

    Raises:
        ValueError: an unknown decoder or setting, or a value out of its range.
    """
    if name not in DECODERS:
        raise ValueError(f"unknown decoder '{name}'; there are: {', '.join(DECODERS)}")
    made: Any = DECODERS[name]
    known = [part.name for part in fields(made)]
    unknown = [setting for setting in settings or {} if setting not in known]
    if unknown:
        raise ValueError(f"decoder '{name}' has no setting '{unknown[0]}'; it has: {', '.join(known)}")
    ready: Decoder = made(**(settings or {}))
    return ready


def _agglomerated(
    of: MeanAgglomeration | QuantileAgglomeration,
    score: MeanAffinity | QuantileAffinity,
    prediction: np.ndarray,
    thresholds: Sequence[float],
) -> Iterator[tuple[float, np.ndarray]]:
    channels = convention(of.offsets)
    at = AffinityThresholds(of.low, of.high, of.weak)
    fragments = zwatershed(prediction, at, size=of.size, dust=0, convention=channels)
    for threshold, instances in agglomerate(fragments, prediction, thresholds, score, convention=channels):
        drop_small(instances, int(instances.max()), of.dust)
        yield threshold, instances
