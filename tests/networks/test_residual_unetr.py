"""The UNETR with a residual U-Net as its decoder starts as that U-Net, uses all its weights, and takes any window."""

import pytest
import torch

from scripts.networks import UNETR, Encoder, ResidualUNETR, build_encoder, even_taps, segmentation_network

ENCODER = {"patch": [1, 4, 4], "width": 12, "depth": 2, "heads": 2}


def small(patch=(1, 8, 8), depth=3, widths=(16, 8, 4), channels=3) -> ResidualUNETR:
    torch.manual_seed(0)
    return ResidualUNETR(Encoder(patch, 24, depth, 2), channels, even_taps(depth, patch), widths)


def trained(**sizes) -> ResidualUNETR:
    """With joins that are no longer zero."""
    network = small(**sizes)
    for join in network.joins:
        torch.nn.init.normal_(join.up.weight, std=0.1)
    return network


def volume(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("patch", "depth"), [((1, 4, 4), 2), ((1, 8, 8), 3), ((1, 8, 8), 5), ((1, 16, 16), 4)])
def test_any_patch_in_plane_and_depth_gives_a_logit_for_each_voxel(patch, depth):
    network = trained(patch=patch, depth=depth, widths=(8, 8, 8, 4))
    assert network(volume(2, 1, 3, 32, 48)).shape == (2, 3, 3, 32, 48)


def test_the_start_is_what_the_convolutions_alone_compute():
    network = small().eval()
    image = volume(1, 1, 3, 16, 24)
    assert torch.equal(network(image), network.trunk(image))


def test_every_tap_reaches_the_logits_and_every_parameter_gets_a_gradient():
    network = trained()
    image = volume(2, 1, 3, 16, 24)
    network(image).square().mean().backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert idle == []


def test_tokens_reach_the_voxels_they_came_from():
    tokens = torch.zeros(1, 2 * 2 * 3, 24)
    tokens[0, 7] = 1  # z 1, y 0, x 1 of a 2 x 2 x 3 grid
    finest = trained().joins[2]
    finest.norm = torch.nn.Identity()
    places = finest(tokens, (2, 2, 3))[0].abs().sum(0).nonzero()
    assert places.amin(0).tolist() == [1, 0, 4]
    assert places.amax(0).tolist() == [1, 3, 7]


# torch's own group norm looks at the batch size in Python, which a trace reports
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_the_network_scripts_traces_and_compiles_to_the_same_logits():
    network = trained().eval()
    image, larger = volume(1, 1, 3, 16, 24), volume(1, 1, 4, 24, 32)
    scripted = torch.jit.script(network)
    torch.testing.assert_close(scripted(image), network(image), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(scripted(larger), network(larger), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(torch.jit.trace(network, image)(image), network(image), atol=1e-5, rtol=1e-5)
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(image), network(image), atol=1e-5, rtol=1e-5)


def test_a_patch_of_fewer_doublings_uses_the_finest_widths():
    assert small(widths=(80, 64, 16, 8, 4)).state_dict().keys() == small().state_dict().keys()
    assert small(widths=(80, 64, 16, 8, 4)).trunk.head.in_channels == 4


@pytest.mark.parametrize("patch", [(2, 8, 8), (1, 2, 2)])
def test_a_patch_that_the_levels_do_not_undo_is_refused_with_a_way_out(patch):
    with pytest.raises(ValueError, match=r"takes patches of one section and 4 voxels or more.*--unetr_form published"):
        ResidualUNETR(Encoder(patch, 24, 3, 2), 3, even_taps(3, patch), (8, 8, 4))


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match=r"widths \[8, 4\] must be 3 or more positive numbers"):
        small(widths=(8, 4))
    with pytest.raises(ValueError, match="must be 3 rising block numbers"):
        ResidualUNETR(Encoder((1, 8, 8), 24, 3, 2), 3, [1, 3], (8, 8, 4))


def test_the_form_is_chosen_by_name_and_the_published_one_stays_the_default_to_the_bit():
    torch.manual_seed(0)
    published = segmentation_network("unetr", 3, ENCODER, [8, 4, 4], None)
    torch.manual_seed(0)
    encoder = build_encoder(ENCODER)
    before = UNETR(encoder, 3, even_taps(2, encoder.patch), [8, 4, 4])
    assert list(published.state_dict()) == list(before.state_dict())
    assert all(torch.equal(value, before.state_dict()[name]) for name, value in published.state_dict().items())
    residual = segmentation_network("unetr", 3, ENCODER, [8, 4, 4], None, unetr_form="residual")
    assert isinstance(residual, ResidualUNETR)
    with pytest.raises(ValueError, match="unetr_form 'conv' is not one of published, residual"):
        segmentation_network("unetr", 3, ENCODER, [8, 4, 4], None, unetr_form="conv")
