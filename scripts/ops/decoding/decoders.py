"""The decoders by name: plain settings, then prediction in and instances out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

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
from scripts.ops.decoding.settings import Offsets, check_settings, setting_types
from scripts.ops.decoding.zwatershed import AffinityThresholds, PercentileThresholds, zwatershed
from scripts.ops.labels.connected_components import drop_small
from scripts.ops.limits import Count, Fraction, Limits, Size
from scripts.ops.targets.affinity_convention import convention


class Decoder(Protocol):
    """Turns a (channels, z, y, x) prediction into (z, y, x) ids, 0 background."""

    def __call__(self, prediction: np.ndarray) -> np.ndarray:
        """(channels, z, y, x) to (z, y, x) ids."""


@dataclass(frozen=True)
class ZWatershed(AffinityThresholds):
    """zwatershed at affinities `low`, `high`, `weak`; see `scripts.ops.decoding.zwatershed.zwatershed`."""

    size: Count = 800
    dust: Count = 600
    join: Fraction | None = None
    offsets: Offsets = "nearest"

    def __post_init__(self) -> None:
        check_settings(self)
        super().__post_init__()
        convention(self.offsets).check_nearest()

    def __call__(self, prediction: np.ndarray) -> np.ndarray:
        """(channels, z, y, x) affinities to instances."""
        return _zwatershed(self, prediction)


@dataclass(frozen=True)
class PercentileZWatershed(PercentileThresholds):
    """zwatershed at ranks `low`, `high`, `weak` of all affinities, fractions in [0, 1]; `join` stays an affinity."""

    size: Count = 800
    dust: Count = 600
    join: Fraction | None = None
    offsets: Offsets = "nearest"

    def __post_init__(self) -> None:
        check_settings(self)
        super().__post_init__()
        convention(self.offsets).check_nearest()

    def __call__(self, prediction: np.ndarray) -> np.ndarray:
        """(channels, z, y, x) affinities to instances."""
        return _zwatershed(self, prediction)


@dataclass(frozen=True)
class MeanAgglomeration(AffinityThresholds):
    """zwatershed fragments (low, high, weak, size), merged while 1 - mean affinity < threshold; no dust."""

    high: Fraction = 0.99
    weak: Fraction = 0.5
    threshold: Fraction = 0.3
    size: Count = 100
    dust: Count = 600
    offsets: Offsets = "nearest"

    def __post_init__(self) -> None:
        check_settings(self)
        super().__post_init__()
        convention(self.offsets).check_nearest()

    @property
    def score(self) -> MeanAffinity | QuantileAffinity:
        """What decides whether a border is merged."""
        return MeanAffinity()

    def __call__(self, prediction: np.ndarray) -> np.ndarray:
        """(channels, z, y, x) affinities to instances."""
        return next(self.at_each(prediction, (self.threshold,)))[1]

    def at_each(self, prediction: np.ndarray, thresholds: Sequence[float]) -> Iterator[tuple[float, np.ndarray]]:
        """(threshold, instances) of every threshold (ascending) from one run; `threshold` is not used."""
        channels = convention(self.offsets)
        fragments = zwatershed(prediction, self, size=self.size, dust=0, convention=channels)
        for threshold, instances in agglomerate(fragments, prediction, thresholds, self.score, convention=channels):
            drop_small(instances, int(instances.max()), self.dust)
            yield threshold, instances


@dataclass(frozen=True)
class QuantileAgglomeration(MeanAgglomeration):
    """As `MeanAgglomeration`, with 1 - the `percent` quantile of a border's affinities as its score."""

    percent: Annotated[float, Limits(0, 100, without_low=True, hint="the median is 50")] = 75.0

    @property
    def score(self) -> QuantileAffinity:
        """What decides whether a border is merged."""
        return QuantileAffinity(self.percent)


@dataclass(frozen=True)
class MutexWatershed:
    """Mutex watershed on long-range affinities; see `scripts.ops.decoding.mutex_watershed.mutex_watershed`."""

    low: Fraction = 0.1
    strides: tuple[Size, Size, Size] = STRIDES
    dust: Count = 600
    offsets: Offsets = "long_range"

    def __post_init__(self) -> None:
        check_settings(self)
        if not any(convention(self.offsets).repulsive):
            raise ValueError(f"offsets {self.offsets}: the mutex watershed also needs steps of more than one voxel")

    def __call__(self, prediction: np.ndarray) -> np.ndarray:
        """(channels, z, y, x) affinities to instances."""
        channels = convention(self.offsets)
        return mutex_watershed(prediction, channels, low=self.low, strides=self.strides, dust=self.dust)


@dataclass(frozen=True)
class BinaryWatershed(BinaryThresholds):
    """Binary map to instances; see `scripts.ops.decoding.probability_watershed.binary_watershed`."""

    small_seed: Count = 32
    small: Count = 128

    def __post_init__(self) -> None:
        check_settings(self)
        super().__post_init__()

    @property
    def thresholds(self) -> BinaryThresholds:
        """Of seeds and mask."""
        return BinaryThresholds(self.seed, self.mask)

    def __call__(self, prediction: np.ndarray) -> np.ndarray:
        """(1, z, y, x) probabilities to instances."""
        return binary_watershed(prediction, self, small_seed=self.small_seed, small=self.small)


@dataclass(frozen=True)
class BCWatershed(ContourThresholds):
    """Binary and contour maps to instances; see `scripts.ops.decoding.probability_watershed.bc_watershed`."""

    small_seed: Count = 32
    small: Count = 128

    def __post_init__(self) -> None:
        check_settings(self)
        super().__post_init__()

    @property
    def thresholds(self) -> ContourThresholds:
        """Of seeds and mask."""
        return ContourThresholds(self.seed, self.contour, self.mask)

    def __call__(self, prediction: np.ndarray) -> np.ndarray:
        """(2, z, y, x) probabilities to instances."""
        return bc_watershed(prediction, self, small_seed=self.small_seed, small=self.small)


@dataclass(frozen=True)
class BCDWatershed(DistanceThresholds):
    """B, C and D maps to instances, flooding -B; see `scripts.ops.decoding.probability_watershed.bcd_watershed`."""

    small_seed: Count = 32
    small: Count = 128

    def __post_init__(self) -> None:
        check_settings(self)
        super().__post_init__()

    def __call__(self, prediction: np.ndarray) -> np.ndarray:
        """(3, z, y, x) maps, the distance in [-1, 1], to instances."""
        return bcd_watershed(prediction, self, small_seed=self.small_seed, small=self.small)


@dataclass(frozen=True)
class BCDWatershedByDistance(BCDWatershed):
    """As `BCDWatershed`, flooding -D."""

    def __call__(self, prediction: np.ndarray) -> np.ndarray:
        """(3, z, y, x) maps, the distance in [-1, 1], to instances."""
        return bcd_watershed_by_distance(prediction, self, small_seed=self.small_seed, small=self.small)


DECODERS: dict[str, type] = {
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
    known = setting_types(made)
    unknown = [setting for setting in settings or {} if setting not in known]
    if unknown:
        raise ValueError(f"decoder '{name}' has no setting '{unknown[0]}'; it has: {', '.join(known)}")
    ready: Decoder = made(**(settings or {}))
    return ready


def _zwatershed(decoder: ZWatershed | PercentileZWatershed, affinities: np.ndarray) -> np.ndarray:
    channels = convention(decoder.offsets)
    return zwatershed(affinities, decoder, size=decoder.size, dust=decoder.dust, join=decoder.join, convention=channels)
