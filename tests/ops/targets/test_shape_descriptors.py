"""Local shape descriptors against their definition, voxel by voxel, and drawn by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scripts.ops.targets.shape_descriptors import CHANNELS, descriptor_reach, descriptors_known, shape_descriptors

SMALL = hnp.arrays(np.int16, st.tuples(*[st.integers(1, 6)] * 3), elements=st.integers(-1, 3), fill=st.nothing())
SIGMAS = st.sampled_from([(0.5, 1.0, 1.0), (1.0, 2.0, 2.0), (0.7, 1.5, 2.5)])


def slow_descriptors(label, sigma):
    """The definition of Sheridan et al. (2023), with a Gaussian window that ends at the reach: float64."""
    reach = descriptor_reach(sigma)
    along = [np.exp(-(np.arange(-r, r + 1) ** 2) / (2 * s**2)) for r, s in zip(reach, sigma, strict=True)]
    window = {
        (i - reach[0], j - reach[1], k - reach[2]): a * b * c / math.prod(part.sum() for part in along)
        for i, a in enumerate(along[0])
        for j, b in enumerate(along[1])
        for k, c in enumerate(along[2])
    }
    made, known = np.zeros((10, *label.shape)), np.zeros((10, *label.shape), bool)
    for v in zip(*np.nonzero(label > 0), strict=True):
        weights, steps = [], []
        known[(slice(None), *v)] = True
        for step, weight in window.items():
            u = tuple(np.add(v, step))
            if all(0 <= a < b for a, b in zip(u, label.shape, strict=True)):
                if label[u] == label[v]:
                    weights.append(weight)
                    steps.append(step)
                elif label[u] == -1:
                    known[(slice(None), *v)] = False
        w, d = np.array(weights), np.array(steps, float)
        mean = w @ d / w.sum()
        c = (d - mean).T @ ((d - mean) * w[:, None]) / w.sum()
        pairs = [(0, 1), (0, 2), (1, 2)]
        roots = [math.sqrt(c[i, i] * c[j, j]) for i, j in pairs]
        found = [m / s / 2 + 0.5 for m, s in zip(mean, sigma, strict=True)]
        found += [c[i, i] / sigma[i] ** 2 for i in range(3)]
        found += [c[i, j] / root / 2 + 0.5 if root > 1e-6 else 0.5 for (i, j), root in zip(pairs, roots, strict=True)]
        made[(slice(None), *v)] = np.clip([*found, w.sum()], 0, 1)
    return made, known


@settings(deadline=None, max_examples=20, derandomize=True)
@given(SMALL, SIGMAS)
def test_descriptors_are_their_definition(label, sigma):
    made, known = slow_descriptors(label, sigma)
    np.testing.assert_allclose(shape_descriptors(label, sigma), made, atol=2e-4)
    np.testing.assert_array_equal(descriptors_known(label, sigma), known)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint64, ">u4"])
def test_the_window_of_a_volume_has_its_descriptors_to_the_bit(dtype):
    generator = np.random.default_rng(0)
    label = generator.integers(0, 3, (9, 6, 7)).repeat(3, 1).repeat(3, 2).astype(dtype)
    if dtype == np.uint64:
        label[label > 1] = 2**64 - 1
    inner = (slice(3, 6), slice(4, 15), slice(5, 18))
    part = shape_descriptors(label, (1, 3, 2), inner)
    assert np.array_equal(part, shape_descriptors(label, (1, 3, 2))[(slice(None), *inner)])
    assert np.allclose(part, slow_descriptors(label.astype(np.uint8), (1, 3, 2))[0][(slice(None), *inner)], atol=1e-4)


def test_in_the_middle_of_a_large_object_nothing_is_off_and_the_window_is_full():
    middle = dict(zip(CHANNELS, shape_descriptors(np.ones((9, 21, 21), int), (1, 3, 3))[:, 4, 10, 10], strict=True))
    assert [middle[f"offset {axis}"] for axis in "zyx"] == pytest.approx([0.5] * 3)
    assert [middle[f"correlation {pair}"] for pair in ("zy", "zx", "yx")] == pytest.approx([0.5] * 3)
    assert middle["size"] == pytest.approx(1)
    assert all(0.75 < middle[f"variance {axis}"] < 0.95 for axis in "zyx")  # a Gaussian cut at two sigma


def test_a_line_across_rows_and_columns_is_correlated_and_its_end_looks_ahead():
    label = np.eye(9, dtype=int)[None]
    first = dict(zip(CHANNELS, shape_descriptors(label, (1, 2, 2))[:, 0, 0, 0], strict=True))
    assert first["correlation yx"] == pytest.approx(1, abs=1e-5)
    assert first["correlation zy"] == 0.5
    assert first["variance z"] == 0
    assert first["offset y"] == first["offset x"] > 0.5
    mirrored = dict(zip(CHANNELS, shape_descriptors(label[:, ::-1], (1, 2, 2))[:, 0, 8, 0], strict=True))
    assert mirrored["correlation yx"] == pytest.approx(0, abs=1e-5)
    assert mirrored["offset y"] < 0.5 < mirrored["offset x"]


def test_background_and_voxels_near_unknown_ones_are_not_known():
    label = np.array([[[1, 1, 1, 1, 1, 0, 2, -1]]])
    assert descriptors_known(label, (1, 1, 1))[0].tolist() == [[[True] * 5 + [False] * 3]]
    assert shape_descriptors(label, (1, 1, 1))[:, 0, 0, [5, 7]].tolist() == [[0, 0]] * 10
