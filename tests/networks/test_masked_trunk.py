"""Masked pre-training of the residual U-Net: only visible voxels are read, and every weight learns."""

import pytest
import torch

from scripts.losses import HiddenTokenLoss
from scripts.networks import MaskedTrunk, ResidualUNet, kept_tokens
from scripts.networks.reconstruction_to_grey import voxel_mask

PATCH = (1, 4, 2)


@pytest.fixture
def network() -> MaskedTrunk:
    torch.manual_seed(0)
    return MaskedTrunk(ResidualUNet(1, widths=(8, 8), forms=("23", "23"), fold=2), PATCH)


@pytest.fixture
def image() -> torch.Tensor:
    """(2, 1, 3, 8, 12): 3x2x6 tokens."""
    return torch.randn(2, 1, 3, 8, 12, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def mask() -> torch.Tensor:
    """(2, 3, 2, 6), 24 of 36 tokens hidden, other ones in each sample."""
    generator = torch.Generator().manual_seed(2)
    hidden = torch.ones(2, 36, dtype=torch.bool)
    for sample in hidden:
        sample[torch.randperm(36, generator=generator)[:12]] = False
    return hidden.view(2, 3, 2, 6)


def test_the_reconstruction_has_the_shape_of_the_input(network, image, mask):
    assert network(image, kept_tokens(mask)).shape == network(image).shape == image.shape


def test_a_hidden_voxel_is_never_seen(network, image, mask):
    changed = torch.where(voxel_mask(mask, PATCH), torch.randn(image.shape), image)
    assert torch.equal(network(changed, kept_tokens(mask)), network(image, kept_tokens(mask)))


def test_a_visible_voxel_is_seen(network, image, mask):
    place = (~voxel_mask(mask, PATCH)).nonzero()[0]
    changed = image.clone()
    changed[tuple(place)] += 1
    assert not torch.equal(network(changed, kept_tokens(mask)), network(image, kept_tokens(mask)))


def test_what_is_hidden_is_zero_and_the_rest_as_it_was(network, image, mask):
    zeroed = torch.where(voxel_mask(mask, PATCH), torch.zeros(()), image)
    assert torch.equal(network(image, kept_tokens(mask)), network.trunk(zeroed))


def test_hiding_nothing_is_the_trunk_alone(network, image):
    everything = torch.arange(36).expand(2, -1)
    assert torch.equal(network(image, everything), network(image))


def test_every_weight_gets_a_gradient(network, image, mask):
    HiddenTokenLoss(PATCH)(network(image, kept_tokens(mask)), (image, mask)).backward()
    assert [name for name, weight in network.named_parameters() if weight.grad is None] == []


def test_a_trunk_of_other_channels_is_refused():
    with pytest.raises(ValueError, match="3 output channels for 1 of the input"):
        MaskedTrunk(ResidualUNet(3, widths=(8, 8), forms=("23", "23")))
