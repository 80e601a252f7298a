"""Gathering of crops."""

import numpy as np
import pytest
import torch

from scripts.ops.gather import gather_crops

FIRST, SECOND = np.arange(3 * 4 * 5).reshape(3, 4, 5), 100 + np.arange(2 * 3 * 7).reshape(2, 3, 7)
TOGETHER = np.concatenate([FIRST.ravel(), SECOND.ravel()])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int64, np.float32])
def test_crops_of_two_volumes_come_in_the_order_asked(dtype):
    first = torch.tensor([60 + 1 * 7 + 4, 1 * 20 + 2 * 5 + 2])  # (0, 1, 4) of the second, (1, 2, 2) of the first
    strides = torch.tensor([[21, 7], [20, 5]])
    crops = gather_crops(torch.from_numpy(TOGETHER.astype(dtype)), first, strides, (2, 2, 3))
    assert crops.shape == (2, 1, 2, 2, 3)
    assert np.array_equal(crops[0, 0].numpy(), SECOND[0:2, 1:3, 4:7].astype(dtype))
    assert np.array_equal(crops[1, 0].numpy(), FIRST[1:3, 2:4, 2:5].astype(dtype))


def test_a_crop_may_end_with_the_last_voxel():
    crops = gather_crops(torch.from_numpy(FIRST.ravel()), torch.tensor([0]), torch.tensor([[20, 5]]), (3, 4, 5))
    assert np.array_equal(crops[0, 0].numpy(), FIRST)
