"""The residual U-Net keeps sections apart, inverts its fold, uses all its weights, and takes any window that fits."""

import pytest
import torch
import torch.nn.functional as F

from scripts.networks.residual_unet import Float32GroupNorm, ResidualUNet, fold_plane, unfold_plane

PRESETS = {
    "small": ((16, 32, 48, 64), ("22", "23", "233", "233"), 1),
    "medium": ((32, 48, 64, 80), ("23", "233", "233", "233"), 2),
    "large": ((64, 96, 144, 192), ("23", "233", "233", "233"), 2),
}


def tiny(widths=(4, 6, 8), forms=("23", "233", "22"), fold=2, channels=3) -> ResidualUNet:
    torch.manual_seed(0)
    return ResidualUNet(channels, widths, forms, fold)


def volume(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("preset", "parameters"), [("small", 617_587), ("medium", 1_272_284), ("large", 6_280_252)])
def test_presets_have_the_sizes_they_are_named_for(preset, parameters):
    with torch.device("meta"):
        network = ResidualUNet(3, *PRESETS[preset])
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_a_fold_moves_each_block_of_the_plane_into_channels():
    image = torch.arange(16).view(1, 1, 1, 4, 4)
    folded = fold_plane(image, 2)
    assert folded[0, :, 0, 0, 0].tolist() == [0, 1, 4, 5]
    assert folded[0, :, 0, 1, 0].tolist() == [8, 9, 12, 13]


@pytest.mark.parametrize("fold", [1, 2, 3])
def test_unfolding_gives_the_volume_back(fold):
    image = volume(2, 3, 2, 6, 12)
    assert torch.equal(unfold_plane(fold_plane(image, fold), fold), image)


def test_unfolding_is_the_pixel_shuffle_of_each_section():
    folded = volume(2, 8, 3, 4, 5)
    sections = [F.pixel_shuffle(folded[:, :, z], 2) for z in range(3)]
    assert torch.equal(unfold_plane(folded, 2), torch.stack(sections, 2))


def test_every_parameter_gets_a_gradient():
    network = tiny()
    network(volume(2, 1, 3, 16, 24)).square().mean().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@pytest.mark.parametrize(("widths", "fold"), [((4, 6), 1), ((4, 6, 8), 1), ((4, 6), 3), ((4, 6, 8, 8), 2)])
def test_any_number_of_levels_and_any_fold_gives_a_logit_for_each_voxel(widths, fold):
    network = tiny(widths, ("23",) * len(widths), fold)
    assert network.multiple == fold * 2 ** (len(widths) - 1)
    shape = (3, network.multiple, 2 * network.multiple)
    assert network(volume(2, 1, *shape)).shape == (2, 3, *shape)


def test_flat_forms_never_look_at_another_section():
    network = tiny(forms=("22", "22", "222")).eval()
    normless(network)
    image = volume(1, 1, 4, 16, 16)
    changed = image.clone()
    changed[0, 0, 2] += 1
    difference = (network(changed) - network(image)).abs().amax((0, 1, 3, 4))
    assert difference[[0, 1, 3]].tolist() == [0, 0, 0]
    assert difference[2] > 0


def normless(network: ResidualUNet) -> None:
    """Take the norms out: their statistics are those of the sample, all sections together."""
    for block in network.modules():
        if isinstance(block, torch.nn.Sequential):
            for i, part in enumerate(block):
                if isinstance(part, Float32GroupNorm):
                    block[i] = torch.nn.Identity()


def test_a_voxel_of_the_input_changes_the_output_at_its_own_place_most():
    network = tiny().eval()
    image = volume(1, 1, 4, 24, 40)
    changed = image.clone()
    changed[0, 0, 1, 20, 5] += 3
    difference = (network(changed) - network(image)).abs().sum(1)[0]
    z, y, x = (int(i) for i in torch.unravel_index(difference.argmax(), difference.shape))
    assert max(abs(z - 1), abs(y - 20), abs(x - 5)) <= 2


def test_one_sample_alone_gives_what_it_gives_in_a_batch_in_training_and_evaluation():
    network = tiny()
    images = volume(3, 1, 2, 16, 24)
    together = network.train()(images)
    torch.testing.assert_close(network(images[1:2]), together[1:2], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(network.eval()(images), together, atol=1e-5, rtol=1e-5)


def test_the_network_scripts_traces_and_compiles_to_the_same_logits():
    network = tiny().eval()
    image, larger = volume(1, 1, 3, 16, 24), volume(1, 1, 4, 24, 32)
    expected = network(image)
    torch.testing.assert_close(torch.jit.script(network)(image), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(torch.jit.script(network)(larger), network(larger), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(torch.jit.trace(network, image)(image), expected, atol=1e-5, rtol=1e-5)
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(image), expected, atol=1e-5, rtol=1e-5)


def test_norms_are_float32_in_bf16_and_the_logits_come_close():
    network = tiny()
    image = volume(1, 1, 3, 16, 24)
    dtypes = set()
    network.finest.first[1].register_forward_hook(lambda _, __, output: dtypes.add(output.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(image)
        logits.float().square().mean().backward()
    assert dtypes == {torch.float32}
    assert (logits.float() - network(image)).abs().max() < 0.2
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_weights_are_channels_last_and_load_from_contiguous_ones_to_the_same_logits():
    network, other = tiny(), tiny()
    other.load_state_dict({name: value.contiguous() for name, value in network.state_dict().items()})
    for each in (network, other):
        layouts = [p.is_contiguous(memory_format=torch.channels_last_3d) for p in each.parameters() if p.dim() == 5]
        assert all(layouts)
    assert torch.equal(network(volume(2, 1, 3, 16, 16)), other(volume(2, 1, 3, 16, 16)))


def test_a_blank_window_gives_finite_logits_and_gradients():
    network = tiny()
    network(torch.full((1, 1, 2, 16, 16), -1.0)).square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


def test_impossible_levels_are_refused():
    with pytest.raises(ValueError, match=r"widths \[8\] must be two or more"):
        ResidualUNet(3, (8,), ("23",))
    with pytest.raises(ValueError, match=r"2 forms .* for 3 widths .*: give one a level"):
        ResidualUNet(3, (4, 6, 8), ("23", "23"))
    with pytest.raises(ValueError, match="form '2v' must be two or more digits 2"):
        ResidualUNet(3, (4, 6), ("23", "2v"))
    with pytest.raises(ValueError, match=r"out_channels 0, fold 2, in_channels 1 must be 1 or more"):
        ResidualUNet(0, (4, 6), ("23", "23"))


def test_a_window_that_the_levels_do_not_divide_is_refused():
    with pytest.raises(ValueError, match=r"sizes 20 along y and 16 along x must be multiples of 8"):
        tiny()(volume(1, 1, 3, 20, 16))
    with pytest.raises(ValueError, match=r"must be \(batch, 1 channels, z, y, x\)"):
        tiny()(volume(1, 2, 3, 16, 16))


def test_the_norm_is_one_of_two():
    batch = ResidualUNet(1, (4, 6), ("23", "23"), norm="batch")
    assert sum(isinstance(module, torch.nn.BatchNorm3d) for module in batch.modules()) == 6
    assert not any(isinstance(module, torch.nn.GroupNorm) for module in batch.modules())
    with pytest.raises(ValueError, match="norm 'layer' is not one of group, batch"):
        ResidualUNet(1, (4, 6), ("23", "23"), norm="layer")
