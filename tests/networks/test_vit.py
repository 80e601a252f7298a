"""The encoder reads the kept tokens and their positions, and nothing else."""

import pytest
import torch
from torch import nn

from scripts.networks import Encoder, kept_tokens, sincos_positions
from scripts.networks.reconstruction_to_grey import voxel_mask
from scripts.networks.vit import Attention, Block, explicit_attention

PATCH = (2, 4, 6)


def small(**settings) -> Encoder:
    torch.manual_seed(0)
    return Encoder(PATCH, **{"width": 24, "depth": 4, "heads": 2, **settings})


def test_changing_a_hidden_voxel_changes_no_encoder_output(image, mask):
    encoder, kept = small(), kept_tokens(mask)
    changed = torch.where(voxel_mask(mask, PATCH), image + 100, image)
    assert torch.equal(encoder(changed, kept), encoder(image, kept))


def test_changing_one_visible_voxel_changes_the_encoder_output(image, mask):
    encoder, kept = small(), kept_tokens(mask)
    visible = (~voxel_mask(mask, PATCH)).nonzero()[0]
    changed = image.clone()
    changed[tuple(visible)] += 1
    assert not torch.equal(encoder(changed, kept)[0], encoder(image, kept)[0])
    assert torch.equal(encoder(changed, kept)[1], encoder(image, kept)[1])  # the other sample did not change


def test_keeping_every_token_equals_keeping_all(image):
    encoder = small()
    every = torch.arange(105).expand(2, -1)
    assert torch.equal(encoder(image, every), encoder(image))


def test_the_order_of_kept_tokens_is_the_order_of_the_output(image):
    encoder = small()
    kept = torch.tensor([[3, 50, 101], [0, 7, 104]])
    torch.testing.assert_close(encoder(image, kept.flip(1)), encoder(image, kept).flip(1))


def test_embedding_equals_the_convolution_it_is_stored_as(image):
    encoder = small()
    by_convolution = encoder.patch_embedding(image).flatten(2).transpose(1, 2) + sincos_positions((3, 5, 7), 24)
    torch.testing.assert_close(encoder.embed(image, None), by_convolution, atol=1e-5, rtol=1e-5)
    kept = torch.tensor([[3, 50], [9, 104]])
    picked = torch.stack([by_convolution[0, kept[0]], by_convolution[1, kept[1]]])
    torch.testing.assert_close(encoder.embed(image, kept), picked, atol=1e-5, rtol=1e-5)


def test_a_larger_window_gives_its_first_tokens_the_same_embedding():
    encoder = small()
    large = torch.randn(1, 1, 8, 24, 48, generator=torch.Generator().manual_seed(0))
    of_large = encoder.embed(large, None).view(4, 6, 8, 24)
    of_small = encoder.embed(large[:, :, :6, :20, :42], None).view(3, 5, 7, 24)
    torch.testing.assert_close(of_large[:3, :5, :7], of_small, atol=1e-6, rtol=1e-6)


def test_a_block_equals_attention_written_out():
    torch.manual_seed(0)
    block = Block(width=8, heads=2)
    tokens = torch.randn(1, 5, 8)
    qkv = block.attention.qkv(block.norm1(tokens))[0]
    heads = []
    for h in range(2):
        query, key, value = (qkv[:, part * 8 + h * 4 : part * 8 + (h + 1) * 4] for part in range(3))
        heads.append(torch.softmax(query @ key.t() / 4**0.5, dim=1) @ value)
    middle = tokens + block.attention.out(torch.cat(heads, dim=1))
    expected = middle + block.narrow(nn.functional.gelu(block.widen(block.norm2(middle))))
    torch.testing.assert_close(block(tokens), expected)


def test_explicit_attention_and_its_gradients_are_those_of_the_fused_kernel():
    torch.manual_seed(0)
    fused = torch.randn(3, 2, 2, 7, 4, requires_grad=True)
    explicit = fused.detach().clone().requires_grad_()
    outputs = nn.functional.scaled_dot_product_attention(*fused), explicit_attention(*explicit)
    torch.testing.assert_close(outputs[1], outputs[0])
    for output in outputs:
        output.square().sum().backward()
    torch.testing.assert_close(explicit.grad, fused.grad)


@pytest.mark.parametrize("trains", [True, False])
def test_attention_in_bfloat16_on_a_cpu_is_explicit_where_it_trains(trains, monkeypatch):
    attention, tokens = Attention(8, 2), torch.randn(1, 5, 8)
    calls = []
    kernel = nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", lambda *a: calls.append(1) or kernel(*a))
    with torch.set_grad_enabled(trains), torch.autocast("cpu", torch.bfloat16):
        mixed = attention(tokens)
    assert len(calls) == (not trains)
    torch.testing.assert_close(mixed.float(), attention(tokens), atol=0.02, rtol=0.05)


def test_taps_come_after_the_named_blocks_and_the_last_is_the_output(image):
    encoder = small()
    tokens = encoder.embed(image, None)
    first = encoder.blocks[0](tokens)
    third = encoder.blocks[2](encoder.blocks[1](first))
    taps = encoder.taps(image, (1, 3, 4))
    assert len(taps) == 3
    assert torch.equal(taps[0], first)
    assert torch.equal(taps[1], third)
    assert torch.equal(taps[2], encoder(image))


@pytest.mark.parametrize("blocks", [(), (0, 4), (1, 3), (3, 2, 4), (2, 2, 4), (1, 5)])
def test_taps_that_would_leave_blocks_without_gradient_are_refused(blocks, image):
    with pytest.raises(ValueError, match="to 4, the last block"):
        small().taps(image, blocks)


def test_checkpointing_changes_neither_output_nor_gradient(image, mask):
    plain, frugal = small(), small(checkpointing=True)
    frugal.load_state_dict(plain.state_dict())
    kept = kept_tokens(mask)
    outputs = [encoder(image, kept) for encoder in (plain, frugal)]
    for output in outputs:
        output.square().mean().backward()
    assert torch.equal(*outputs)
    for one, other in zip(plain.parameters(), frugal.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_drop_path_rises_with_depth_and_rests_in_evaluation(image):
    encoder = small(drop_path=0.3)
    assert [round(block.drop_path.rate, 6) for block in encoder.blocks] == [0.0, 0.1, 0.2, 0.3]
    encoder.eval()
    assert torch.equal(encoder(image), encoder(image))
    encoder.train()
    assert not torch.equal(encoder(image), encoder(image))


def test_drop_path_keeps_the_mean_of_a_branch():
    torch.manual_seed(0)
    drop = Block(8, 2, drop_path=0.25).drop_path
    branch = drop(torch.ones(4000, 1, 1))
    assert sorted(branch.unique().tolist()) == pytest.approx([0, 4 / 3])
    assert branch.mean() == pytest.approx(1, abs=0.03)


def test_matrices_start_xavier_uniform_and_biases_at_zero():
    encoder = small(width=96)
    for module in encoder.modules():
        if isinstance(module, nn.Linear | nn.Conv3d):
            rows, columns = module.weight.flatten(1).shape
            limit = (6 / (rows + columns)) ** 0.5
            assert module.weight.abs().max() <= limit
            assert module.weight.detach().std().item() == pytest.approx(limit / 3**0.5, rel=0.05)
            assert (module.bias == 0).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 25}, "width 25 is not divisible by 2 heads"),
        ({"depth": 0}, "depth 0"),
        ({"drop_path": 1.0}, r"drop path rate 1.0 is not in \[0, 1\)"),
    ],
)
def test_an_impossible_encoder_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        small(**settings)


@pytest.mark.parametrize("patch", [(16, 16), (0, 16, 16)])
def test_a_patch_that_is_not_three_positive_sizes_is_refused(patch):
    with pytest.raises(ValueError, match="three positive sizes"):
        Encoder(patch)


def test_an_input_of_other_channels_or_axes_is_refused(image):
    with pytest.raises(ValueError, match="1 channels"):
        small()(image.expand(2, 3, 6, 20, 42))
    with pytest.raises(ValueError, match="must be"):
        small()(image[0])


@pytest.mark.parametrize(
    "kept",
    [
        torch.zeros(2, dtype=torch.int64),
        torch.zeros(1, 4, dtype=torch.int64),
        torch.zeros(2, 0, dtype=torch.int64),
        torch.zeros(2, 106, dtype=torch.int64),
        torch.zeros(2, 4),
    ],
)
def test_kept_indices_of_a_wrong_shape_are_refused(kept, image):
    with pytest.raises(ValueError, match=r"int64 of shape \(2, 1 to 105\)"):
        small()(image, kept)
