"""Agglomeration: merge fragments by the affinities along their borders; every threshold from one run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from scripts.ops.decoding.agglomeration_queue import merge_by_score
from scripts.ops.decoding.border_order import by_last_face
from scripts.ops.decoding.probability_checks import check_range, checked_prediction
from scripts.ops.decoding.region_graph import border_values, region_graph
from scripts.ops.labels.connected_components import renumber, sizes_of
from scripts.ops.labels.label_checks import checked_labels, same_shape
from scripts.ops.targets.affinity_convention import NEAREST, AffinityConvention

THRESHOLDS = (0.1, 0.3, 0.6)
"""Scores at which Lin et al. 2021 cut."""


@dataclass(frozen=True)
class MeanAffinity:
    """Score of a border: 1 - mean affinity of its faces."""

    @property
    def quantile(self) -> float:
        """0: not a quantile."""
        return 0.0


@dataclass(frozen=True)
class QuantileAffinity:
    """Score of a border: 1 - the affinity at or below which `percent` of its faces lie, in 256 bins.

    50, 75 and 85 are usual. An affinity a falls in bin b = floor(256 a) and reads as the bin's centre, (b + 0.5) / 256;
    uint8 values are their own bins.

    Raises:
        ValueError: not above 0 and at most 100.
    """

    percent: float = 75.0

    def __post_init__(self) -> None:
        if not 0 < self.percent <= 100:
            raise ValueError(f"percent {self.percent} is not in (0, 100]; the median is 50")

    @property
    def quantile(self) -> float:
        """In percent."""
        return float(self.percent)


@dataclass(frozen=True)
class Agglomeration:
    """What one run found: the fragments and, for every threshold, the segment of each.

    Attributes:
        fragments: (z, y, x) ids, uint32.
        thresholds: ascending scores.
        segments: (thresholds, largest fragment id + 1) ids, 0 for background.
    """

    fragments: np.ndarray = field(repr=False)
    thresholds: tuple[float, ...]
    segments: np.ndarray = field(repr=False)

    def at(self, threshold: float) -> np.ndarray:
        """(z, y, x) ids 1, 2, ... in the order of their lowest fragment, uint32.

        Raises:
            ValueError: a threshold that was not computed.
        """
        if threshold not in self.thresholds:
            raise ValueError(f"threshold {threshold} was not computed; computed are: {self.thresholds}")
        numbers = self.segments[self.thresholds.index(threshold)].astype(self.fragments.dtype)
        instances = self.fragments.copy()
        renumber(instances, numbers)
        return instances

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        return ((threshold, self.at(threshold)) for threshold in self.thresholds)


MEAN = MeanAffinity()


def agglomerate(
    fragments: np.ndarray,
    affinities: np.ndarray,
    thresholds: Sequence[float] = THRESHOLDS,
    score: MeanAffinity | QuantileAffinity = MEAN,
    *,
    convention: AffinityConvention = NEAREST,
) -> Agglomeration:
    """Merge touching fragments while their score is below the threshold, lowest first; merged borders are pooled.

    Background (0) never merges. All faces of a border count, whatever their affinity. Equal scores: the border whose
    last face comes first in a scan (z, y, x; per voxel z, y, x faces). All thresholds cost one run and a snapshot each.

    A pooled border is never better than the better of the two it pools, and sums are exact, so two segments that are
    each other's best neighbour may be merged at any time: the result does not depend on the order of the work.

    Args:
        fragments: (z, y, x) ids below 2^32, best without gaps; not changed.
        affinities: (channels, z, y, x) floats in [0, 1], or uint8 for value / 255.
        thresholds: scores in [0, 1], ascending; a threshold t merges while 1 - affinity < t.
        score: how the affinities of a border's faces become one score.
        convention: what the channels mean.

    Raises:
        ValueError: shapes that differ, fragments that are not ids, values out of range, thresholds that do not ascend.
    """
    cuts = tuple(float(threshold) for threshold in thresholds)
    if not cuts or any(not 0 <= cut <= 1 for cut in cuts) or any(a >= b for a, b in pairwise(cuts)):
        raise ValueError(f"thresholds {cuts} are not ascending scores in [0, 1], such as {THRESHOLDS}")
    fragments = checked_labels(fragments, "fragments")
    affinities = checked_prediction(affinities, convention.channels, "affinities")
    same_shape(fragments, affinities, ("fragments", "affinities"))
    check_range(affinities, name="affinities")
    nearest = convention.nearest(affinities)
    count = int(fragments.max())
    if count > 8 * fragments.size + 1024 or count >= 2**32:
        raise ValueError(f"fragment id {count} for {fragments.size} voxels; relabel the fragments consecutively first")
    fragments = np.ascontiguousarray(fragments, dtype=np.uint32)  # one type: the kernels are compiled once
    graph = by_last_face(region_graph(fragments, nearest))
    bins, starts = np.empty(0, dtype=np.uint8), np.zeros(1, dtype=np.int64)
    if score.quantile:
        bins, starts = border_values(fragments, nearest, graph)
    merges = merge_by_score(graph, bins, starts, score.quantile, cuts[-1], count)
    merged = np.stack([merges.segments_at(cut, count) for cut in cuts])
    present = sizes_of(fragments, count) > 0
    return Agglomeration(fragments, cuts, _consecutive(merged, present))


def numbered_segments(lowest: np.ndarray, voxels: np.ndarray, dust: int) -> np.ndarray:
    """The segment 1, 2, ... of every fragment, 0 for segments of fewer than `dust` voxels.

    Args:
        lowest: the lowest fragment of each fragment's segment.
        voxels: of fragments 0, 1, ...
        dust: voxels.
    """
    numbers = _consecutive(lowest[None], voxels > 0)[0]
    total = np.zeros(int(numbers.max(initial=0)) + 1, dtype=np.int64)
    np.add.at(total, numbers, voxels)
    kept = total >= max(1, dust)
    kept[0] = False
    segments: np.ndarray = np.where(kept, np.cumsum(kept), 0).astype(np.uint32)[numbers]
    return segments


def _consecutive(merged: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Number the segments of each row 1, 2, ... by lowest fragment; ids without voxels get none."""
    numbers = np.zeros_like(merged)
    ids = np.arange(present.size)
    for row, own in zip(merged, numbers, strict=True):
        lowest = (row == ids) & present & (ids > 0)
        own[present] = np.cumsum(lowest)[row[present]]
        own[0] = 0
    return numbers
