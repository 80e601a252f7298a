"""Tokens of labelled boxes: each once, with its own features and the mean of its own labels."""

import numpy as np
import pytest
import torch

from scripts.data.regions.region import Region
from scripts.data.volumes import ArrayVolume
from scripts.inferers import LabelledTokens
from scripts.networks.token_features import GreyMoments, GreyVoxels
from scripts.ops.box import Box
from scripts.transforms import BinaryTarget, ScaleGreyd

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 20, 26), np.uint8)
LABEL = RNG.integers(0, 3, (5, 20, 26)).astype(np.int32)
BOX = Box((1, 2, 3), (5, 19, 26))  # 4 x 17 x 23 voxels: 4 x 4 x 5 tokens of 1 x 4 x 4


def tokens(label: np.ndarray = LABEL, boxes=(BOX,), batch: int = 3) -> LabelledTokens:
    regions = [Region(ArrayVolume(GREY), box, label=ArrayVolume(label)) for box in boxes]
    return LabelledTokens(regions, [BinaryTarget()], ScaleGreyd("image"), batch)


@pytest.mark.parametrize("window", [(1, 4, 4), (3, 8, 12), (6, 24, 24)])
def test_every_whole_token_is_there_once_in_order_whatever_the_window(window):
    table = tokens().table(GreyVoxels((1, 4, 4)), window)
    assert table.features.shape == (80, 16)
    row = 0
    for z in range(4):
        for y in range(4):
            for x in range(5):
                place = (1 + z, slice(2 + 4 * y, 6 + 4 * y), slice(3 + 4 * x, 7 + 4 * x))
                np.testing.assert_allclose(table.features[row], GREY[place].ravel() / 127.5 - 1, atol=1e-6)
                assert table.values[row, 0] == pytest.approx((LABEL[place] > 0).mean())
                assert table.sections[row] == z
                row += 1


def test_tokens_with_fewer_than_half_of_their_voxels_labelled_are_left_out():
    label = LABEL.copy()
    label[1, 2:6, 3:7].flat[:9] = -1  # 9 of 16
    label[1, 2:6, 7:11].flat[:8] = -1
    table = tokens(label).table(GreyMoments((1, 4, 4)), (1, 4, 4))
    assert len(table.features) == 79
    assert table.values[0, 0] == pytest.approx((label[1, 2:6, 7:11][2:] > 0).mean())


def test_sections_of_several_boxes_are_counted_on():
    boxes = (Box((0, 0, 0), (2, 4, 4)), Box((2, 0, 0), (5, 4, 4)))
    assert tokens(boxes=boxes).table(GreyMoments((1, 4, 4)), (1, 4, 4)).sections.tolist() == [0, 1, 2, 3, 4]


def test_no_two_boxes_share_a_section_where_one_has_sections_without_tokens():
    label = LABEL.copy()
    label[0, :4, :4] = -1
    boxes = (Box((0, 0, 0), (2, 4, 4)), Box((2, 0, 0), (5, 4, 4)))
    assert tokens(label, boxes).table(GreyMoments((1, 4, 4)), (1, 4, 4)).sections.tolist() == [1, 2, 3, 4]


def test_the_moments_are_those_of_the_grey_values():
    image = torch.from_numpy(GREY[None, None, :, :, :24]).float()
    found = GreyMoments((1, 4, 4))(image)
    block = GREY[0, :4, 4:8].astype(float)
    np.testing.assert_allclose(found[0, 1], [block.mean(), block.std()], rtol=1e-5)


def test_windows_and_boxes_that_hold_no_whole_token_are_named():
    with pytest.raises(ValueError, match=r"windows of \(1, 6, 8\) voxels \(z, y, x\) hold no whole number"):
        tokens().table(GreyMoments((1, 4, 4)), (1, 6, 8))
    with pytest.raises(ValueError, match=r"box 1:5,2:19,3:26 of .* holds no token of \(1, 32, 32\)"):
        tokens().table(GreyMoments((1, 32, 32)), (1, 32, 32))
