"""In-plane resampling, and damage to sections."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from scripts.ops.displacement import smooth_displacement, typical_displacement
from scripts.ops.section_artifacts import band_mask, coarsen, motion_blur
from scripts.ops.warp import resample_in_plane

SECTION = np.array([[[0.0, 1.0], [2.0, 3.0]]], np.float32)  # (z=1, y=2, x=2)


def test_real_voxels_are_interpolated_and_whole_ones_taken_from_the_nearest():
    y, x = np.array([[0.0, 0.5, 1.0]]), np.array([[0.0, 0.5, 0.75]])
    assert resample_in_plane(SECTION, y, x).tolist() == [[[0.0, 1.5, 2.75]]]
    assert resample_in_plane(SECTION.astype(np.int16), y, x).tolist() == [[[0, 3, 3]]]


def test_interpolation_equals_scipys_in_every_section():
    draw = np.random.RandomState(0)
    volume = draw.random_sample((2, 3, 17, 11)).astype(np.float32)
    y, x = draw.uniform(0, 16, (9, 13)), draw.uniform(0, 10, (9, 13))
    moved = resample_in_plane(volume, y, x)
    for channel in range(2):
        for z in range(3):
            expected = map_coordinates(volume[channel, z], (y, x), order=1)
            np.testing.assert_allclose(moved[channel, z], expected, atol=2e-6)


def test_a_place_outside_the_section_is_an_error_not_padding():
    for y, x in ((np.array([[1.1]]), np.array([[0.0]])), (np.array([[0.0]]), np.array([[-0.2]]))):
        with pytest.raises(ValueError, match="outside 0 to 1"):
            resample_in_plane(SECTION, y, x)
    with pytest.raises(ValueError, match="must have one shape"):
        resample_in_plane(SECTION, np.zeros((1, 2)), np.zeros((1, 1)))
    with pytest.raises(ValueError, match="complex64 are neither real nor whole"):
        resample_in_plane(SECTION.astype(np.complex64), np.zeros((1, 1)), np.zeros((1, 1)))


def test_every_kind_of_whole_number_is_copied_bit_by_bit():
    y, x = np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])
    for dtype in (np.bool_, np.int8, np.uint16, np.int32, np.uint32, np.int64, np.uint64):
        largest = 1 if dtype is np.bool_ else np.iinfo(dtype).max
        volume = np.array([[[0, largest], [1, 0]]], dtype)
        moved = resample_in_plane(volume, y, x)
        assert moved.dtype == dtype
        assert moved.tolist() == [[[largest, 1]]]


def test_the_typical_displacement_is_that_of_smoothed_noise():
    noise = np.random.RandomState(0).uniform(-1, 1, (2, 400, 400))
    for alpha, sigma in ((16.0, 4.0), (5.0, 2.0)):
        field = smooth_displacement(noise, alpha, sigma)
        assert field.dtype == np.float32
        assert field.std() == pytest.approx(typical_displacement(alpha, sigma), rel=0.1)


def test_a_band_follows_its_line_from_side_to_side():
    assert band_mask((3, 5), 0, 4, 1, along_y=True).astype(int).tolist() == [
        [1, 1, 0, 0, 0],
        [0, 1, 1, 1, 0],
        [0, 0, 0, 1, 1],
    ]
    assert band_mask((2, 3), 1, 1, 0, along_y=False).astype(int).tolist() == [[0, 0, 0], [1, 1, 1]]


def test_motion_blur_averages_the_pixels_of_the_window_that_exist():
    section = np.array([[0.0, 3.0, 6.0, 9.0]], np.float32)
    assert motion_blur(section, 3, -1).tolist() == [[1.5, 3.0, 6.0, 7.5]]
    assert motion_blur(section.T, 3, 0).T.tolist() == [[1.5, 3.0, 6.0, 7.5]]
    assert motion_blur(section, 3, 0).tolist() == section.tolist()
    assert motion_blur(section, 99, -1).tolist() == [[4.5] * 4]


def test_a_coarse_pixel_is_the_mean_of_those_under_it():
    block = np.arange(12, dtype=np.float32).reshape(1, 2, 6)
    assert coarsen(block, 2).tolist() == [[[3.5, 3.5, 5.5, 5.5, 7.5, 7.5]] * 2]
    assert coarsen(block, 100).tolist() == [[[5.5] * 6] * 2]
    assert coarsen(block, 1).tolist() == block.tolist()
    uneven = np.arange(5, dtype=np.float32)[None]
    assert coarsen(uneven, 2.5).tolist() == [[0.5, 0.5, 3.0, 3.0, 3.0]]
