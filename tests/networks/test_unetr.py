"""The anisotropic UNETR has the published sizes, uses all its weights, and takes any window of whole tokens."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from scripts.networks import UNETR, ActivatedNetwork, Encoder, even_taps
from scripts.networks.unetr import as_volume
from scripts.networks.upsampling import upsampling_factors

PUBLISHED = (512, 256, 128, 64, 32)
LIGHT = (256, 128, 64, 32, 16)


def small(patch=(1, 8, 8), depth=3, widths=(16, 8, 8, 4), channels=3) -> UNETR:
    torch.manual_seed(0)
    return UNETR(Encoder(patch, 24, depth, 2), channels, even_taps(depth, patch), widths)


def volume(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def size_of(width: int, depth: int, heads: int, widths: tuple[int, ...]) -> tuple[float, float]:
    """Million parameters, and thousand million multiply-adds of a forward pass of 1x6x96x96."""
    with torch.device("meta"):
        network = UNETR(Encoder((1, 16, 16), width, depth, heads), 3, even_taps(depth, (1, 16, 16)), widths)
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 1, 6, 96, 96))
    return sum(p.numel() for p in network.parameters()) / 1e6, counter.get_total_flops() / 2e9


@pytest.mark.parametrize(
    ("encoder", "parameters", "multiply_adds"), [((768, 12, 12), 154.0, 142.6), ((1152, 24, 16), 454.7, 209.3)]
)
def test_the_published_network_has_the_published_size(encoder, parameters, multiply_adds):
    assert [round(number, 1) for number in size_of(*encoder, PUBLISHED)] == [parameters, multiply_adds]


def test_the_light_decoder_costs_less_than_60_g_with_vit_b():
    parameters, multiply_adds = size_of(768, 12, 12, LIGHT)
    assert parameters == pytest.approx(104.0, abs=0.05)
    assert multiply_adds == pytest.approx(50.4, abs=0.05)


def test_every_parameter_gets_a_gradient_also_of_every_block():
    network = small()
    network(volume(2, 1, 3, 16, 24)).square().mean().backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert idle == []


@pytest.mark.parametrize(
    ("patch", "depth", "shape"),
    [
        ((1, 16, 16), 4, (3, 32, 48)),
        ((1, 16, 16), 5, (1, 16, 16)),
        ((1, 2, 2), 1, (3, 4, 6)),
        ((2, 8, 8), 3, (6, 16, 24)),
        ((8, 8, 8), 4, (8, 16, 24)),
        ((3, 4, 4), 2, (6, 8, 12)),
    ],
)
def test_any_patch_and_depth_gives_a_logit_for_each_voxel(patch, depth, shape):
    assert small(patch, depth, widths=(8, 8, 8, 4, 4))(volume(2, 1, *shape)).shape == (2, 3, *shape)


def test_a_window_of_another_size_is_taken_without_a_change():
    network = small().eval()
    assert network(volume(1, 1, 5, 40, 56)).shape == (1, 3, 5, 40, 56)


def test_a_voxel_of_the_input_changes_the_output_at_its_own_place_most():
    network = small().eval()
    image = volume(1, 1, 4, 24, 40)
    changed = image.clone()
    changed[0, 0, 1, 20, 5] += 3
    difference = (network(changed) - network(image)).abs().sum(1)[0]
    z, y, x = (int(i) for i in torch.unravel_index(difference.argmax(), difference.shape))
    assert max(abs(z - 1), abs(y - 20), abs(x - 5)) <= 2


def test_tokens_reach_the_voxels_they_came_from():
    network = small(depth=3)
    tokens = torch.zeros(1, 2 * 2 * 3, 24)
    tokens[0, 7] = 1  # z 1, y 0, x 1 of a 2 x 2 x 3 grid
    risen = network.rise(as_volume(tokens, (2, 2, 3))) - network.rise(torch.zeros(1, 24, 2, 2, 3))
    assert sorted({tuple(place) for place in risen[0].abs().sum(0).nonzero().tolist()}) == [
        (1, 0, 2),
        (1, 0, 3),
        (1, 1, 2),
        (1, 1, 3),
    ]


def test_one_sample_alone_gives_what_it_gives_in_a_batch_in_training_and_evaluation():
    network = small()
    images = volume(3, 1, 2, 16, 24)
    together = network.train()(images)
    torch.testing.assert_close(network(images[1:2]), together[1:2], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(network.eval()(images), together, atol=1e-5, rtol=1e-5)


# torch's own group norm looks at the batch size in Python, which a trace reports
group_norm_is_traced = pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")


@group_norm_is_traced
def test_the_network_scripts_traces_and_compiles_to_the_same_logits():
    network = small().eval()
    image = volume(1, 1, 3, 16, 24)
    expected = network(image)
    torch.testing.assert_close(torch.jit.script(network)(image), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(torch.jit.trace(network, image)(image), expected, atol=1e-5, rtol=1e-5)
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(image), expected, atol=1e-5, rtol=1e-5)
    larger = volume(1, 1, 4, 24, 32)
    torch.testing.assert_close(torch.jit.script(network)(larger), network(larger), atol=1e-5, rtol=1e-5)


def test_bf16_comes_close():
    network = small()
    image = volume(1, 1, 3, 16, 24)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(image)
        logits.float().square().mean().backward()
    assert (logits.float() - network(image)).abs().max() < 0.1
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_a_blank_window_gives_finite_logits_and_gradients():
    network = small()
    network(torch.full((1, 1, 2, 16, 16), -1.0)).square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


def test_taps_are_spread_evenly_and_end_at_the_last_block():
    assert even_taps(12, (1, 16, 16)) == [3, 6, 9, 12]
    assert even_taps(24, (1, 16, 16)) == [6, 12, 18, 24]
    assert even_taps(3, (1, 8, 8)) == [1, 2, 3]
    assert even_taps(4, (1, 16, 16)) == [1, 2, 3, 4]
    assert even_taps(7, (1, 8, 8)) == [2, 4, 7]


def test_a_patch_along_z_is_undone_in_the_finest_steps():
    assert upsampling_factors((1, 16, 16)) == [(1, 2, 2)] * 4
    assert upsampling_factors((2, 8, 8)) == [(1, 2, 2), (1, 2, 2), (2, 2, 2)]
    assert upsampling_factors((8, 8, 8)) == [(2, 2, 2)] * 3
    assert upsampling_factors((12, 4, 4)) == [(2, 2, 2), (6, 2, 2)]


def test_fewer_blocks_than_doublings_are_refused_with_a_way_out():
    with pytest.raises(ValueError, match=r"3 blocks cannot be tapped 4 times.*patch of 8 or less.*4 blocks or more"):
        even_taps(3, (1, 16, 16))


@pytest.mark.parametrize("patch", [(1, 12, 12), (1, 8, 16), (1, 1, 1)])
def test_a_patch_that_cannot_be_doubled_up_to_is_refused(patch):
    with pytest.raises(ValueError, match="same power of two"):
        UNETR(Encoder(patch, 24, 3, 2), 3, [1, 2, 3], (16, 8, 8, 4))


@pytest.mark.parametrize("taps", [[1, 3], [0, 2, 3], [1, 1, 3], [3, 2, 3], [1, 2, 2], [1, 2, 4], []])
def test_taps_that_leave_blocks_without_gradient_or_are_of_another_number_are_refused(taps):
    with pytest.raises(ValueError, match=r"must be 3 rising block numbers.*to 3, the last block"):
        UNETR(Encoder((1, 8, 8), 24, 3, 2), 3, taps, (16, 8, 8, 4))


def test_impossible_sizes_are_refused():
    encoder = Encoder((1, 8, 8), 24, 3, 2)
    with pytest.raises(ValueError, match=r"widths \[16, 8, 8\] must be 4 or more"):
        UNETR(encoder, 3, [1, 2, 3], (16, 8, 8))
    with pytest.raises(ValueError, match="out_channels 0"):
        UNETR(encoder, 0, [1, 2, 3], (16, 8, 8, 4))
    with pytest.raises(ValueError, match="size 20 along y is not a multiple of the patch's 8"):
        small()(volume(1, 1, 3, 20, 16))


def test_each_channel_has_its_own_activation():
    network = small()
    image = volume(1, 1, 3, 16, 24)
    logits = network(image)
    maps = ActivatedNetwork(network, ["sigmoid", "tanh", "sigmoid"])(image)
    expected = torch.stack([logits[:, 0].sigmoid(), logits[:, 1].tanh(), logits[:, 2].sigmoid()], 1)
    torch.testing.assert_close(maps, expected)
    assert torch.equal(ActivatedNetwork(network, ["sigmoid"] * 3)(image), logits.sigmoid())


@group_norm_is_traced
def test_maps_script_and_trace_and_are_float32():
    activated = ActivatedNetwork(small(), ["sigmoid", "sigmoid", "tanh"]).eval()
    image = volume(1, 1, 3, 16, 24)
    torch.testing.assert_close(torch.jit.script(activated)(image), activated(image), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(torch.jit.trace(activated, image)(image), activated(image), atol=1e-5, rtol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        assert activated(image).dtype == torch.float32


def test_activations_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"softmax.*sigmoid, tanh"):
        ActivatedNetwork(small(), ["sigmoid", "softmax", "tanh"])
    with pytest.raises(ValueError, match="3 output channels, but 2 activations"):
        ActivatedNetwork(small(), ["sigmoid", "tanh"])(volume(1, 1, 3, 16, 24))
