"""Standardised weights have mean 0, keep the variance of features, and give every window the same numbers."""

import torch

from scripts.networks import ResidualUNet
from scripts.networks.standardised_convolution import RELU_GAIN, StandardisedConv3d


def test_weights_have_mean_0_and_the_variance_of_the_gain():
    torch.manual_seed(0)
    convolution = StandardisedConv3d(5, 7, (1, 3, 3), gain=0.5)
    weights = convolution.standardised().flatten(1)
    torch.testing.assert_close(weights.mean(1), torch.zeros(7), atol=1e-6, rtol=0)
    torch.testing.assert_close(weights.square().sum(1).sqrt(), torch.full((7,), 0.5 * RELU_GAIN), atol=1e-3, rtol=0)
    with torch.no_grad():
        convolution.weight.mul_(3).add_(1)
    torch.testing.assert_close(convolution.standardised().flatten(1), weights, atol=1e-3, rtol=0)


@torch.no_grad()
def test_a_relu_after_it_passes_on_the_variance():
    torch.manual_seed(0)
    features = torch.randn(1, 64, 4, 24, 24)
    for _ in range(4):
        features = StandardisedConv3d(64, 64, (3, 3, 3))(features).relu()
        inner = features[:, :, 1:-1, 4:-4, 4:-4]
        assert 0.5 < inner.var() < 2


@torch.no_grad()
def test_a_window_does_not_change_the_numbers_of_voxels_that_are_far_from_its_border():
    torch.manual_seed(0)
    network = ResidualUNet(1, (4, 6), ("22", "22"), norm="weight")
    image = torch.randn(1, 1, 2, 32, 96)
    whole, part = network(image), network(image[..., :64])
    torch.testing.assert_close(part[..., :24], whole[..., :24])
