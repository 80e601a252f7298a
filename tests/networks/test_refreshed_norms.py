"""Refreshed batch norm has the averages of what the network sees, and nothing else of it changes."""

import pytest
import torch

from scripts.networks import ResidualUNet, refresh_norms


def network(norm: str) -> ResidualUNet:
    torch.manual_seed(0)
    return ResidualUNet(1, (4, 6), ("23", "23"), norm=norm).eval()


def windows() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [3 + 2 * torch.randn(2, 1, 3, 16, 16, generator=generator) for _ in range(3)]


@torch.no_grad()
def test_averages_are_those_of_the_volume():
    made = network("batch")
    weights = {name: value.clone() for name, value in made.named_parameters()}
    first, features = made.finest.first, []
    hook = first[0].register_forward_hook(lambda _module, _inputs, output: features.append(output))
    refresh_norms(made, lambda: [made(window) for window in windows()])
    hook.remove()
    expected = torch.stack([one.mean((0, 2, 3, 4)) for one in features]).mean(0)
    spread = torch.stack([one.transpose(0, 1).flatten(1).var(1) for one in features]).mean(0)
    torch.testing.assert_close(first[1].running_mean, expected)
    torch.testing.assert_close(first[1].running_var, spread)
    assert all(torch.equal(weights[name], value) for name, value in made.named_parameters())
    assert not any(module.training for module in made.modules())
    assert first[1].momentum == 0.1


@torch.no_grad()
def test_brightness_and_contrast_of_a_volume_no_longer_matter():
    made, seen = network("batch"), windows()
    made.stem.bias.zero_()  # no other convolution before a norm has one: features grow with the image
    refresh_norms(made, lambda: [made(window) for window in seen])
    expected = made(seen[0])
    changed = [5 * window for window in seen]
    assert not torch.allclose(made(changed[0]), expected, atol=0.1)
    refresh_norms(made, lambda: [made(window) for window in changed])
    torch.testing.assert_close(made(changed[0]), expected, atol=1e-3, rtol=1e-3)


def test_without_batch_norm_there_is_nothing_to_refresh():
    made = network("group")
    with pytest.raises(ValueError, match="the network has no batch norm"):
        refresh_norms(made, lambda: None)


@torch.no_grad()
def test_averages_stay_as_they_were_where_the_volume_cannot_be_seen():
    made, seen = network("batch"), windows()
    refresh_norms(made, lambda: [made(window) for window in seen])
    expected = made(seen[0])

    def fail_after_a_window() -> None:
        made(10 * seen[1])
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        refresh_norms(made, fail_after_a_window)
    with pytest.raises(ValueError, match="the network saw nothing of the volume"):
        refresh_norms(made, lambda: None)
    assert torch.equal(made(seen[0]), expected)
    assert not any(module.training for module in made.modules())
