"""Boxes: one notation, checked against the volume."""

import numpy as np
import pytest

from scripts.ops.box import Box, three_sizes

SHAPE = (100, 64, 32)


def test_missing_ends_are_the_volumes():
    assert Box.parse("0:80,:,16:", SHAPE) == Box((0, 0, 16), (80, 64, 32))
    assert Box.parse(None, SHAPE) == Box.parse(":,:,:", SHAPE) == Box.whole(SHAPE)


def test_what_is_printed_is_read_back():
    box = Box((3, 0, 7), (9, 64, 30))
    assert str(box) == "3:9,0:64,7:30"
    assert Box.parse(str(box), SHAPE) == box
    assert Box.parse(box, SHAPE) is box


def test_shape_voxels_and_slices_agree():
    box = Box((3, 0, 7), (9, 4, 10))
    assert box.shape == (6, 4, 3)
    assert box.voxels == 72
    assert box.slices == (slice(3, 9), slice(0, 4), slice(7, 10))


def test_a_box_holds_itself_and_what_lies_inside():
    outer = Box((0, 0, 0), (10, 10, 10))
    assert outer.contains(outer)
    assert outer.contains(Box((1, 0, 9), (2, 10, 10)))
    assert not outer.contains(Box((1, 0, 9), (2, 11, 10)))
    assert not Box((1, 0, 0), (10, 10, 10)).contains(outer)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0:101,:,:", r"box 0:101,0:64,0:32 ends at z=101, outside the volume of shape \(100, 64, 32\)"),
        ("8:8,:,:", "z range 8:8 is empty"),
        (":,9:3,:", "y range 9:3 is empty"),
        (":,:,-4:3", "x range -4:3 is empty or negative"),
        ("0:80", "box '0:80' is not of the form z0:z1,y0:y1,x0:x1"),
        ("0:80,5,:", "not of the form"),
        ("0:80:2,:,:", "not of the form"),
        ("a:80,:,:", "'a:80' is not a range of whole voxels"),
        ("0:1.5,:,:", r"'0:1\.5' is not a range of whole voxels"),
    ],
)
def test_a_box_that_makes_no_sense_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        Box.parse(text, SHAPE)


def test_a_coarser_box_has_the_blocks_that_lie_wholly_inside():
    assert Box((0, 3, 4), (2, 9, 8)).coarser((1, 2, 4)) == Box((0, 2, 1), (2, 4, 2))
    below, above = Box((0, 0, 0), (5, 4, 4)), Box((5, 0, 0), (9, 4, 4))
    assert below.coarser((2, 1, 1)).overlap(above.coarser((2, 1, 1))) is None
    with pytest.raises(ValueError, match="y range 2:1 is empty"):
        Box((0, 4, 0), (1, 5, 1)).coarser((1, 3, 1))


def test_a_finer_box_is_coarser_again_as_it_was():
    box = Box((1, 2, 3), (4, 6, 8))
    assert box.finer((2, 3, 5)) == Box((2, 6, 15), (8, 18, 40))
    assert box.finer((2, 3, 5)).coarser((2, 3, 5)) == box


def test_three_sizes_are_whole_numbers_of_at_least_one():
    assert three_sizes([6, 96.0, np.int64(96)], "crop") == (6, 96, 96)
    assert three_sizes((0, 2, 3), "margin", 0) == (0, 2, 3)
    for wrong in ((6, 96), (6, 0, 96), (6.5, 96, 96), (True, 2, 3), ("6", 96, 96), "6,96,96", (float("nan"), 1, 1)):
        with pytest.raises(ValueError, match=r"crop .* is not three whole numbers of at least 1 \(z, y, x\)"):
            three_sizes(wrong, "crop")
