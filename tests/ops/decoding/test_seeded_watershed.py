"""The bucket-queue watershed against scikit-image's, its tie rule, and its input checks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.segmentation import watershed

from scripts.ops.decoding.seeded_watershed import quantised_height, seeded_watershed
from scripts.ops.labels.connected_components import connected_components


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 7)))
def test_without_equal_heights_it_is_scikit_images_watershed(seed, shape):
    generator = np.random.default_rng(seed)
    count = int(np.prod(shape))
    height = generator.permutation(256)[:count].astype(np.uint8).reshape(shape)
    seeds = np.zeros(count, np.int32)
    seeds[generator.choice(count, min(count, 5), replace=False)] = np.arange(1, min(count, 5) + 1)
    seeds = seeds.reshape(shape)
    mask = generator.random(shape) < 0.8
    expected = watershed(height, np.where(mask, seeds, 0), mask=mask, connectivity=1)
    np.testing.assert_array_equal(seeded_watershed(height, seeds, mask), expected)


def test_equal_heights_are_shared_first_come_first_served():
    seeds = np.array([[[5, 0, 0, 0, 0, 3]]])
    assert seeded_watershed(np.zeros((1, 1, 6), np.uint8), seeds).tolist() == [[[5, 5, 5, 3, 3, 3]]]


def test_the_flood_stays_in_the_mask_and_seeds_outside_are_ignored():
    seeds = np.array([[[1, 0, 0, 0, 2]]])
    mask = np.array([[[1, 1, 0, 1, 0]]], bool)
    assert seeded_watershed(np.zeros((1, 1, 5), np.uint8), seeds, mask).tolist() == [[[1, 1, 0, 0, 0]]]


def test_heights_are_quantised_upside_down():
    assert quantised_height(np.array([0, 0.5, 1], np.float32)).tolist() == [255, 127, 0]
    assert quantised_height(np.array([-1, 0, 1], np.float32), -1, 1).tolist() == [255, 127, 0]
    assert quantised_height(np.array([0, 7, 255], np.uint8)).tolist() == [255, 248, 0]


def test_nothing_it_is_given_changes():
    generator = np.random.default_rng(0)
    height = generator.integers(0, 256, (3, 5, 5)).astype(np.uint8)
    seeds = generator.integers(0, 2, (3, 5, 5))
    mask = generator.random((3, 5, 5)) < 0.5
    kept = height.copy(), seeds.copy(), mask.copy()
    seeded_watershed(height, seeds, mask)
    for before, after in zip(kept, (height, seeds, mask), strict=True):
        np.testing.assert_array_equal(before, after)


def test_wrong_heights_and_shapes_are_errors():
    seeds = np.ones((1, 2, 2), int)
    with pytest.raises(ValueError, match="height has dtype float64, expected uint8; quantise"):
        seeded_watershed(np.zeros((1, 2, 2)), seeds)
    with pytest.raises(ValueError, match=r"height has shape \(1, 2, 3\) and seeds \(1, 2, 2\)"):
        seeded_watershed(np.zeros((1, 2, 3), np.uint8), seeds)


@pytest.mark.parametrize("neighbours", [6, 26])
@pytest.mark.parametrize("shape", [(1, 7, 9), (5, 8, 11), (4, 1, 1), (12, 20, 30)])
def test_connected_components_are_scipys(neighbours, shape):
    from scipy.ndimage import label

    structure = np.ones((3, 3, 3)) if neighbours == 26 else None
    for fill in (0.05, 0.2, 0.4, 0.6, 1.0):
        mask = np.random.default_rng(3).random(shape) < fill
        expected, count = label(mask, structure=structure)
        found, number = connected_components(mask, neighbours)
        assert number == count
        np.testing.assert_array_equal(found, expected)


def test_other_neighbourhoods_and_masks_are_errors():
    with pytest.raises(ValueError, match="18 neighbours; there are 6"):
        connected_components(np.ones((1, 2, 2), bool), 18)
    with pytest.raises(ValueError, match="not 2-D bool"):
        connected_components(np.ones((2, 2), bool))
