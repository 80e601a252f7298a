"""zwatershed: basins of the affinity graph, joined by size-dependent single linkage (Zlateski & Seung 2015)."""

from dataclasses import dataclass

import numba
import numpy as np

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


def affinity_ranks(affinities: np.ndarray, fractions: tuple[float, ...]) -> tuple[float, ...]:
    """For each fraction, the smallest value that at least this fraction of all values do not exceed, as an affinity."""
    flat = np.ascontiguousarray(affinities).reshape(-1)
    ranks = np.array([max(0, int(np.ceil(fraction * flat.size)) - 1) for fraction in fractions])
    if flat.dtype == np.uint8:
        upto = np.cumsum(np.bincount(flat, minlength=256))
        return tuple(float(v) / 255 for v in np.searchsorted(upto, ranks, "right"))
    # Floats >= 0 sort as their bits: count the upper half, then the lower half within the one bin that holds the rank.
    bits = flat.view(np.uint32)
    upper = np.cumsum(_count_upper(bits))
    found = []
    for rank in ranks:
        half = int(np.searchsorted(upper, rank, "right"))
        below = int(upper[half - 1]) if half else 0
        lower = np.cumsum(_count_lower(bits, half))
        whole = half << 16 | int(np.searchsorted(lower, rank - below, "right"))
        found.append(float(np.uint32(whole).view(np.float32)))
    return tuple(found)


def _decode(affinities: np.ndarray, at: AffinityThresholds, size: int, dust: int, join: float | None) -> np.ndarray:
    low, _ = levels(affinities.dtype, at.low)
    _, high = levels(affinities.dtype, at.high)
    segments, count = basins(affinities, low, high)
    if size == 0 and dust == 0 and join is None:
        return segments
    weak, _ = levels(affinities.dtype, at.weak)
    _, joined = levels(affinities.dtype, 1.0 if join is None else join)
    sizes = sizes_of(segments, count)
    floor = min(weak, np.nextafter(joined, -1)) if join is not None else weak
    graph = largest_affinities(segments, affinities, max(low, floor))
    order = descending(graph)
    numbers = _merge(
        graph.first, graph.second, graph.value, order, sizes, size, weak, dust, np.inf if join is None else joined
    )
    renumber(segments, numbers)
    return segments


def descending(graph: RegionGraph) -> np.ndarray:
    """Order of the pairs by falling value; equal values by first, then second id."""
    order = np.arange(graph.pairs)
    weights = graph.value.astype(np.float32).view(np.uint32)
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
def _merge(first, second, weight, order, sizes, size, weak, dust, joined):  # type: ignore[no-untyped-def]
    """Steps 2 to 4 on ids: the new number of each basin, ascending by the lowest basin of a segment, 0 for dust."""
    parent = np.arange(sizes.size)
    for i in order:
        if weight[i] <= weak:
            break
        a, b = find_root(parent, np.int64(first[i])), find_root(parent, np.int64(second[i]))
        if a != b and (sizes[a] < size or sizes[b] < size):
            low, high = min(a, b), max(a, b)
            parent[high] = low
            sizes[low] += sizes[high]
    for i in order:
        if weight[i] < joined:
            break
        a, b = find_root(parent, np.int64(first[i])), find_root(parent, np.int64(second[i]))
        if a != b and sizes[a] >= dust and sizes[b] >= dust:
            low, high = min(a, b), max(a, b)
            parent[high] = low
            sizes[low] += sizes[high]
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


@numba.njit(cache=True, nogil=True)
def _count_upper(bits):  # type: ignore[no-untyped-def]
    counts = np.zeros(65536, dtype=np.int64)
    for i in range(bits.size):
        counts[bits[i] >> 16] += 1
    return counts


@numba.njit(cache=True, nogil=True)
def _count_lower(bits, upper):  # type: ignore[no-untyped-def]
    counts = np.zeros(65536, dtype=np.int64)
    for i in range(bits.size):
        if bits[i] >> 16 == upper:
            counts[bits[i] & 65535] += 1
    return counts
