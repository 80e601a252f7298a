"""Read sizes: a margin around the crop where the box is large enough, and never at the cost of scarce labels."""

import numpy as np
import pytest

from scripts.data.regions.read_margins import read_size
from scripts.data.regions.region import Region
from scripts.data.volumes import ArrayVolume
from scripts.ops.box import Box

CROP = (6, 96, 96)


def region(box: str, labelled: str | None = None) -> Region:
    shape = (100, 400, 400)
    image = ArrayVolume(np.broadcast_to(np.uint8(0), shape))
    part = None if labelled is None else Box.parse(labelled, shape)
    return Region(image, Box.parse(box, shape), labelled=part)


def test_a_margin_is_added_on_both_sides_where_it_fits():
    assert read_size([region("0:80,:,:")], CROP, (3, 40, 50)) == (12, 176, 196)
    assert read_size([region("0:80,:,:")], CROP, (0, 0, 0)) == CROP


def test_the_thinnest_region_decides():
    assert read_size([region("0:80,:,:"), region("80:87,:,:")], CROP, (3, 40, 40)) == (6, 176, 176)
    assert read_size([region("0:6,0:96,0:400")], CROP, (3, 40, 40)) == (6, 96, 176)


def test_the_crop_stays_the_exact_middle():
    for depth in range(6, 40):
        z, _, _ = read_size([region(f"0:{depth},:,:")], CROP, (5, 40, 40))
        assert (z - 6) % 2 == 0
        assert 6 <= z <= depth


def test_no_more_than_a_small_share_of_the_labelled_sections_is_lost_to_the_margin():
    for depth in (1, 4, 8, 16, 20, 40, 60):
        (z, _, _) = read_size([region("0:80,:,:", f"0:{depth},:,:")], CROP, (5, 0, 0))
        assert (z - 6) // 2 <= depth / 8
    assert read_size([region("0:80,:,:", "40:41,:,:")], CROP, (5, 0, 0))[0] == 16
    assert read_size([region("0:80,:,:", "0:1,:,:")], CROP, (5, 0, 0))[0] == 6


def test_a_crop_that_does_not_fit_and_a_negative_margin_are_errors():
    with pytest.raises(ValueError, match="6 voxels along z, the box has 5"):
        read_size([region("0:5,:,:")], CROP, (0, 0, 0))
    with pytest.raises(ValueError, match=r"margin \(0, -1, 0\) is not three whole numbers of at least 0"):
        read_size([region("0:80,:,:")], CROP, (0, -1, 0))
