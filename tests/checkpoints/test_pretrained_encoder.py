"""A pre-trained encoder is loaded whole and reported, or the run stops; never a silent run from scratch."""

import pytest
import torch

from scripts.checkpoints.file import network_content, save_atomically
from scripts.checkpoints.pretrained_encoder import load_pretrained_encoder
from scripts.networks import UNETR, Encoder, MaskedAutoencoder, even_taps

PATCH = (1, 8, 8)
RECIPE = {
    "network": "demo",
    "sizes": {"width": 24, "depth": 3, "heads": 4, "decoder_width": 12},
    "patch": [1, 8, 8],
    "mask": "random",
    "mask_ratio": 0.9,
    "grey_low": None,
    "grey_high": None,
    "volumes": "synthetic",
}


def encoder(width=24, depth=3, heads=4, patch=PATCH) -> Encoder:
    return Encoder(patch, width, depth, heads)


def autoencoder(**sizes) -> MaskedAutoencoder:
    """With weights that no fresh network has: norms and biases moved too."""
    torch.manual_seed(5)
    network = MaskedAutoencoder(encoder(**sizes), 12, 1, 2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def unetr(**sizes) -> UNETR:
    torch.manual_seed(0)
    part = encoder(**sizes)
    return UNETR(part, 2, even_taps(part.depth, part.patch), (8, 8, 4, 4, 4))


def checkpoint(path, network, recipe=RECIPE):
    save_atomically(network_content(network, recipe, 1234), path)
    return str(path)


def image() -> torch.Tensor:
    return torch.randn(2, 1, 3, 16, 24, generator=torch.Generator().manual_seed(1))


def same_encoder(network, source) -> bool:
    return all(torch.equal(v, source.encoder.state_dict()[k]) for k, v in network.encoder.state_dict().items())


def test_tokens_after_transfer_equal_the_autoencoders_bit_for_bit(tmp_path):
    source, network = autoencoder().eval(), unetr().eval()
    report = load_pretrained_encoder(network, checkpoint(tmp_path / "best.pt", source))
    assert torch.equal(network.encoder(image()), source.encoder(image()))
    every = torch.arange(18).expand(2, -1)
    assert torch.equal(network.encoder(image()), source.encoder(image(), every))
    assert len(report.loaded) == len(network.encoder.state_dict())
    assert report.missing == report.unexpected == report.resized == ()


def test_every_block_gets_a_gradient_through_the_decoder_after_transfer(tmp_path):
    network = unetr()
    load_pretrained_encoder(network, checkpoint(tmp_path / "best.pt", autoencoder()))
    network(image()).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.encoder.parameters())


def test_what_was_loaded_and_left_out_is_printed_once(tmp_path, capsys):
    path = checkpoint(tmp_path / "best.pt", autoencoder())
    load_pretrained_encoder(unetr(), path)
    text = capsys.readouterr().out
    assert text.startswith(f"encoder: from {path} (1,234 iterations, network demo, token_mask random, mask_ratio 0.9")
    rows = {line.split()[0]: line for line in text.splitlines()[1:]}
    assert "40  patch_embedding.* (2), blocks.* (36), norm.* (2)" in rows["loaded"]
    assert rows["missing"].split() == ["missing", "0"]
    assert rows["resized"].split() == ["resized", "0"]
    for part in ("decoder_embedding.* (2)", "decoder_blocks.* (12)", "mask_token", "head.* (2)"):
        assert part in text.splitlines()[-1]
    load_pretrained_encoder(unetr(), path, rank=1)
    assert capsys.readouterr().out == ""


def test_no_file_means_scratch_and_is_reported(capsys):
    network = unetr()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    assert load_pretrained_encoder(network, None, recipe={"seed": 3}) is None
    assert capsys.readouterr().out == "encoder: from scratch (seed 3)\n"
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


@pytest.mark.parametrize("prefix", ["encoder.", "", "module.encoder.", "module.", "module._orig_mod.encoder."])
def test_a_bare_state_dict_is_read_under_every_prefix(tmp_path, prefix, capsys):
    source, network = autoencoder(), unetr()
    torch.save({prefix + k: v for k, v in source.encoder.state_dict().items()}, tmp_path / "bare.pt")
    load_pretrained_encoder(network, tmp_path / "bare.pt")
    assert same_encoder(network, source)
    assert "4 heads cannot be checked" in capsys.readouterr().out


def test_a_bare_encoder_with_unknown_keys_beside_it_names_them(tmp_path):
    weights = autoencoder().encoder.state_dict() | {"classifier.weight": torch.zeros(2, 24)}
    torch.save(weights, tmp_path / "bare.pt")
    assert load_pretrained_encoder(unetr(), tmp_path / "bare.pt").unexpected == ("classifier.weight",)


def test_a_fine_tuned_checkpoint_gives_its_encoder_and_leaves_the_decoder_as_it_is(tmp_path):
    source, network = unetr(), unetr()
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.add_(1)
    decoder = network.head[0][0].weight.clone()
    report = load_pretrained_encoder(network, checkpoint(tmp_path / "best.pt", source))
    assert same_encoder(network, source)
    assert torch.equal(network.head[0][0].weight, decoder)
    assert {name.split(".")[0] for name in report.left_out} == {"rise", "tap_paths", "joins", "image_path", "head"}


def test_other_grey_values_are_reported(tmp_path, capsys):
    path = checkpoint(tmp_path / "best.pt", autoencoder(), RECIPE | {"grey_high": 4095})
    load_pretrained_encoder(unetr(), path, recipe={"grey_low": None, "grey_high": 255})
    text = capsys.readouterr().out
    assert "grey_high is 255 here, 4095 in pre-training" in text
    assert "grey_low" not in text


@pytest.mark.parametrize(
    ("there", "here", "words"),
    [
        ({"downsample": [1, 1, 1]}, [1, 2, 2], "downsample is [1, 2, 2] here, [1, 1, 1] in pre-training"),
        ({}, [1, 2, 2], "downsample is [1, 2, 2] here, [1, 1, 1] in pre-training"),
        ({"downsample": [1, 2, 2]}, (1, 2, 2), ""),
        ({}, [1, 1, 1], ""),
    ],
)
def test_voxels_of_another_size_are_reported(tmp_path, capsys, there, here, words):
    path = checkpoint(tmp_path / "best.pt", autoencoder(), RECIPE | there)
    load_pretrained_encoder(unetr(), path, recipe={"downsample": here})
    text = capsys.readouterr().out
    assert words in text
    assert ("downsample" in text) == bool(words)


def test_an_encoder_of_another_shape_stops_the_run_and_names_the_knobs(tmp_path, capsys):
    path = checkpoint(tmp_path / "best.pt", autoencoder(width=36), RECIPE | {"sizes": {"width": 36, "heads": 4}})
    network = unetr()
    before = network.encoder.norm.weight.clone()
    with pytest.raises(ValueError, match=r"of another encoder") as error:
        load_pretrained_encoder(network, path)
    text = str(error.value)
    assert '--network demo --patch "[1,8,8]"' in text
    assert "resized" in text
    assert "width 36" in text
    assert torch.equal(network.encoder.norm.weight, before)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("depths", [(2, 3), (4, 3)])
def test_an_encoder_of_another_depth_stops_the_run(tmp_path, depths):
    there, here = depths
    path = checkpoint(tmp_path / "best.pt", autoencoder(depth=there))
    with pytest.raises(ValueError, match=r"blocks\.\* \(12\)"):
        load_pretrained_encoder(unetr(depth=here), path)


def test_other_heads_stop_the_run_though_the_shapes_agree(tmp_path):
    path = checkpoint(tmp_path / "best.pt", autoencoder())
    with pytest.raises(ValueError, match=r"4 attention heads, the network 2.*--network demo"):
        load_pretrained_encoder(unetr(heads=2), path)


def test_another_patch_stops_the_run(tmp_path):
    path = checkpoint(tmp_path / "best.pt", autoencoder())
    with pytest.raises(ValueError, match=r"its patch is \[1, 8, 8\], the network's \[1, 4, 4\]") as error:
        load_pretrained_encoder(unetr(patch=(1, 4, 4)), path)
    assert "patch_embedding.weight: (24, 1, 1, 8, 8) there, (24, 1, 1, 4, 4) wanted" in str(error.value)


@pytest.mark.parametrize("lost", ["norm.weight", "patch_embedding.bias", "blocks.1.attention.qkv.weight"])
def test_one_missing_weight_stops_the_run(tmp_path, lost):
    weights = autoencoder().state_dict()
    del weights[f"encoder.{lost}"]
    torch.save(weights, tmp_path / "cut.pt")
    with pytest.raises(ValueError, match=f"missing +1  {lost}") as error:
        load_pretrained_encoder(unetr(), tmp_path / "cut.pt")
    assert "no recipe" in str(error.value)


def test_weights_that_are_not_finite_stop_the_run(tmp_path):
    source = autoencoder()
    source.encoder.norm.bias.data[0] = float("nan")
    with pytest.raises(ValueError, match=r"not finite: norm\.bias"):
        load_pretrained_encoder(unetr(), checkpoint(tmp_path / "best.pt", source))


def test_a_file_without_an_encoder_stops_the_run(tmp_path):
    torch.save(torch.nn.Linear(2, 3).state_dict(), tmp_path / "linear.pt")
    with pytest.raises(ValueError, match=r"holds no encoder.*weight; bias"):
        load_pretrained_encoder(unetr(), tmp_path / "linear.pt")
    torch.save({"encoder.conv1.weight": torch.zeros(1)}, tmp_path / "cnn.pt")
    with pytest.raises(ValueError, match="holds no encoder"):
        load_pretrained_encoder(unetr(), tmp_path / "cnn.pt")
    checkpoint(tmp_path / "other.pt", torch.nn.Linear(2, 3))
    with pytest.raises(ValueError, match="holds no encoder"):
        load_pretrained_encoder(unetr(), tmp_path / "other.pt")


def test_a_file_that_is_none_or_damaged_stops_the_run(tmp_path):
    with pytest.raises(ValueError, match=r"none\.pt' does not exist.*from scratch"):
        load_pretrained_encoder(unetr(), tmp_path / "none.pt")
    with pytest.raises(ValueError, match="is a folder"):
        load_pretrained_encoder(unetr(), tmp_path)
    path = checkpoint(tmp_path / "checkpoints" / "best.pt", autoencoder())
    with pytest.raises(ValueError, match=r"is a folder: name the checkpoint in it, .*best\.pt"):
        load_pretrained_encoder(unetr(), tmp_path)
    whole = (tmp_path / "checkpoints" / "best.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"cut\.pt' .* cannot be read: it is cut off"):
        load_pretrained_encoder(unetr(), tmp_path / "cut.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(ValueError, match="cannot be read"):
        load_pretrained_encoder(unetr(), tmp_path / "text.pt")
    assert path


@pytest.mark.parametrize("content", [{}, [1, 2], torch.zeros(3), {"epoch": 3, "state": {}}])
def test_a_file_of_something_else_stops_the_run(tmp_path, content):
    torch.save(content, tmp_path / "else.pt")
    with pytest.raises(ValueError, match=r"holds no weights by name|neither a checkpoint"):
        load_pretrained_encoder(unetr(), tmp_path / "else.pt")


def test_a_network_without_an_encoder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Linear has no `encoder`"):
        load_pretrained_encoder(torch.nn.Linear(2, 2), checkpoint(tmp_path / "best.pt", autoencoder()))
