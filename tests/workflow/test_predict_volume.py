"""A prediction in one call takes all of a region: its mask too, where only a box of it is predicted."""

import numpy as np
import torch

from scripts.data.files.predictions import read_prediction
from scripts.data.regions.region import Region
from scripts.data.volumes import ArrayVolume
from scripts.inferers import VolumeInferer
from scripts.ops.box import Box
from scripts.workflow import predict_volume


class Ones(torch.nn.Module):
    """One map, 1 everywhere."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(image)


def test_maps_are_zero_outside_the_mask_of_a_region_of_which_a_box_is_predicted(tmp_path):
    counting = np.zeros((4, 16, 16), bool)
    counting[:, :8] = True
    grey = ArrayVolume(np.full(counting.shape, 100, np.uint8))
    last = Box.parse("3:4,:,:", grey.shape)
    region = Region(grey, Box.parse(None, grey.shape), labelled=last, mask=ArrayVolume(counting))
    inferer = VolumeInferer(window=(2, 8, 8), stride=(1, 4, 4), pad=(0, 0, 0), flips=1)
    path = predict_volume(region, Ones(), inferer, tmp_path / "maps.h5", box="0:2,:,:")
    assert np.array_equal(read_prediction(path)[0][0], counting[:2])
