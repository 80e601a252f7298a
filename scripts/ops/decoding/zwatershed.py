"""zwatershed: basins of the affinity graph, joined by size-dependent single linkage (Zlateski & Seung 2015)."""

from dataclasses import dataclass

import numpy as np

from scripts.ops.decoding.affinity_ranks import affinity_ranks
from scripts.ops.decoding.border_order import descending
from scripts.ops.decoding.probability_checks import check_range, checked_prediction, levels, threshold_in
from scripts.ops.decoding.region_graph import largest_affinities
from scripts.ops.decoding.size_merging import SizeRule, segments_of_basins
from scripts.ops.decoding.steepest_ascent import basins
from scripts.ops.labels.connected_components import renumber, sizes_of
from scripts.ops.limits import Fraction
from scripts.ops.targets.affinity_convention import NEAREST, AffinityConvention


@dataclass(frozen=True)
class AffinityThresholds:
    """Thresholds that are affinities.

    Args:
        low: an edge exists where its affinity is > low.
        high: edges with affinity >= high are joined at once.
        weak: small segments are joined across borders whose largest affinity is > weak.

    Raises:
        ValueError: a value outside [0, 1], or low above high.
    """

    low: Fraction = 0.1
    high: Fraction = 0.9
    weak: Fraction = 0.2

    def __post_init__(self) -> None:
        for name in ("low", "high", "weak"):
            threshold = getattr(self, name)
            if not 0 <= threshold <= 1:
                raise ValueError(
                    f"{name} {threshold} is not an affinity in [0, 1]; for ranks use PercentileThresholds (80 % is 0.8)"
                )
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")

    def of(self, affinities: np.ndarray) -> "AffinityThresholds":
        """These thresholds; they do not depend on the affinities."""
        return self


@dataclass(frozen=True)
class PercentileThresholds:
    """Thresholds that are ranks: 0.8 is the smallest stored affinity that 80 % of all values do not exceed.

    The defaults are those of Lin et al. 2021. All channels and voxels count, the border plane too; the ranks are exact.

    Args:
        low, high, weak: as in `AffinityThresholds`, each a fraction in [0, 1].

    Raises:
        ValueError: a value outside [0, 1] (80 % is 0.8), or low above high.
    """

    low: Fraction = 0.01
    high: Fraction = 0.8
    weak: Fraction = 0.2

    def __post_init__(self) -> None:
        for name in ("low", "high", "weak"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)} is not a fraction in [0, 1]; write 80 % as 0.8")
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")

    def of(self, affinities: np.ndarray) -> AffinityThresholds:
        """The affinities at these ranks."""
        low, high, weak = affinity_ranks(affinities, (self.low, self.high, self.weak))
        return AffinityThresholds(low, high, weak)


DEFAULTS = AffinityThresholds()


def zwatershed(
    affinities: np.ndarray,
    thresholds: AffinityThresholds | PercentileThresholds = DEFAULTS,
    *,
    size: int = 800,
    dust: int = 600,
    join: float | None = None,
    convention: AffinityConvention = NEAREST,
) -> np.ndarray:
    """Affinities to instances.

    1. Basins by steepest ascent (`scripts.ops.decoding.steepest_ascent`).
    2. Borders weighted by their largest affinity; in descending order, those > weak are removed where either side has
       fewer than `size` voxels at that moment. Equal affinities: lowest pair of basin ids first.
    3. Segments with fewer than `dust` voxels become background, all of them.
    4. With `join`, the survivors are joined across every border whose largest affinity is >= join.

    Args:
        affinities: (channels, z, y, x) floats in [0, 1], or uint8 standing for value / 255, where thresholds are
            compared exactly with value / 255.
        thresholds: affinities or ranks, by their class.
        size, dust: voxels.
        join: an affinity, or None.
        convention: what the channels mean; the nearest-neighbour channels are used.

    Returns:
        (z, y, x) ids 1, 2, ... without gaps, 0 background; uint32 (uint64 from 2^31 voxels on).

    Raises:
        ValueError: affinities that are not affinities, or thresholds out of range.
    """
    if size < 0 or dust < 0:
        raise ValueError(f"size {size} and dust {dust} are voxel counts, 0 or more")
    if join is not None:
        threshold_in(join, "join")
    affinities = checked_prediction(affinities, convention.channels, "affinities")
    check_range(affinities, name="affinities")
    nearest = convention.nearest(affinities)
    return _decode(nearest, thresholds.of(nearest), size, dust, join)


def zwatershed_fragments(
    affinities: np.ndarray,
    thresholds: AffinityThresholds | PercentileThresholds = DEFAULTS,
    *,
    convention: AffinityConvention = NEAREST,
) -> np.ndarray:
    """Step 1 alone: the basins, as fragments for agglomeration. Arguments and result as `zwatershed`."""
    return zwatershed(affinities, thresholds, size=0, dust=0, convention=convention)


def _decode(affinities: np.ndarray, at: AffinityThresholds, size: int, dust: int, join: float | None) -> np.ndarray:
    low, _ = levels(affinities.dtype, at.low)
    _, high = levels(affinities.dtype, at.high)
    segments, count = basins(affinities, low, high)
    if size == 0 and dust == 0 and join is None:
        return segments
    rule = SizeRule.of(affinities.dtype, at.low, at.weak, size, dust, join)
    graph = largest_affinities(segments, affinities, rule.floor)
    pairs, weights = descending(lambda: [(graph.first, graph.second, graph.largest)])
    renumber(segments, segments_of_basins(pairs, weights, sizes_of(segments, count), rule))
    return segments
