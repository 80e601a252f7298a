"""Agglomeration against a slow definition, one run for all thresholds, and untouched fragments."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import adapted_rand_error

from scripts.ops.decoding.agglomeration import MeanAffinity, QuantileAffinity, agglomerate
from scripts.ops.decoding.zwatershed import AffinityThresholds, zwatershed
from scripts.ops.targets.affinities import label_affinities
from scripts.ops.targets.noised_affinities import noised_affinities


def slow_agglomeration(fragments, affinities, threshold, score):
    """Merge the best pair, pooling all faces anew each time; equal scores: the border met first in a scan."""
    faces = []
    rank = 0
    for v in [(z, y) for z in range(fragments.shape[0]) for y in range(fragments.shape[1])]:
        for axis in range(3):
            for x in range(fragments.shape[2]):
                here = (*v, x)
                there = tuple(c - (a == axis) for a, c in enumerate(here))
                if min(there) >= 0 and fragments[here] and fragments[there] and fragments[here] != fragments[there]:
                    faces.append((fragments[here], fragments[there], float(affinities[axis][here]), rank))
                    rank += 1
    segment = {i: i for i in np.unique(fragments)}
    while True:
        borders = {}
        for a, b, w, rank in faces:
            pair = tuple(sorted((segment[a], segment[b])))
            if pair[0] != pair[1]:
                borders.setdefault(pair, []).append((w, rank))
        ready = [(score([w for w, _ in f]), min(r for _, r in f), pair) for pair, f in borders.items()]
        if not ready or min(ready)[0] >= threshold:
            break
        low, high = min(ready)[2]
        segment = {i: low if s == high else s for i, s in segment.items()}
    ids = sorted({s for s in segment.values() if s})
    return np.vectorize(lambda i: ids.index(segment[i]) + 1 if i else 0)(fragments)


def mean_score(values):
    return 1 - sum(values) / len(values)


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
    ("change", "says"),
    [
        ({"thresholds": (0.3, 0.1)}, "not ascending"),
        ({"thresholds": ()}, "not ascending"),
        ({"thresholds": (10,)}, r"in \[0, 1\]"),
        ({"fragments": np.ones((1, 2, 3), np.uint32)}, r"fragments has shape \(1, 2, 3\) and affinities \(1, 2, 2\)"),
        ({"fragments": np.ones((1, 2, 2))}, "dtype float64"),
        ({"fragments": np.full((1, 2, 2), 10**6)}, "relabel the fragments consecutively"),
    ],
)
def test_wrong_input_is_an_error(change, says):
    call = {"fragments": np.ones((1, 2, 2), np.uint32), "affinities": np.zeros((3, 1, 2, 2), np.float32)} | change
    with pytest.raises(ValueError, match=says):
        agglomerate(**call)


def test_a_threshold_not_asked_for_and_a_quantile_out_of_range_are_errors():
    with pytest.raises(ValueError, match=r"threshold 0.5 was not asked for"):
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
