"""Binary, contour, erosion and distance targets on labels drawn by hand."""

import numpy as np
import pytest

from scripts.ops.targets.contours import label_binary, label_contour, label_erosion
from scripts.ops.targets.distance_maps import instance_distance, section_distance


def test_a_contour_of_thickness_1_is_a_band_of_4_and_of_thickness_0_of_2():
    label = np.repeat([[[1] * 5 + [2] * 5]], 3, axis=1)
    assert label_contour(label)[0, 1].tolist() == [0, 0, 0, 1, 1, 1, 1, 0, 0, 0]
    assert label_contour(label, 0)[0, 1].tolist() == [0, 0, 0, 0, 1, 1, 0, 0, 0, 0]


def test_the_contour_to_the_background_counts_and_the_border_of_the_section_does_not():
    label = np.zeros((1, 6, 6), int)
    label[0, :, 3:] = 4
    assert label_contour(label, 0)[0].tolist() == [[0, 0, 1, 1, 0, 0]] * 6


def test_sections_do_not_see_each_other():
    label = np.stack([np.full((5, 5), 1), np.full((5, 5), 2)])
    assert not label_contour(label).any()
    assert (label_erosion(label) == label).all()


def test_erosion_parts_touching_objects_only():
    label = np.repeat([[[0, 1, 1, 1, 2, 2, 2, 0]]], 3, axis=1)
    assert label_erosion(label)[0, 1].tolist() == [0, 1, 1, 0, 0, 2, 2, 0]
    assert label_erosion(label, 0)[0, 1].tolist() == label[0, 1].tolist()


def test_erosion_agrees_with_its_definition():
    label = np.random.default_rng(0).integers(0, 4, (2, 9, 9)) * np.random.default_rng(1).integers(0, 2, (2, 9, 9))
    found = label_erosion(label, 2)
    for z, y, x in np.ndindex(label.shape):
        window = label[z, max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
        assert found[z, y, x] == (label[z, y, x] if np.unique(window[window > 0]).size <= 1 else 0)


@pytest.mark.parametrize("erosion", [0, 1, 3])
@pytest.mark.parametrize("kind", [np.int8, np.int32, np.int64, np.dtype(">i4")])
def test_erosion_of_labels_that_are_partly_unknown_agrees_with_its_definition(kind, erosion):
    label = np.random.default_rng(2).choice([-1, 0, 1, 1, 1, 1, 2], (2, 9, 8), p=[0.06, *[0.14] * 5, 0.24])
    found = label_erosion(label.astype(kind), erosion)
    assert found.dtype == np.dtype(kind).newbyteorder("=")
    for z, y, x in np.ndindex(label.shape):
        window = label[z, max(0, y - erosion) : y + erosion + 1, max(0, x - erosion) : x + erosion + 1]
        own = label[z, y, x]
        if own > 0 and (window[window > 0] != own).any():
            own = 0
        elif own > 0 and (window < 0).any():
            own = -1
        assert found[z, y, x] == own


@pytest.mark.parametrize("kind", [np.int64, np.uint64, np.uint16])
def test_the_erosion_of_a_part_is_the_part_of_the_erosion(kind):
    label = np.random.default_rng(3).integers(0, 3, (4, 12, 14)).astype(kind)
    if kind is np.uint64:
        label[label > 0] += np.uint64(2**64 - 3)  # neighbours that are one number as floats, and -1 as int64
    for window in [(1, 3, 0, 7, 5, 14), (0, 4, 1, 2, 0, 14), (3, 4, 4, 11, 13, 14)]:
        part = tuple(slice(*ends) for ends in zip(window[::2], window[1::2], strict=True))
        for reach in (0, 1, 2, 20):
            whole = label_erosion(label, reach)
            np.testing.assert_array_equal(label_erosion(label, reach, part), whole[part])
            np.testing.assert_array_equal(label_erosion(label[:, ::-1, ::-1], reach)[:, ::-1, ::-1], whole)


def test_the_section_distance_follows_its_formula():
    label = np.repeat([[[0, 0, 3, 3, 3]]], 3, axis=1)
    expected = np.tanh([-2 / 50, -1 / 50, 1 / 8, 2 / 8, 3 / 8])
    np.testing.assert_allclose(section_distance(label)[0, 1], expected, rtol=1e-6)


def test_a_section_of_one_kind_is_far_from_the_other():
    label = np.stack([np.zeros((3, 3), int), np.ones((3, 3), int)])
    np.testing.assert_allclose(section_distance(label)[:, 0, 0], [np.tanh(-5), np.tanh(5)], rtol=1e-6)


def test_the_instance_distance_is_relative_to_each_instance():
    label = np.array([[[0, 5, 5, 5, 2, 0]]])
    padded = np.concatenate([np.zeros_like(label), label, np.zeros_like(label)])
    np.testing.assert_allclose(instance_distance(label)[0, 0], [-1, 0.5, 1, 0.5, 1, -1])
    np.testing.assert_allclose(instance_distance(padded)[1, 0], [-1, 1, 1, 1, 1, -1])
    np.testing.assert_allclose(instance_distance(padded, (10, 1, 1))[1, 0], [-1, 0.5, 1, 0.5, 1, -1])


def test_binary_is_where_an_object_is():
    assert label_binary(np.array([[[0, 4, 2]]])).tolist() == [[[0, 1, 1]]]


def test_negative_thickness_erosion_and_scales_are_errors():
    label = np.zeros((1, 2, 2), int)
    with pytest.raises(ValueError, match="thickness -1"):
        label_contour(label, -1)
    with pytest.raises(ValueError, match="erosion -1"):
        label_erosion(label, -1)
    with pytest.raises(ValueError, match="inside 0"):
        section_distance(label, inside=0)
    with pytest.raises(ValueError, match="voxel_size"):
        instance_distance(label, (0, 1, 1))
