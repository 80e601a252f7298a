"""The hybrid starts as its trunk, to the bit; the encoder contributes as the gate opens."""

import pytest
import torch

from scripts.losses import HiddenTokenLoss
from scripts.networks import Encoder, kept_tokens
from scripts.networks.hybrid import HybridUNet
from scripts.networks.reconstruction_to_grey import voxel_mask
from scripts.networks.residual_unet import ResidualUNet


def small(channels: int = 3) -> HybridUNet:
    torch.manual_seed(0)
    return HybridUNet(Encoder((1, 8, 8), 24, 2, 2), ResidualUNet(channels, (4, 6, 8), ("23", "233", "233"), 2))


def volume(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def opened() -> tuple[HybridUNet, torch.Tensor]:
    """A hybrid as it pre-trains, and which of the 2 x 2 x 3 tokens of two samples it does not see."""
    network = small(1)
    torch.nn.init.constant_(network.gate, 0.5)
    hidden = torch.zeros(2, 12, dtype=torch.bool)
    hidden[0, [0, 3, 4, 7, 11]] = True
    hidden[1, [1, 2, 5, 8, 9]] = True
    return network, hidden.view(2, 2, 2, 3)


def test_at_the_start_it_is_its_trunk_to_the_bit():
    network = small()
    image = volume(2, 1, 3, 16, 24)
    assert torch.equal(network(image), network.trunk(image))


def test_the_first_gradient_opens_the_gate_and_an_open_gate_trains_the_encoder():
    network = small()
    image = volume(2, 1, 3, 16, 24)
    network(image).square().mean().backward()
    assert network.gate.grad.abs().min() > 0
    assert network.encoder.patch_embedding.weight.grad.abs().sum() == 0
    with torch.no_grad():
        network.gate += 0.1
    network.zero_grad()
    network(image).square().mean().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_a_token_joins_at_the_position_of_its_own_voxels():
    network = small().eval()
    torch.nn.init.ones_(network.gate)
    seventh = torch.zeros(1, 12, 24)
    seventh[0, 7] = 1  # z 1, y 0, x 1 of a 2 x 2 x 3 grid
    joined = []
    network.trunk.coarsest.register_forward_pre_hook(lambda _, inputs: joined.append(inputs[0]))
    for tokens in (torch.zeros(1, 12, 24), seventh):
        hook = network.encoder.register_forward_hook(lambda *_, tokens=tokens: tokens)
        network(volume(1, 1, 2, 16, 24))
        hook.remove()
    assert (joined[1] - joined[0]).abs().sum(1)[0].nonzero().tolist() == [[1, 0, 1]]


def test_it_scripts_traces_and_compiles_to_the_same_logits():
    network = small().eval()
    torch.nn.init.ones_(network.gate)
    image, larger = volume(1, 1, 3, 16, 24), volume(1, 1, 4, 24, 32)
    torch.testing.assert_close(torch.jit.script(network)(image), network(image), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(torch.jit.script(network)(larger), network(larger), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(torch.jit.trace(network, image)(image), network(image), atol=1e-5, rtol=1e-5)
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(image), network(image), atol=1e-5, rtol=1e-5)


def test_a_token_of_another_size_than_the_coarsest_level_is_refused():
    with pytest.raises(ValueError, match=r"patch \(1, 16, 16\).*one position for \(1, 8, 8\) voxels"):
        HybridUNet(Encoder((1, 16, 16), 24, 2, 2), ResidualUNet(3, (4, 6, 8), ("23", "23", "23"), 2))
    with pytest.raises(ValueError, match="encoder takes 2 channels, the trunk 1"):
        HybridUNet(Encoder((1, 8, 8), 24, 2, 2, in_channels=2), ResidualUNet(3, (4, 6, 8), ("23", "23", "23"), 2))


def test_in_pre_training_a_hidden_voxel_is_never_seen_and_a_visible_one_is():
    network, mask = opened()
    image, kept = volume(2, 1, 2, 16, 24), kept_tokens(mask)
    expected = network(image, kept)
    changed = torch.where(voxel_mask(mask, network.patch), volume(2, 1, 2, 16, 24, seed=1), image)
    assert torch.equal(network(changed, kept), expected)
    changed[tuple((~voxel_mask(mask, network.patch)).nonzero()[0])] += 1
    assert not torch.equal(network(changed, kept), expected)


def test_a_kept_token_joins_at_its_own_position_and_a_hidden_one_adds_nothing():
    network, mask = opened()
    kept, joined = kept_tokens(mask), []
    network.trunk.coarsest.register_forward_pre_hook(lambda _, inputs: joined.append(inputs[0]))
    for tokens in (torch.zeros(2, 7, 24), torch.ones(2, 7, 24)):
        hook = network.encoder.register_forward_hook(lambda *_, tokens=tokens: tokens)
        network(volume(2, 1, 2, 16, 24), kept)
        hook.remove()
    without_bias = joined[1] - joined[0]
    assert torch.equal(without_bias.abs().sum(1) > 0, ~mask)


def test_hiding_no_token_is_the_network_of_fine_tuning():
    network, _ = opened()
    network.eval()
    image = volume(2, 1, 2, 16, 24)
    torch.testing.assert_close(network(image, torch.arange(12).expand(2, -1)), network(image), atol=1e-6, rtol=1e-6)


def test_pre_training_scripts_and_compiles_to_the_same_reconstruction():
    network, mask = opened()
    network.eval()
    image, kept = volume(2, 1, 2, 16, 24), kept_tokens(mask)
    expected = network(image, kept)
    torch.testing.assert_close(torch.jit.script(network)(image, kept), expected, atol=1e-5, rtol=1e-5)
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(image, kept), expected, atol=1e-5, rtol=1e-5)


def test_pre_training_gives_every_weight_a_gradient():
    network, mask = opened()
    image = volume(2, 1, 2, 16, 24)
    HiddenTokenLoss(network.patch)(network(image, kept_tokens(mask)), (image, mask)).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
