"""One order of tokens for volume, token, mask, target and paste."""

import re

import pytest
import torch

from scripts.networks import in_grey, kept_tokens, paste_hidden, take_tokens, to_tokens, token_grid
from scripts.networks.reconstruction_to_grey import voxel_mask
from scripts.networks.tokens import from_tokens, normalise_tokens

PATCH = (2, 4, 6)
GRID = (3, 5, 7)


def index_volume() -> torch.Tensor:
    """(1, 1, 6, 20, 42): each voxel holds the index of its token, written down from its coordinates."""
    z, y, x = torch.meshgrid(torch.arange(6), torch.arange(20), torch.arange(42), indexing="ij")
    return ((z // 2) * 35 + (y // 4) * 7 + x // 6).float()[None, None]


def test_voxels_that_hold_their_token_index_come_back_in_order():
    volume = index_volume()
    tokens = to_tokens(volume, PATCH)
    assert tokens.shape == (1, 105, 48)
    assert torch.equal(tokens, torch.arange(105.0)[None, :, None].expand(1, 105, 48))
    assert torch.equal(from_tokens(tokens, GRID, PATCH), volume)


def test_the_mask_the_kept_indices_and_the_voxels_name_the_same_tokens():
    hidden = torch.ones(105, dtype=torch.bool)
    hidden[[0, 8, 52, 103]] = False
    mask = hidden.view(1, *GRID)
    assert kept_tokens(mask).tolist() == [[0, 8, 52, 103]]
    visible_voxels = index_volume()[~voxel_mask(mask, PATCH)]
    assert visible_voxels.unique().tolist() == [0, 8, 52, 103]
    assert take_tokens(to_tokens(index_volume(), PATCH), kept_tokens(mask))[0, :, 0].tolist() == [0, 8, 52, 103]


def test_a_perfect_reconstruction_pastes_back_to_the_volume():
    volume = index_volume() + torch.rand(1, 1, 6, 20, 42, generator=torch.Generator().manual_seed(0))
    perfect = from_tokens(normalise_tokens(to_tokens(volume, PATCH))[0], GRID, PATCH)
    torch.testing.assert_close(in_grey(perfect, volume, PATCH), volume)
    mask = torch.zeros(1, *GRID, dtype=torch.bool)
    mask[0, 2, 3, 4] = True
    torch.testing.assert_close(paste_hidden(volume, perfect, mask, PATCH), volume)


def test_a_paste_changes_hidden_voxels_only():
    volume = index_volume() + torch.rand(1, 1, 6, 20, 42, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(1, *GRID, dtype=torch.bool)
    mask[0, 1, 2, 3] = True
    pasted = paste_hidden(volume, torch.zeros_like(volume), mask, PATCH)
    assert torch.equal((pasted != volume)[0, 0].nonzero().amin(0), torch.tensor([2, 8, 18]))
    assert torch.equal((pasted != volume)[0, 0].nonzero().amax(0), torch.tensor([3, 11, 23]))
    inside = pasted[0, 0, 2:4, 8:12, 18:24]
    torch.testing.assert_close(inside, volume[0, 0, 2:4, 8:12, 18:24].mean().expand_as(inside))


def test_tokens_follow_the_order_of_a_convolution_with_its_kernel_as_stride():
    volume = torch.randn(2, 3, 6, 20, 42, generator=torch.Generator().manual_seed(0))
    kernel = torch.randn(5, 3, *PATCH, generator=torch.Generator().manual_seed(1))
    by_convolution = torch.nn.functional.conv3d(volume, kernel, stride=PATCH).flatten(2).transpose(1, 2)
    torch.testing.assert_close(to_tokens(volume, PATCH) @ kernel.flatten(1).t(), by_convolution, atol=1e-4, rtol=1e-4)
    assert torch.equal(from_tokens(to_tokens(volume, PATCH), GRID, PATCH), volume)


def test_a_normalised_token_has_zero_mean_and_unit_variance():
    tokens = torch.randn(2, 3, 48, generator=torch.Generator().manual_seed(0)) * 40 + 100
    normal, mean, deviation = normalise_tokens(tokens)
    torch.testing.assert_close(normal.mean(2), torch.zeros(2, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(normal.square().mean(2), torch.ones(2, 3))
    torch.testing.assert_close(normal * deviation + mean, tokens)


def test_a_flat_token_becomes_zeros():
    normal, _, _ = normalise_tokens(torch.full((1, 2, 48), 0.7))
    assert normal.abs().max() < 1e-3


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((5, 20, 42), "size 5 along z is not a multiple of the patch's 2"),
        ((6, 22, 42), "size 22 along y is not a multiple of the patch's 4"),
        ((6, 20, 40), "size 40 along x is not a multiple of the patch's 6"),
        ((0, 20, 42), "size 0 along z"),
    ],
)
def test_a_volume_that_is_no_multiple_of_the_patch_is_refused_by_axis(shape, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        token_grid(shape, PATCH)


def test_tokens_that_do_not_fill_the_grid_are_refused():
    with pytest.raises(ValueError, match=r"104 tokens of 48 voxels do not make a grid \(3, 5, 7\)"):
        from_tokens(torch.zeros(1, 104, 48), GRID, PATCH)


def test_samples_that_keep_different_numbers_of_tokens_are_refused():
    mask = torch.ones(2, 1, 2, 2, dtype=torch.bool)
    mask[0, 0, 0, 0] = False
    with pytest.raises(ValueError, match=r"kept: \[1, 0\]"):
        kept_tokens(mask)


def test_a_mask_that_hides_everything_is_refused():
    with pytest.raises(ValueError, match=r"kept: \[0\]"):
        kept_tokens(torch.ones(1, 2, 2, 2, dtype=torch.bool))


def test_a_mask_that_is_not_bool_or_has_no_batch_is_refused():
    with pytest.raises(ValueError, match=r"torch\.float32"):
        kept_tokens(torch.ones(1, 2, 2, 2))
    with pytest.raises(ValueError, match=r"shape \(2, 2, 2\)"):
        kept_tokens(torch.ones(2, 2, 2, dtype=torch.bool))
