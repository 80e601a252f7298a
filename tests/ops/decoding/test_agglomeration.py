"""Agglomeration against a slow definition, one run for all thresholds, and untouched fragments."""

import os
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import adapted_rand_error

from scripts.ops.decoding.agglomeration import MeanAffinity, QuantileAffinity, agglomerate
from scripts.ops.decoding.agglomeration_queue import merge_by_score
from scripts.ops.decoding.border_order import by_last_face
from scripts.ops.decoding.region_graph import RegionGraph
from scripts.ops.decoding.zwatershed import AffinityThresholds, zwatershed
from scripts.ops.targets.affinities import label_affinities
from scripts.ops.targets.noised_affinities import noised_affinities


def faces_of(fragments, affinities):
    """Every face between two fragments: (fragment, fragment, affinity, rank in a scan over voxels, then axes)."""
    faces = []
    for here in np.ndindex(fragments.shape):
        for axis in range(3):
            there = tuple(c - (a == axis) for a, c in enumerate(here))
            if min(there) >= 0 and fragments[here] and fragments[there] and fragments[here] != fragments[there]:
                rank = 3 * int(np.ravel_multi_index(here, fragments.shape)) + axis
                faces.append((int(fragments[here]), int(fragments[there]), affinities[axis][here].item(), rank))
    return faces


def scored_borders(faces, segment, score):
    """(score, last face, pair) of every border between two segments, all its faces pooled anew."""
    borders = {}
    for a, b, w, rank in faces:
        pair = tuple(sorted((segment[a], segment[b])))
        if pair[0] != pair[1]:
            borders.setdefault(pair, []).append((w, rank))
    return [(score([w for w, _ in f]), max(r for _, r in f), pair) for pair, f in borders.items()]


def slow_agglomeration(fragments, affinities, threshold, score, generator=None):
    """Merge the best pair; with a generator any pair of segments that are each other's best, in any order."""
    faces = faces_of(fragments, affinities)
    segment = {int(i): int(i) for i in np.unique(fragments)}
    while True:
        ready = [border for border in scored_borders(faces, segment, score) if border[0] < threshold]
        if not ready:
            break
        if generator is not None:
            best = {s: min(border for border in ready if s in border[2]) for border in ready for s in border[2]}
            mutual = [border for border in ready if all(best[s] == border for s in border[2])]
            ready = [mutual[generator.integers(len(mutual))]]
        low, high = min(ready)[2]
        segment = {i: low if s == high else s for i, s in segment.items()}
    ids = sorted({s for s in segment.values() if s})
    return np.vectorize(lambda i: ids.index(segment[i]) + 1 if i else 0)(fragments)


def mean_score(values):
    return float(1 - sum(map(Fraction, values)) / len(values))


def mean_score_of_bytes(values):
    return float(1 - Fraction(sum(values), 255 * len(values)))


def median_score(values):
    bins = sorted(min(255, int(256 * w)) for w in values)
    return 1 - (next(b for i, b in enumerate(bins) if 2 * (i + 1) >= len(bins)) + 0.5) / 256


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.tuples(st.integers(1, 3), st.integers(2, 4), st.integers(2, 6)))
def test_every_threshold_is_its_slow_definition(seed, shape):
    generator = np.random.default_rng(seed)
    fragments = generator.integers(0, 9, shape)
    affinities = (generator.integers(0, 17, (3, *shape)) / 16).astype(np.float32)
    cuts = (0.2, 0.4, 0.55, 1.0)
    for score, slow in ((MeanAffinity(), mean_score), (QuantileAffinity(50), median_score)):
        for cut, found in agglomerate(fragments, affinities, cuts, score):
            np.testing.assert_array_equal(found, slow_agglomeration(fragments, affinities, cut, slow))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.sampled_from([1, 3, 255]))
def test_segments_that_are_each_others_best_may_merge_in_any_order(seed, values):
    generator = np.random.default_rng(seed)
    fragments = generator.integers(0, 9, (2, 3, 5))
    affinities = (generator.integers(0, values + 1, (3, 2, 3, 5)) * (255 // values)).astype(np.uint8)
    for cut in (0.4, 0.7):
        found = agglomerate(fragments, affinities, (cut,)).at(cut)
        for _ in range(3):
            expected = slow_agglomeration(fragments, affinities, cut, mean_score_of_bytes, generator)
            np.testing.assert_array_equal(found, expected)


def test_equal_scores_merge_the_border_first_whose_last_face_comes_first():
    # 1 | 2 over four faces and 2 | 3 over one, all of affinity 0.5; 1 | 2 is met first but ends last. When 2 and 3 are
    # one, their border to 1 has six faces of mean affinity 0.37, too low for the threshold.
    fragments = np.array([[[1, 1, 1], [2, 2, 3], [2, 1, 3]]])
    affinities = np.zeros((3, 1, 3, 3), np.float32)
    affinities[1, 0, 1] = 0.5, 0.5, 0.2  # from the row of 1 to 2, 2 and 3
    affinities[2, 0, 1, 2] = 0.5  # 2 | 3
    affinities[2, 0, 2, 1] = 0.5  # 2 | 1
    affinities[1, 0, 2, 1] = 0.5  # 2 | 1
    affinities[2, 0, 2, 2] = 0.0  # 1 | 3
    assert agglomerate(fragments, affinities, (0.55,)).at(0.55).tolist() == [[[1, 1, 1], [2, 2, 2], [2, 1, 2]]]


@pytest.mark.parametrize("score", [MeanAffinity(), QuantileAffinity(50), QuantileAffinity(75), QuantileAffinity(85)])
def test_all_thresholds_in_one_run_are_those_of_single_runs(cells, score):
    affinities = noised_affinities(cells, 1.0)
    fragments = zwatershed(affinities, AffinityThresholds(0.1, 0.999, 0.5), size=0, dust=0)
    cuts = (0.05, 0.2, 0.4, 0.8)
    together = dict(agglomerate(fragments, affinities, cuts, score))
    for cut in cuts:
        np.testing.assert_array_equal(together[cut], agglomerate(fragments, affinities, (cut,), score).at(cut))


@pytest.mark.parametrize("percent", [10, 50, 75])
def test_long_borders_pool_into_histograms_without_a_difference(percent):
    fragments = np.full((2, 60, 60), 7, np.uint32)
    fragments[0] = np.arange(60)[:, None] // 10 + 1  # six strips, sure to join, each with 600 faces to the next section
    affinities = np.ones((3, 2, 60, 60), np.float32)
    affinities[0, 1] = np.random.default_rng(0).random((60, 60))
    bins = np.floor(256 * affinities[0, 1])
    pooled = 1 - (float(np.quantile(bins, percent / 100, method="inverted_cdf")) + 0.5) / 256
    below, above = agglomerate(fragments, affinities, (pooled, pooled + 1e-9), QuantileAffinity(percent))
    assert (below[1].max(), above[1].max()) == (2, 1)


def test_segments_of_many_borders_merge_after_others_have_moved_theirs():
    hubs = (128, 128, *[8] * 8)  # borders to fragments of their own; the eight merge first, then the two
    borders, leaf = [(1, 2, 250)], 11
    borders += [(3 + i, 3 + j, 255) for i, j in ((0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (4, 6), (0, 4))]
    for hub, leaves in enumerate(hubs, start=1):
        borders += [(hub, leaf + i, 10) for i in range(leaves)]
        leaf += leaves
    first, second, total = np.array(borders).T
    nothing = np.empty(0, dtype=np.int64)
    ends = first.astype(np.uint32), second.astype(np.uint32)
    graph = RegionGraph(*ends, nothing, total.copy(), np.ones_like(total), np.arange(total.size), 255)
    none = np.empty(0, dtype=np.uint8), np.zeros(1, dtype=np.int64)
    merged = merge_by_score(by_last_face(graph), *none, 0.0, 0.5, leaf - 1).segments_at(0.5, leaf - 1)
    assert merged.tolist() == [0, 1, 1, *[3] * 8, *range(11, leaf)]


def test_fragments_of_ideal_affinities_come_together_again(cells):
    affinities = label_affinities(cells).astype(np.float32)
    fragments = cells * 2 - (np.indices(cells.shape)[2] % 2) * (cells > 0)
    found = agglomerate(fragments, affinities, (0.5,)).at(0.5)
    assert adapted_rand_error(cells, found, ignore_labels=(0,))[0] < 1e-3


def test_neither_fragments_nor_affinities_change(cells):
    affinities = noised_affinities(cells, 1.0)
    fragments = zwatershed(affinities, dust=0)
    kept = fragments.copy(), affinities.copy()
    agglomerate(fragments, affinities)
    np.testing.assert_array_equal(fragments, kept[0])
    np.testing.assert_array_equal(affinities, kept[1])


def test_fragments_that_do_not_touch_and_nothing_at_all_stay_as_they_are():
    affinities = np.ones((3, 1, 1, 3), np.float32)
    assert agglomerate(np.array([[[4, 0, 2]]]), affinities, (0.5,)).at(0.5).tolist() == [[[2, 0, 1]]]
    assert not agglomerate(np.zeros((1, 1, 3), int), affinities, (0.5,)).at(0.5).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"thresholds": (0.3, 0.1)}, "not ascending"),
        ({"thresholds": ()}, "not ascending"),
        ({"thresholds": (10,)}, r"in \[0, 1\]"),
        ({"fragments": np.ones((1, 2, 3), np.uint32)}, r"fragments has shape \(1, 2, 3\) and affinities \(1, 2, 2\)"),
        ({"fragments": np.ones((1, 2, 2))}, "dtype float64"),
        ({"fragments": np.full((1, 2, 2), 10**6)}, "relabel the fragments consecutively"),
    ],
)
def test_wrong_input_is_an_error(change, message):
    call = {"fragments": np.ones((1, 2, 2), np.uint32), "affinities": np.zeros((3, 1, 2, 2), np.float32)} | change
    with pytest.raises(ValueError, match=message):
        agglomerate(**call)


def test_a_threshold_not_asked_for_and_a_quantile_out_of_range_are_errors():
    with pytest.raises(ValueError, match=r"threshold 0.5 was not computed"):
        agglomerate(np.ones((1, 2, 2), int), np.zeros((3, 1, 2, 2), np.float32)).at(0.5)
    with pytest.raises(ValueError, match="percent 0"):
        QuantileAffinity(0)


@pytest.mark.slow
def test_waterz_makes_the_same_partition_of_real_labels_affinities():
    waterz = pytest.importorskip("waterz", reason="waterz is not installed: no second opinion on mean agglomeration")
    folder = os.environ.get("SEM_DATA_DIR")
    if folder is None:
        pytest.skip("SEM_DATA_DIR is not set: no real labels")
    with h5py.File(Path(folder) / "snemi3d_ac4_train.h5") as file:
        label = file["labels"][:8, :256, :256]
    affinities = noised_affinities(label, 0.6)
    fragments = zwatershed(affinities, AffinityThresholds(0.1, 0.995, 0.5), size=0, dust=0)
    ours = agglomerate(fragments, affinities, (0.2, 0.4, 0.6))
    theirs = waterz.agglomerate(
        affinities.copy(),
        [0.2, 0.4, 0.6],
        fragments=fragments.astype(np.uint64),
        scoring_function="OneMinus<MeanAffinity<RegionGraphType, ScoreValue>>",
    )
    for (_, found), other in zip(ours, theirs, strict=True):
        inside = fragments > 0
        pairs = np.unique(np.stack([found[inside], other[inside].astype(np.int64)]), axis=1).shape[1]
        assert pairs == np.unique(found[inside]).size == np.unique(other[inside]).size
