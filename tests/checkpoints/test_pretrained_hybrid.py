"""A hybrid starts from a pre-training of both its parts in one run, or is refused as a whole."""

import pytest
import torch

from scripts.checkpoints.pretrained import load_pretrained
from scripts.networks import UNETR, Encoder, HybridUNet, MaskedTrunk, ResidualUNet, even_taps, segmentation_network

HEAD = "trunk.head"


def hybrid(channels: int = 3, seed: int = 0, width: int = 12, coarsest: int = 6) -> HybridUNet:
    torch.manual_seed(seed)
    made = HybridUNet(Encoder((1, 4, 4), width, 2, 2), ResidualUNet(channels, (4, coarsest), ("23", "23"), 2))
    torch.nn.init.normal_(made.gate)
    return made


@pytest.fixture
def pretrained(tmp_path):
    """File of a hybrid that predicts one channel, and its weights."""
    network = hybrid(1, seed=1)
    torch.save(
        {"format": 1, "iteration": 3, "recipe": {"patch": [1, 4, 4]}, "network": network.state_dict()},
        tmp_path / "both.pt",
    )
    return tmp_path / "both.pt", network.state_dict()


def test_all_weights_but_the_last_layer_are_loaded(pretrained, capsys):
    path, given = pretrained
    network = hybrid()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    load_pretrained(network, path)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name] if name.startswith(HEAD) else given[name]), name
    printed = capsys.readouterr().out
    assert f"trunk: from {path}" in printed
    assert f"encoder: from {path}" in printed


def test_a_second_file_replaces_its_trunk(pretrained, tmp_path):
    path, given = pretrained
    other = ResidualUNet(1, (4, 6), ("23", "23"), 2)
    torch.save(MaskedTrunk(other, (1, 4, 4)).state_dict(), tmp_path / "trunk.pt")
    network = hybrid()
    load_pretrained(network, path, trunk=tmp_path / "trunk.pt")
    there = network.state_dict()
    assert torch.equal(there["encoder.norm.weight"], given["encoder.norm.weight"])
    assert torch.equal(there["trunk.stem.weight"], other.stem.weight)


def test_a_unetr_takes_its_encoder_alone(pretrained):
    path, given = pretrained
    unetr = UNETR(Encoder((1, 4, 4), 12, 2, 2), 3, even_taps(2, (1, 4, 4)), (8, 4, 4))
    load_pretrained(unetr, path)
    there = unetr.state_dict()
    assert all(torch.equal(there[name], value) for name, value in given.items() if name.startswith("encoder."))


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"width": 24}, "is of another encoder"), ({"coarsest": 8}, "is of another architecture or of other sizes")],
)
def test_a_part_of_another_size_is_refused(pretrained, changed, message):
    with pytest.raises(ValueError, match=message):
        load_pretrained(hybrid(**changed), pretrained[0])


@pytest.mark.parametrize("name", ["gate", "encoder.norm.weight", "trunk.stem.weight"])
def test_weights_that_are_not_finite_are_refused(pretrained, name, tmp_path):
    weights = {**pretrained[1], name: torch.full_like(pretrained[1][name], torch.nan)}
    torch.save(weights, tmp_path / "broken.pt")
    with pytest.raises(ValueError, match="weights that are not finite"):
        load_pretrained(hybrid(), tmp_path / "broken.pt")


def test_a_residual_unetr_is_no_hybrid(tmp_path):
    sizes = {"patch": [1, 4, 4], "width": 12, "depth": 2, "heads": 2}
    other = segmentation_network("unetr", 3, sizes, (8, 4, 4), None, "residual")
    torch.save(other.state_dict(), tmp_path / "unetr.pt")
    network = hybrid()
    trunk = {name: value.clone() for name, value in network.trunk.state_dict().items()}
    load_pretrained(network, tmp_path / "unetr.pt")
    assert all(torch.equal(value, trunk[name]) for name, value in network.trunk.state_dict().items())
