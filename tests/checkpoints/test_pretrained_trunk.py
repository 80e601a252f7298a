"""A residual U-Net takes over all weights of another task but the last layer, or none with a table of what differs."""

import pytest
import torch

from scripts.checkpoints import load_pretrained
from scripts.networks import UNETR, Encoder, HybridUNet, MaskedTrunk, ResidualUNet, even_taps


def unet(channels: int = 3, seed: int = 0, width: int = 8) -> ResidualUNet:
    torch.manual_seed(seed)
    return ResidualUNet(channels, (4, width), ("23", "23"), 2)


def test_all_weights_but_the_last_layer_are_taken_over(tmp_path, capsys):
    torch.save(unet(5, seed=1).state_dict(), tmp_path / "trunk.pt")
    network, head = unet(), unet().head.weight
    load_pretrained(network, tmp_path / "trunk.pt")
    expected = unet(5, seed=1).state_dict()
    loaded = {name for name, value in network.state_dict().items() if value.equal(expected[name])}
    assert network.state_dict().keys() - loaded == {"head.weight", "head.bias"}
    assert torch.equal(network.head.weight, head)
    printed = capsys.readouterr().out
    assert "left out       2  head.weight; head.bias" in printed


def test_names_of_a_compiled_or_distributed_network_are_read(tmp_path):
    state = {f"module._orig_mod.{name}": value for name, value in unet(seed=1).state_dict().items()}
    torch.save(state, tmp_path / "trunk.pt")
    network = unet()
    load_pretrained(network, tmp_path / "trunk.pt")
    assert torch.equal(network.stem.weight, unet(seed=1).stem.weight)


def test_weights_of_another_architecture_or_size_are_refused_with_a_table(tmp_path):
    torch.manual_seed(0)
    unetr = UNETR(Encoder((1, 4, 4), 12, 2, 2), 3, even_taps(2, (1, 4, 4)), (8, 4, 4))
    content = {"format": 1, "iteration": 3, "recipe": {"architecture": "unetr"}, "network": unetr.state_dict()}
    for name, saved in (("unetr.pt", content), ("wide.pt", unet(width=12).state_dict())):
        torch.save(saved, tmp_path / name)
    network, before = unet(), unet().state_dict()
    with pytest.raises(ValueError, match=r"another architecture .*recipe has architecture unetr[\s\S]*missing +\d"):
        load_pretrained(network, tmp_path / "unetr.pt")
    with pytest.raises(ValueError, match=r"resized +\d+[\s\S]*--trunk and --trunk_norm it was trained with"):
        load_pretrained(network, tmp_path / "wide.pt")
    assert all(value.equal(before[name]) for name, value in network.state_dict().items())


def test_weights_that_are_not_finite_are_refused(tmp_path):
    state = unet().state_dict()
    state["stem.bias"][0] = torch.nan
    torch.save(state, tmp_path / "trunk.pt")
    with pytest.raises(ValueError, match=r"not finite: stem\.bias; its run failed"):
        load_pretrained(unet(), tmp_path / "trunk.pt")


def test_a_network_with_an_encoder_takes_the_encoder_and_refuses_a_file_without_one(tmp_path):
    torch.save(unet().state_dict(), tmp_path / "trunk.pt")
    unetr = UNETR(Encoder((1, 4, 4), 12, 2, 2), 3, even_taps(2, (1, 4, 4)), (8, 4, 4))
    with pytest.raises(ValueError, match="holds no encoder"):
        load_pretrained(unetr, tmp_path / "trunk.pt")


def test_without_a_file_the_network_stays_as_it_is(capsys):
    network = unet()
    assert load_pretrained(network, None, recipe={"seed": 3}) is None
    assert "from scratch (seed 3)" in capsys.readouterr().out


def test_a_masked_pretraining_gives_its_trunk_to_a_u_net_and_to_a_hybrid(tmp_path):
    trunk = unet(1, seed=1)
    content = {"format": 1, "iteration": 3, "recipe": {}, "network": MaskedTrunk(trunk, (1, 4, 4)).state_dict()}
    torch.save(content, tmp_path / "pretrained.pt")
    plain, hybrid = unet(), HybridUNet(Encoder((1, 4, 4), 12, 2, 2), unet())
    encoder = {name: value.clone() for name, value in hybrid.encoder.state_dict().items()}
    for network, into in ((plain, plain), (hybrid, hybrid.trunk)):
        load_pretrained(network, tmp_path / "pretrained.pt")
        differing = [
            n for n, v in into.state_dict().items() if not n.startswith("head") and not v.equal(trunk.state_dict()[n])
        ]
        assert differing == []
        assert torch.equal(into.head.weight, unet().head.weight)
    assert all(value.equal(encoder[name]) for name, value in hybrid.encoder.state_dict().items())


def test_a_hybrid_takes_the_trunk_of_a_fine_tuned_u_net(tmp_path):
    content = {"format": 1, "iteration": 3, "recipe": {"task": "affinity"}, "network": unet(seed=1).state_dict()}
    torch.save(content, tmp_path / "best.pt")
    hybrid = HybridUNet(Encoder((1, 4, 4), 12, 2, 2), unet())
    load_pretrained(hybrid, tmp_path / "best.pt")
    assert torch.equal(hybrid.trunk.stem.weight, unet(seed=1).stem.weight)
    assert torch.equal(hybrid.trunk.head.weight, unet().head.weight)


def test_a_hybrid_takes_its_encoder_and_its_trunk_from_two_files(tmp_path, capsys):
    torch.manual_seed(3)
    encoder, trunk = Encoder((1, 4, 4), 12, 2, 2), unet(1, seed=1)
    torch.save({f"encoder.{name}": value for name, value in encoder.state_dict().items()}, tmp_path / "vit.pt")
    torch.save(MaskedTrunk(trunk, (1, 4, 4)).state_dict(), tmp_path / "trunk.pt")
    torch.manual_seed(0)
    hybrid = HybridUNet(Encoder((1, 4, 4), 12, 2, 2), unet())
    load_pretrained(hybrid, tmp_path / "vit.pt", trunk=tmp_path / "trunk.pt")
    assert all(value.equal(encoder.state_dict()[name]) for name, value in hybrid.encoder.state_dict().items())
    there = hybrid.trunk.state_dict()
    assert all(value.equal(there[name]) for name, value in trunk.state_dict().items() if not name.startswith("head"))
    assert torch.equal(hybrid.trunk.head.weight, unet().head.weight)
    assert hybrid.gate.abs().sum() == 0
    printed = capsys.readouterr().out
    assert f"trunk: from {tmp_path}/trunk.pt\n  loaded" in printed
    assert f"encoder: from {tmp_path}/vit.pt\n  loaded" in printed


def test_each_of_two_files_is_checked_by_its_own_architecture(tmp_path):
    torch.save(unet(width=12).state_dict(), tmp_path / "wide.pt")
    torch.save(MaskedTrunk(unet(1), (1, 4, 4)).state_dict(), tmp_path / "trunk.pt")
    hybrid = HybridUNet(Encoder((1, 4, 4), 12, 2, 2), unet())
    with pytest.raises(ValueError, match=r"--pretrained_trunk '.*wide\.pt' is of another[\s\S]*resized +\d"):
        load_pretrained(hybrid, tmp_path / "trunk.pt", trunk=tmp_path / "wide.pt")
    with pytest.raises(ValueError, match=r"--pretrained '.*trunk\.pt' holds no encoder"):
        load_pretrained(hybrid, tmp_path / "trunk.pt", trunk=tmp_path / "trunk.pt")
    with pytest.raises(ValueError, match=r"a trunk alone is --pretrained"):
        load_pretrained(hybrid, None, trunk=tmp_path / "trunk.pt")
