"""Binary, contour and distance maps to instances: ideal targets come back, thresholds and filters hold."""

import numpy as np
import pytest

from scripts.ops.decoding.probability_watershed import (
    BinaryThresholds,
    ContourThresholds,
    DistanceThresholds,
    bc_watershed,
    bcd_watershed,
    bcd_watershed_by_distance,
    binary_watershed,
)
from scripts.ops.targets.contours import label_binary, label_contour
from scripts.ops.targets.distance_maps import section_distance


def three_cells():
    """(4, 40, 60): two cells that touch along a plane x = 30, one apart."""
    label = np.zeros((4, 40, 60), np.int64)
    label[:, 4:36, 4:30] = 7
    label[:, 4:36, 30:44] = 3
    label[:, 8:30, 48:58] = 9
    return label


def same_instances(found, label):
    """Every object of either has a partner with intersection over union of at least 0.75 (AP-75 = 1)."""
    ids = np.unique(label[label > 0])
    assert found.max() == ids.size
    for i in ids:
        rivals = np.unique(found[label == i])
        assert any(
            np.count_nonzero((found == j) & (label == i)) >= 0.75 * np.count_nonzero((found == j) | (label == i))
            for j in rivals[rivals > 0]
        )


def ideal(label, *, distance=False):
    maps = [label_binary(label), label_contour(label)] + ([section_distance(label)] if distance else [])
    return np.stack([m.astype(np.float32) for m in maps])


def test_ideal_binary_and_contour_decode_to_the_instances():
    label = three_cells()
    same_instances(bc_watershed(ideal(label)), label)


@pytest.mark.parametrize("decode", [bcd_watershed, bcd_watershed_by_distance])
def test_ideal_binary_contour_and_distance_decode_to_the_instances(decode):
    label = three_cells()
    found = decode(ideal(label, distance=True), DistanceThresholds(distance=0.3))
    same_instances(found, label)


def test_a_binary_map_parts_what_does_not_touch():
    label = three_cells()
    found = binary_watershed(ideal(label)[:1])
    assert found.max() == 2
    np.testing.assert_array_equal(found > 0, label > 0)


def test_small_seeds_and_small_objects_are_dropped():
    binary = np.zeros((1, 1, 10, 40), np.float32)
    binary[0, 0, :, :14] = 1  # 140 voxels
    binary[0, 0, :, 20:30] = 1  # 100 voxels
    binary[0, 0, :3, 35:38] = 1  # 9 voxels
    assert binary_watershed(binary).max() == 1
    assert binary_watershed(binary, small=100).max() == 2
    assert binary_watershed(binary, small=0).max() == 2
    assert binary_watershed(binary, small_seed=9, small=0).max() == 3


def test_seeds_join_across_corners_but_the_flood_does_not():
    binary = np.zeros((1, 2, 2, 2), np.float32)
    binary[0, 0, 0, 0] = binary[0, 1, 1, 1] = 1
    assert binary_watershed(binary, small_seed=1, small=1).max() == 1
    binary[0, 1, 1, 1] = 0.9  # in the mask, no seed, reached only across a corner
    assert binary_watershed(binary, small_seed=1, small=1)[1, 1, 1] == 0


def test_thresholds_are_strict():
    binary = np.full((1, 1, 4, 40), np.float32(0.98))
    assert binary_watershed(binary).max() == 0
    coarse = np.full((2, 1, 4, 40), 230, np.uint8)  # 0.9019...
    coarse[1] = 204  # 0.8 exactly
    assert bc_watershed(coarse).max() == 0
    coarse[1] = 203
    assert bc_watershed(coarse).max() == 1


def test_bytes_and_floats_of_the_same_value_decode_alike():
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (2, 4, 30, 30)).astype(np.uint8)
    coarse[0] |= 224
    np.testing.assert_array_equal(
        bc_watershed(coarse, small_seed=2, small=4), bc_watershed(coarse / 255, small_seed=2, small=4)
    )


def test_flooding_the_distance_is_another_result():
    binary = np.ones((3, 1, 8, 21), np.float32)
    binary[1] = 0
    binary[2, ..., :] = np.concatenate([np.linspace(0.9, 0.1, 6), np.linspace(0.15, 0.9, 15)])
    at = DistanceThresholds(distance=0.6)
    by_distance = bcd_watershed_by_distance(binary, at, small_seed=8, small=8)
    by_binary = bcd_watershed(binary, at, small_seed=8, small=8)
    assert (by_distance[0, 0] == 1).sum() == 6
    assert (by_binary[0, 0] == 1).sum() > 6


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: BinaryThresholds(98, 85), r"seed 98 is outside \[0, 1\]"),
        (lambda: BinaryThresholds(0.5, 0.85), "mask 0.85 is above seed 0.5"),
        (lambda: ContourThresholds(contour=-0.1), "contour -0.1"),
        (lambda: DistanceThresholds(distance=1.5), r"distance 1.5 is outside \[-1, 1\]"),
        (lambda: DistanceThresholds(distance=0.1, distance_mask=0.3), "distance_mask 0.3 is above distance 0.1"),
    ],
)
def test_thresholds_out_of_range_are_errors(made, message):
    with pytest.raises(ValueError, match=message):
        made()


def test_bytes_for_a_distance_and_distances_out_of_range_are_errors():
    with pytest.raises(ValueError, match="distance channel runs from -1 to 1"):
        bcd_watershed(np.zeros((3, 1, 2, 2), np.uint8))
    wrong = np.zeros((3, 1, 2, 2), np.float32)
    wrong[2, 0, 1, 0] = -3
    with pytest.raises(ValueError, match=r"distance holds -3 at \(z, y, x\) = \(0, 1, 0\).*tanh"):
        bcd_watershed(wrong)
