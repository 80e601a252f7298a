"""Mutex watershed against a slow definition, and on ideal and noised affinities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import adapted_rand_error

from scripts.ops.decoding.mutex_watershed import mutex_watershed
from scripts.ops.targets.affinities import label_affinities
from scripts.ops.targets.affinity_convention import LONG_RANGE, NEAREST, AffinityConvention
from scripts.ops.targets.noised_affinities import noised_affinities

SHORT = AffinityConvention(
    ((-1, 0, 0), (0, -1, 0), (0, 0, -1), (0, 0, -2), (0, 2, -1), (-2, 0, 0)), (False, False, False, True, True, True)
)


def slow_mutex(affinities, convention, strides):
    """Clusters and exclusions as Python sets, edges sorted by (falling strength, channel, voxel)."""
    shape = affinities.shape[1:]
    edges = []
    for c, (offset, repels) in enumerate(zip(convention.offsets, convention.repulsive, strict=True)):
        for v in np.ndindex(shape):
            u = tuple(a + b for a, b in zip(v, offset, strict=True))
            if all(0 <= a < s for a, s in zip(u, shape, strict=True)) and (
                not repels or all(a % s == 0 for a, s in zip(v, strides, strict=True))
            ):
                w = int(affinities[c][v])
                if w == 0 and not repels:
                    continue
                edges.append((-(255 - w if repels else w), c, v, u))
    cluster = {v: v for v in np.ndindex(shape)}
    exclusive = set()
    for _, c, v, u in sorted(edges):
        a, b = cluster[v], cluster[u]
        if a == b or frozenset((a, b)) in exclusive:
            continue
        if convention.repulsive[c]:
            exclusive.add(frozenset((a, b)))
        else:
            cluster = {x: a if k == b else k for x, k in cluster.items()}
            exclusive = {frozenset(a if k == b else k for k in pair) for pair in exclusive}
    numbers = {}
    return np.array([numbers.setdefault(cluster[v], len(numbers) + 1) for v in np.ndindex(shape)]).reshape(shape)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(0, 10**6),
    st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5)),
    st.sampled_from([(1, 1, 1), (1, 2, 2)]),
    st.sampled_from([4, 256]),
)
def test_it_is_its_slow_definition_number_for_number(seed, shape, strides, levels):
    affinities = np.random.default_rng(seed).integers(0, levels, (6, *shape)) * (255 // (levels - 1))
    expected = slow_mutex(affinities, SHORT, strides)
    coarse = affinities.astype(np.uint8)
    np.testing.assert_array_equal(mutex_watershed(coarse, SHORT, strides=strides), expected)
    np.testing.assert_array_equal(mutex_watershed(coarse / 255, SHORT, strides=strides), expected)


def test_repulsion_parts_what_attraction_would_join():
    affinities = np.ones((6, 1, 1, 4), np.float32)
    affinities[2, 0, 0] = [0, 0.9, 0.6, 0.9]  # a weak link in the middle
    affinities[3, 0, 0] = [0, 0, 0.2, 0.2]  # voxels two apart repel by 0.8
    assert mutex_watershed(affinities, SHORT, strides=(1, 1, 1)).tolist() == [[[1, 1, 2, 2]]]
    affinities[3, 0, 0] = 0.5
    assert mutex_watershed(affinities, SHORT, strides=(1, 1, 1)).tolist() == [[[1, 1, 1, 1]]]


def test_ideal_affinities_decode_to_the_labels(cells):
    found = mutex_watershed(label_affinities(cells, LONG_RANGE).astype(np.float32), foreground=cells > 0)
    assert adapted_rand_error(cells, found, ignore_labels=(0,))[0] < 1e-3
    np.testing.assert_array_equal(found > 0, cells > 0)


def test_noised_affinities_decode_nearly_to_the_labels_and_dust_is_dropped(cells):
    affinities = noised_affinities(cells, 0.3, LONG_RANGE)
    kept = affinities.copy()
    found = mutex_watershed(affinities, dust=50)
    assert adapted_rand_error(cells, found, ignore_labels=(0,))[0] < 0.1
    assert np.bincount(found.reshape(-1))[1:].min() >= 50
    np.testing.assert_array_equal(affinities, kept)


def test_wrong_input_is_an_error():
    affinities = np.zeros((12, 2, 2, 2), np.float32)
    with pytest.raises(ValueError, match="needs repulsive channels"):
        mutex_watershed(affinities[:3], NEAREST)
    with pytest.raises(ValueError, match="3 channels, expected 12"):
        mutex_watershed(affinities[:3])
    with pytest.raises(ValueError, match=r"strides \(1, 0, 4\)"):
        mutex_watershed(affinities, strides=(1, 0, 4))
    with pytest.raises(ValueError, match=r"foreground has shape \(1, 2, 2\)"):
        mutex_watershed(affinities, foreground=np.ones((1, 2, 2), bool))
    with pytest.raises(ValueError, match="dust -1"):
        mutex_watershed(affinities, dust=-1)
