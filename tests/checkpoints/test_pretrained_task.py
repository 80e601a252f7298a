"""A network that is trained further for the same task keeps all its weights, or the run stops and names the reason."""

import json

import pytest
import torch

from scripts.checkpoints import load_pretrained
from scripts.checkpoints.file import network_content, save_atomically
from scripts.networks import segmentation_network

SIZES = {
    "encoder": {"patch": (1, 4, 4), "width": 12, "depth": 2, "heads": 2},
    "decoder_widths": (8, 4, 4),
    "trunk": {"widths": (4, 8), "forms": ("23", "23"), "fold": 2},
}
LONGER = [[-2, 0, 0], [0, -3, 0]]


def recipe(architecture="residual_unet", auxiliary=(), **others):
    return {
        "task": "affinity",
        "architecture": architecture,
        "sizes": {"width": 12, "depth": 2, "heads": 2},
        "network": "tiny",
        "unetr_decoder": "tiny",
        "trunk": "tiny",
        "trunk_norm": "group",
        "patch": [1, 4, 4],
        "activations": ["sigmoid"] * 3,
        "channels": ["affinity z", "affinity y", "affinity x"],
        "offsets": "nearest",
        "auxiliary_offsets": list(auxiliary),
        **others,
    }


def network(architecture="residual_unet", auxiliary=(), seed=0):
    torch.manual_seed(seed)
    return segmentation_network(architecture, 3 + len(auxiliary), **SIZES)


def trained(path, architecture="residual_unet", auxiliary=(), **others):
    source = network(architecture, auxiliary, seed=1).eval()
    save_atomically(network_content(source, recipe(architecture, auxiliary, **others), 7), path)
    return source


def image():
    return torch.randn(1, 1, 2, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("architecture", ["unetr", "residual_unet", "hybrid"])
def test_the_start_predicts_what_the_file_does_to_the_bit(tmp_path, architecture, capsys):
    source = trained(tmp_path / "best.pt", architecture, LONGER)
    started = network(architecture, LONGER).eval()
    load_pretrained(started, tmp_path / "best.pt", recipe=recipe(architecture, LONGER), head="keep")
    assert torch.equal(started(image()), source(image()))
    printed = capsys.readouterr().out
    assert f"network with its last layer: from {tmp_path}/best.pt (7 iterations" in printed
    assert "auxiliary" not in printed


@pytest.mark.parametrize(
    ("there", "here", "words"),
    [
        ((), LONGER, "its 3 channels from the file; 2 auxiliary channels start new"),
        (LONGER, (), "its 3 channels from the file; 2 auxiliary channels of the file are left out"),
        (LONGER, [[-3, 0, 0]], "2 auxiliary channels of the file are left out; 1 auxiliary channels start new"),
    ],
)
def test_other_auxiliary_channels_start_new_and_those_of_the_task_are_kept(tmp_path, there, here, words, capsys):
    source = trained(tmp_path / "best.pt", auxiliary=there)
    started, rows = network(auxiliary=here).eval(), 3 * 4
    load_pretrained(started, tmp_path / "best.pt", recipe=recipe(auxiliary=here), head="keep")
    torch.testing.assert_close(started(image())[:, :3], source(image())[:, :3], rtol=1e-6, atol=1e-6)
    assert torch.equal(started.head.weight[rows:], network(auxiliary=here).head.weight[rows:])
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("here", [[2, 10, 10], [1, 10, 10], None])
def test_descriptors_are_taken_over_from_a_file_with_the_same_window(tmp_path, here, capsys):
    torch.manual_seed(1)
    source = segmentation_network("residual_unet", 14, **SIZES)
    there = recipe(auxiliary=LONGER[:1], auxiliary_descriptors=[2, 10.0, 10])
    save_atomically(network_content(source, there, 7), tmp_path / "best.pt")
    started = segmentation_network("residual_unet", 14 if here else 4, **SIZES)
    fresh = started.head.weight.clone()
    wanted = recipe(auxiliary=LONGER[:1], auxiliary_descriptors=here)
    load_pretrained(started, tmp_path / "best.pt", recipe=wanted, head="keep")
    same, rows = here == [2, 10, 10], 3 * 4
    assert torch.equal(started.head.weight[:rows], source.head.weight[:rows])
    assert torch.equal(started.head.weight[rows:], (source.head.weight if same else fresh)[rows:])
    assert ("11 auxiliary channels of the file are left out" in capsys.readouterr().out) == (not same)


def test_the_weights_of_a_package_have_their_recipe_beside_them(tmp_path):
    source = network(seed=1)
    torch.save(source.state_dict(), tmp_path / "model.pt")
    (tmp_path / "model.json").write_text(json.dumps({"format": 1, "iteration": 7, "recipe": recipe()}))
    started = network()
    load_pretrained(
        started, tmp_path / "model.pt", recipe=recipe(offsets=[[-1, 0, 0], [0, -1, 0], [0, 0, -1]]), head="keep"
    )
    assert torch.equal(started.head.weight, source.head.weight)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"task": "bcd"}, r"other targets: task is bcd there, affinity here; --pretrained_head drop"),
        ({"channels": ["a", "b", "c"]}, r"channels is \['a', 'b', 'c'\] there"),
        ({"activations": ["sigmoid", "sigmoid"]}, r"activations is \['sigmoid', 'sigmoid'\] there"),
        ({"offsets": [[-1, 0, 0], [0, -1, 0], [0, 0, -2]]}, r"offsets is .* there, nearest here"),
        ({"architecture": "hybrid"}, "architecture hybrid, network tiny, trunk tiny, trunk_norm group, this run arch"),
    ],
)
def test_a_file_of_other_targets_or_another_network_is_refused_by_name(tmp_path, changed, words):
    save_atomically(network_content(network(seed=1), {**recipe(), **changed}, 7), tmp_path / "best.pt")
    started, before = network(), network().state_dict()
    with pytest.raises(ValueError, match=words):
        load_pretrained(started, tmp_path / "best.pt", recipe=recipe(), head="keep")
    assert all(value.equal(before[name]) for name, value in started.state_dict().items())


def test_other_sizes_other_heads_and_a_file_without_a_recipe_are_refused(tmp_path):
    wide = segmentation_network("residual_unet", 3, **{**SIZES, "trunk": {**SIZES["trunk"], "widths": (4, 12)}})
    save_atomically(network_content(wide, recipe(trunk="wide"), 7), tmp_path / "wide.pt")
    with pytest.raises(
        ValueError,
        match=r"trunk wide, .*, this run .*trunk tiny, trunk_norm group\):\n[\s\S]*resized +\d",
    ):
        load_pretrained(network(), tmp_path / "wide.pt", recipe=recipe(), head="keep")
    trained(tmp_path / "heads.pt", "hybrid", sizes={"heads": 4})
    with pytest.raises(ValueError, match="it has 4 attention heads, the network 2"):
        load_pretrained(network("hybrid"), tmp_path / "heads.pt", recipe=recipe("hybrid"), head="keep")
    torch.save(network(seed=1).state_dict(), tmp_path / "plain.pt")
    with pytest.raises(ValueError, match="has no recipe of a segmentation"):
        load_pretrained(network(), tmp_path / "plain.pt", recipe=recipe(), head="keep")


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"head": "keep"}, "name the fine-tuned checkpoint of the same task with --pretrained"),
        ({"head": "some"}, "'some' is not one of drop, keep"),
        ({"trunk": "t.pt", "pretrained": "e.pt"}, "'t.pt' is for the architecture hybrid"),
    ],
)
def test_choices_that_exclude_each_other_are_refused(chosen, words):
    with pytest.raises(ValueError, match=words):
        load_pretrained(network(), **{"pretrained": None, **chosen})
