"""zwatershed: basins of the affinity graph, joined by size-dependent single linkage (Zlateski & Seung 2015)."""

from dataclasses import dataclass

import numba
import numpy as np

from scripts.ops.decoding.affinity_ranks import affinity_ranks
from scripts.ops.decoding.probability_checks import check_range, checked_prediction, levels, threshold_in
from scripts.ops.decoding.region_graph import RegionGraph, largest_affinities
from scripts.ops.decoding.steepest_ascent import basins
from scripts.ops.labels.connected_components import renumber, sizes_of
from scripts.ops.limits import Fraction
from scripts.ops.targets.affinity_convention import NEAREST, AffinityConvention
from scripts.ops.union_find import find_root


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
    rule = SizeRule.of(affinities.dtype, at, size, dust, join)
    graph = largest_affinities(segments, affinities, rule.floor)
    nothing = np.empty((2, 0), dtype=np.int64)
    renumber(segments, segments_of_basins(graph, sizes_of(segments, count), rule, nothing))
    return segments


@dataclass(frozen=True)
class SizeRule:
    """Steps 2 to 4 with all affinities in the array's own numbers.

    Attributes:
        floor: borders whose largest affinity is <= floor never matter.
        weak, joined: basins merge where the largest affinity is > weak and, with `join`, >= joined.
        size, dust: voxels.
    """

    floor: float
    weak: float
    joined: float
    size: int
    dust: int

    @classmethod
    def of(cls, dtype: np.dtype, at: AffinityThresholds, size: int, dust: int, join: float | None) -> "SizeRule":
        """The rule for affinities of a dtype."""
        low, _ = levels(dtype, at.low)
        weak, _ = levels(dtype, at.weak)
        if join is None:
            return cls(max(low, weak), weak, np.inf, size, dust)
        _, joined = levels(dtype, join)
        return cls(max(low, min(weak, float(np.nextafter(joined, -1)))), weak, joined, size, dust)


def segments_of_basins(graph: RegionGraph, sizes: np.ndarray, rule: SizeRule, merged: np.ndarray) -> np.ndarray:
    """The segment 1, 2, ... of every basin, 0 for dust.

    Args:
        graph: borders of basins with their largest affinities.
        sizes: voxels of basins 0, 1, ...; used up.
        rule: when to merge.
        merged: (2, pairs) basins that are one already, of `contracted_by_size`.
    """
    order = descending(graph)
    weights = graph.first, graph.second, graph.largest
    return _merge(*weights, order, sizes, rule.size, rule.weak, rule.dust, rule.joined, merged)


def contracted_by_size(
    graph: RegionGraph, sizes: np.ndarray, rule: SizeRule, uncertain: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Step 2 in a part of a volume, as far as it can be decided there.

    Borders come in the same order as in the volume. One of two segments of `size` voxels or more is dropped for good.
    One between certain segments is decided. A certain small segment joins one that is known to be large. Of any other
    border both segments become uncertain, and it is kept.

    Args:
        graph: borders of the part, basins numbered in the order of the volume.
        sizes: voxels in the whole volume of basins 0, 1, ...
        rule: when to merge.
        uncertain: (basins + 1,) bool, those that have borders elsewhere.

    Returns:
        (2, pairs) basins that are one, and (borders,) bool: those to be kept.
    """
    parent, kept = _contract(
        graph.first,
        graph.second,
        graph.largest,
        descending(graph),
        sizes.copy(),
        uncertain.copy(),
        rule.size,
        rule.weak,
    )
    inside = np.flatnonzero(parent != np.arange(parent.size))
    kept |= (graph.largest >= rule.joined) & (parent[graph.first] != parent[graph.second])
    return np.stack([parent[inside], inside]), kept


def descending(graph: RegionGraph) -> np.ndarray:
    """Order of the pairs by falling largest affinity; equal ones by first, then second id."""
    order = np.arange(graph.pairs)
    weights = graph.largest.astype(np.float32).view(np.uint32)
    for key in (graph.second, graph.first, ~weights):
        for shift in range(0, 16 * ((int(key.max(initial=0)).bit_length() + 15) // 16), 16):
            order = _stable_by_digit(order, key, shift)
    return order


@numba.njit(cache=True, nogil=True)
def _stable_by_digit(order, key, shift):  # type: ignore[no-untyped-def]
    starts = np.zeros(65537, dtype=np.int64)
    for i in range(order.size):
        starts[((np.uint64(key[i]) >> np.uint64(shift)) & np.uint64(65535)) + np.uint64(1)] += 1
    starts = np.cumsum(starts)
    result = np.empty_like(order)
    for i in order:
        digit = (np.uint64(key[i]) >> np.uint64(shift)) & np.uint64(65535)
        result[starts[digit]] = i
        starts[digit] += 1
    return result


@numba.njit(cache=True, nogil=True)
def _merge(first, second, weight, order, sizes, size, weak, dust, joined, merged):  # type: ignore[no-untyped-def]
    """Steps 2 to 4 on ids: the new number of each basin, ascending by the lowest basin of a segment, 0 for dust."""
    parent = np.arange(sizes.size)
    for i in range(merged.shape[1]):
        _unite(parent, sizes, find_root(parent, merged[0, i]), find_root(parent, merged[1, i]))
    for i in order:
        if weight[i] <= weak:
            break
        a, b = find_root(parent, np.int64(first[i])), find_root(parent, np.int64(second[i]))
        if a != b and (sizes[a] < size or sizes[b] < size):
            _unite(parent, sizes, a, b)
    for i in order:
        if weight[i] < joined:
            break
        a, b = find_root(parent, np.int64(first[i])), find_root(parent, np.int64(second[i]))
        if a != b and sizes[a] >= dust and sizes[b] >= dust:
            _unite(parent, sizes, a, b)
    numbers = np.zeros(sizes.size, dtype=np.int64)
    count = 0
    for a in range(1, sizes.size):
        root = find_root(parent, a)
        if root == a and sizes[a] >= dust:
            count += 1
            numbers[a] = count
        elif root != a:
            numbers[a] = numbers[root]
    return numbers


@numba.njit(cache=True, nogil=True, inline="always")
def _unite(parent, sizes, a, b):  # type: ignore[no-untyped-def]
    """Join two roots, if they are two; the lower stays one."""
    low, high = min(a, b), max(a, b)
    if low != high:
        parent[high] = low
        sizes[low] += sizes[high]


@numba.njit(cache=True, nogil=True)
def _contract(first, second, weight, order, sizes, uncertain, size, weak):  # type: ignore[no-untyped-def]
    parent = np.arange(sizes.size)
    kept = np.zeros(first.size, dtype=np.bool_)
    for i in order:
        if weight[i] <= weak:
            break
        a, b = find_root(parent, np.int64(first[i])), find_root(parent, np.int64(second[i]))
        if a == b or (sizes[a] >= size and sizes[b] >= size):
            continue
        certain = not uncertain[a] and not uncertain[b]
        joins_large = (not uncertain[a] and sizes[a] < size and sizes[b] >= size) or (
            not uncertain[b] and sizes[b] < size and sizes[a] >= size
        )
        if certain or joins_large:
            uncertain[min(a, b)] = uncertain[a] or uncertain[b]
            _unite(parent, sizes, a, b)
        else:
            uncertain[a] = uncertain[b] = kept[i] = True
    for a in range(parent.size):
        parent[a] = find_root(parent, a)
    return parent, kept
