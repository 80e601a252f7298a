"""The loss: hidden tokens only, each in its own units."""

import pytest
import torch

from scripts.losses import HiddenTokenLoss
from scripts.networks import to_tokens
from scripts.networks.reconstruction_to_grey import voxel_mask
from scripts.networks.tokens import from_tokens, normalise_tokens

PATCH = (2, 4, 6)
GRID = (3, 5, 7)


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randn(2, 1, 6, 20, 42, generator=torch.Generator().manual_seed(0)) * 3 + 5


@pytest.fixture
def mask() -> torch.Tensor:
    return torch.rand(2, *GRID, generator=torch.Generator().manual_seed(1)) < 0.7


def test_the_loss_is_the_mean_over_hidden_tokens_written_out(image, mask):
    prediction = torch.randn(image.shape, generator=torch.Generator().manual_seed(2))
    errors = []
    for b, z, y, x in mask.nonzero().tolist():
        place = (b, 0, slice(2 * z, 2 * z + 2), slice(4 * y, 4 * y + 4), slice(6 * x, 6 * x + 6))
        token = image[place]
        target = (token - token.mean()) / (token.var(correction=0) + 1e-6).sqrt()
        errors.append((prediction[place] - target).square().mean())
    torch.testing.assert_close(HiddenTokenLoss(PATCH)(prediction, (image, mask)), torch.stack(errors).mean())


def test_the_loss_ignores_visible_tokens(image, mask):
    prediction = torch.zeros_like(image)
    spoiled = torch.where(voxel_mask(mask, PATCH), prediction, prediction + 1000)
    loss = HiddenTokenLoss(PATCH)
    assert torch.equal(loss(spoiled, (image, mask)), loss(prediction, (image, mask)))


def test_the_loss_notices_each_hidden_token(image, mask):
    loss = HiddenTokenLoss(PATCH)
    prediction = torch.zeros_like(image, requires_grad=True)
    loss(prediction, (image, mask)).backward()
    assert torch.equal(to_tokens(prediction.grad, PATCH).abs().sum(2) > 0, mask.flatten(1))


def test_predicting_every_token_mean_scores_one(image, mask):
    assert HiddenTokenLoss(PATCH)(torch.zeros_like(image), (image, mask)).item() == pytest.approx(1, abs=1e-5)


def test_a_perfect_reconstruction_scores_zero(image, mask):
    perfect = from_tokens(normalise_tokens(to_tokens(image, PATCH))[0], GRID, PATCH)
    assert HiddenTokenLoss(PATCH)(perfect, (image, mask)).item() == 0


def test_brightness_and_contrast_of_a_token_do_not_matter(image, mask):
    prediction = torch.randn(image.shape, generator=torch.Generator().manual_seed(2))
    loss = HiddenTokenLoss(PATCH)
    torch.testing.assert_close(loss(prediction, (image * 4 - 9, mask)), loss(prediction, (image, mask)))


def test_a_half_precision_reconstruction_is_judged_in_float32(image, mask):
    assert HiddenTokenLoss(PATCH)(torch.zeros_like(image).bfloat16(), (image, mask)).dtype == torch.float32


@pytest.mark.parametrize(
    "wrong", [torch.ones(2, 3, 5, 7), torch.ones(2, 3, 5, 6, dtype=torch.bool), torch.ones(1, 3, 5, 7).bool()]
)
def test_a_mask_that_is_not_one_bool_a_token_is_refused(wrong, image):
    with pytest.raises(ValueError, match="105 tokens of 2 samples"):
        HiddenTokenLoss(PATCH)(image, (image, wrong))


def test_a_reconstruction_of_another_shape_is_refused(image, mask):
    with pytest.raises(ValueError, match="differ"):
        HiddenTokenLoss(PATCH)(image[:1], (image, mask))


def test_a_patch_of_two_sizes_is_refused():
    with pytest.raises(ValueError, match="three whole numbers"):
        HiddenTokenLoss((16, 16))


def test_masked_voxels_are_in_neither_loss_nor_statistics():
    """One token of 1 x 2 x 2 with voxels 1, 3 and two masked; another one masked completely."""
    image = torch.tensor([[[[1.0, 3.0, 9.0, 9.0], [50.0, -7.0, 9.0, 9.0]]]])[None]
    unmasked = torch.tensor([[[[True, True, False, False], [False, False, False, False]]]])[None]
    hidden = torch.tensor([[[[True, True]]]])
    loss = HiddenTokenLoss((1, 2, 2))
    guess = torch.zeros_like(image)
    assert loss(guess, (image, hidden, unmasked)).item() == pytest.approx(1, abs=1e-5)  # the mean of 1 and 3
    guess[0, 0, 0, 0, :2] = torch.tensor([-1.0, 1.0])
    guess[0, 0, 0, 1] = 100
    assert loss(guess, (image, hidden, unmasked)).item() == pytest.approx(0, abs=1e-5)
    assert loss(guess, (image, hidden, torch.zeros_like(unmasked))).item() == 0
    everything = torch.ones_like(unmasked)
    torch.testing.assert_close(loss(guess, (image, hidden, everything)), loss(guess, (image, hidden)))


def test_a_batch_with_a_mask_may_be_split(image, mask):
    """Accumulation and several processes average the losses of their parts."""
    unmasked = torch.ones_like(image, dtype=torch.bool)
    unmasked[1, :, :4] = False
    loss, guess = HiddenTokenLoss(PATCH), image * 0.5
    parts = [loss(guess[i : i + 1], (image[i : i + 1], mask[i : i + 1], unmasked[i : i + 1])) for i in range(2)]
    torch.testing.assert_close(loss(guess, (image, mask, unmasked)), torch.stack(parts).mean())
