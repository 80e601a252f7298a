"""Components of equal label: against scipy, and on arrays drawn by hand."""

import numpy as np
import pytest
from scipy import ndimage

from scripts.ops.labels.connected_components import label_components


def test_an_id_in_two_places_becomes_two_and_touching_ids_stay_apart():
    labels = np.array([[[5, 5, 7, 0, 5]]], np.uint32)
    assert label_components(labels) == 3
    assert labels.tolist() == [[[1, 1, 2, 0, 3]]]


def test_a_corner_does_not_connect_but_a_section_below_does():
    labels = np.array([[[4, 0], [0, 4]], [[4, 0], [0, 0]]], np.uint16)
    assert label_components(labels) == 2
    assert labels.tolist() == [[[1, 0], [0, 2]], [[1, 0], [0, 0]]]


def test_components_that_are_too_small_become_background():
    labels = np.array([[[9, 9, 0, 9]]], np.uint8)
    assert label_components(labels, smallest=2) == 1
    assert labels.tolist() == [[[1, 1, 0, 0]]]


def test_components_equal_those_of_scipy_on_noise():
    labels = np.random.default_rng(0).integers(0, 3, (6, 17, 23)).astype(np.uint32)
    expected = np.zeros_like(labels)
    for value in (1, 2):
        parts, _ = ndimage.label(labels == value)
        expected[parts > 0] = parts[parts > 0] + expected.max()
    count = label_components(labels)
    pairs = np.unique(np.stack([labels.ravel(), expected.ravel()]), axis=1)
    assert count == expected.max()
    assert pairs.shape[1] == count + 1  # one to one, background to background


def test_a_type_too_narrow_for_the_components_is_an_error_and_leaves_the_labels():
    labels = np.zeros((1, 1, 600), np.uint8)
    labels[..., ::2] = 1
    with pytest.raises(ValueError, match="300 components do not fit uint8"):
        label_components(labels)
    assert labels.max() == 1


@pytest.mark.parametrize("labels", [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 2), np.int32)])
def test_other_arrays_are_an_error_that_names_them(labels):
    with pytest.raises(ValueError, match="unsigned"):
        label_components(labels)
