"""A masked autoencoder small enough to run in milliseconds, on a grid whose three sizes differ."""

import pytest
import torch

from scripts.networks import Encoder, MaskedAutoencoder

PATCH = (2, 4, 6)
GRID = (3, 5, 7)


@pytest.fixture
def network() -> MaskedAutoencoder:
    """Patch 2x4x6, two blocks of width 24; a decoder of width 32, which six does not divide."""
    torch.manual_seed(0)
    encoder = Encoder(PATCH, width=24, depth=2, heads=2)
    return MaskedAutoencoder(encoder, decoder_width=32, decoder_depth=2, decoder_heads=2)


@pytest.fixture
def image() -> torch.Tensor:
    """(2, 1, 6, 20, 42): 3x5x7 tokens."""
    return torch.randn(2, 1, 6, 20, 42, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def mask() -> torch.Tensor:
    """(2, 3, 5, 7), 95 of 105 tokens hidden, other ones in each sample."""
    generator = torch.Generator().manual_seed(2)
    hidden = torch.ones(2, 105, dtype=torch.bool)
    for sample in hidden:
        sample[torch.randperm(105, generator=generator)[:10]] = False
    return hidden.view(2, *GRID)
