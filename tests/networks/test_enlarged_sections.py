"""Enlarged sections: the output is that of the same place in the tissue, at the voxels of the input."""

import pytest
import torch
from torch import nn

from scripts.networks import EnlargedSections, enlarged_sections


class Edges(nn.Module):
    """The mean of a voxel and the one before it along z, y and x: of a ramp, its value in the middle of the edge."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.cat([(image + image.roll(1, axis)) / 2 for axis in (2, 3, 4)], dim=1)


def ramp(y: int, x: int) -> torch.Tensor:
    """(1, 1, 2, y, x) that rises by 1 a voxel along y and by 100 along x."""
    return (torch.arange(y).float()[:, None] + 100 * torch.arange(x).float()).expand(1, 1, 2, y, x)


INSIDE = (..., slice(2, -2), slice(2, -2))
"""Beyond the outermost voxels nothing is known, so interpolation is flat there."""


@pytest.mark.parametrize("factor", [1.25, 5 / 3, 2, 4])
def test_a_map_keeps_its_place(factor):
    image = ramp(24, 48)
    output = EnlargedSections(nn.Identity(), factor, (1, 8, 8))(image)
    torch.testing.assert_close(output[INSIDE], image[INSIDE], atol=2e-3, rtol=0)


@pytest.mark.parametrize("factor", [1.25, 5 / 3, 2, 4])
def test_an_affinity_is_that_of_the_middle_of_its_edge(factor):
    image = ramp(24, 48)
    output = EnlargedSections(Edges(), factor, (1, 8, 8), "nearest")(image)
    torch.testing.assert_close(output[INSIDE], Edges()(image)[INSIDE], atol=2e-3, rtol=0)


def test_the_network_gets_whole_patches_of_enlarged_sections():
    sizes = []

    class Seen(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            sizes.append(tuple(image.shape))
            return image

    assert EnlargedSections(Seen(), 5 / 3, (1, 16, 16))(torch.zeros(2, 1, 3, 96, 48)).shape == (2, 1, 3, 96, 48)
    assert sizes == [(2, 1, 3, 160, 80)]


def test_a_factor_of_1_changes_nothing():
    network = nn.Conv3d(1, 1, 1)
    assert enlarged_sections(network, 1, (1, 8, 8)) is network


@pytest.mark.parametrize("factor", [0.5, 4.5, float("nan")])
def test_a_factor_out_of_range_is_an_error(factor):
    with pytest.raises(ValueError, match="is not a factor from 1 to 4"):
        EnlargedSections(nn.Identity(), factor, (1, 8, 8))


def test_affinities_over_several_voxels_are_refused():
    with pytest.raises(ValueError, match="needs affinities to the next voxel"):
        EnlargedSections(nn.Identity(), 2, (1, 8, 8), "long_range")
