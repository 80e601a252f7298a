"""Clean-up of segmentations on arrays drawn by hand."""

import numpy as np
import pytest
from scipy.ndimage import label as scipy_label

from scripts.ops.labels.label_cleanup import crop_border, fill_holes, relabel_consecutive, remove_small_objects

FEW = np.array([[[7, 7, 7, 0, 2, 2, 9]]])


def test_objects_below_the_size_go_and_the_others_keep_their_ids():
    assert remove_small_objects(FEW, 2).tolist() == [[[7, 7, 7, 0, 2, 2, 0]]]
    assert remove_small_objects(FEW, 3).tolist() == [[[7, 7, 7, 0, 0, 0, 0]]]
    assert remove_small_objects(FEW, 0).tolist() == FEW.tolist()
    big = np.array([[[2**63 + 5, 2**63 + 5, 2**60, 0]]], np.uint64)
    assert remove_small_objects(big, 2).tolist() == [[[2**63 + 5, 2**63 + 5, 0, 0]]]


def test_ids_become_consecutive_in_order_in_the_smallest_dtype():
    found = relabel_consecutive(FEW)
    assert found.tolist() == [[[2, 2, 2, 0, 1, 1, 3]]]
    assert found.dtype == np.uint8
    assert relabel_consecutive(np.arange(257).reshape(1, 1, 257)).dtype == np.uint16
    assert relabel_consecutive(np.array([[[2**62, 5]]])).tolist() == [[[2, 1]]]
    assert relabel_consecutive(np.array([[[4]]])).tolist() == [[[1]]]


def test_a_hole_goes_to_the_object_around_it():
    ring = np.zeros((3, 5, 5), int)
    ring[:, 1:4, 1:4] = 4
    ring[1, 2, 2] = 0
    filled = fill_holes(ring)
    assert filled[1, 2, 2] == 4
    assert (filled == 0).sum() == (ring == 0).sum() - 1


def test_a_hole_at_the_border_or_between_two_objects_stays():
    tunnel = np.full((3, 3, 3), 4)
    tunnel[:, 1, 1] = 0
    assert (fill_holes(tunnel) == tunnel).all()
    shared = np.full((3, 3, 4), 4)
    shared[:, :, 2:] = 5
    shared[1, 1, 1:3] = 0
    assert (fill_holes(shared) == shared).all()


def test_holes_agree_with_a_slow_definition():
    label = np.random.default_rng(0).integers(0, 3, (6, 7, 8))
    label[np.random.default_rng(1).random(label.shape) < 0.7] = 2
    expected = label.copy()
    pieces, count = scipy_label(label == 0)
    for piece in range(1, count + 1):
        places = np.argwhere(pieces == piece)
        around = {tuple(v + d) for v in places for d in np.vstack([np.eye(3, dtype=int), -np.eye(3, dtype=int)])}
        inside = [v for v in around if all(0 <= a < s for a, s in zip(v, label.shape, strict=True))]
        owners = {int(label[v]) for v in inside} - {0}
        if len(inside) == len(around) and len(owners) == 1:
            expected[pieces == piece] = owners.pop()
    np.testing.assert_array_equal(fill_holes(label), expected)


def test_the_border_is_cropped_at_both_ends():
    label = np.arange(60).reshape(3, 4, 5)
    np.testing.assert_array_equal(crop_border(label, (1, 0, 2)), label[1:2, :, 2:3])
    assert crop_border(label, (0, 0, 0)).base is None


def test_nothing_changes_its_input():
    label = np.random.default_rng(0).integers(0, 4, (3, 6, 6))
    kept = label.copy()
    for clean in (lambda a: remove_small_objects(a, 30), relabel_consecutive, fill_holes):
        clean(label)
        np.testing.assert_array_equal(label, kept)


def test_wrong_input_is_an_error():
    with pytest.raises(ValueError, match=r"border \(2, 0, 0\) .* shape \(3, 4, 5\)"):
        crop_border(np.zeros((3, 4, 5), int), (2, 0, 0))
    with pytest.raises(ValueError, match="smallest -1"):
        remove_small_objects(FEW, -1)
    with pytest.raises(ValueError, match="dtype float64"):
        relabel_consecutive(np.ones((1, 2, 2)))
