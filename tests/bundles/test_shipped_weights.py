"""The small networks of the bundles load as `inference.json` loads them, and segment a volume not trained on."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow

from scripts.checkpoints.file import load_checkpoint
from scripts.data.synthetic import synthesize_volume

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(path.parents[1].name for path in ROOT.glob("bundles/*/models/model.pt"))
MARGIN = 1.3
"""Least ratio of affinities inside objects to those at their borders."""


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    """A drawn volume, in a file as a lab has it."""
    made = synthesize_volume(shape=(12, 128, 128), seed=11)
    path = tmp_path_factory.mktemp("volume") / "volume.h5"
    with h5py.File(path, "w") as file:
        file["raw"], file["labels"] = made.image, made.labels
    return path


def run_inference(bundle, **options):
    """Run `inference.json` of a bundle, with no checkpoint named, as MONAI does."""
    parser = ConfigParser()
    parser.read_config(str(ROOT / "bundles" / bundle / "configs" / "inference.json"))
    parser.update({"bundle_root": str(ROOT / "bundles" / bundle), **options})
    for step in ("imports", "initialize", "run"):
        parser.get_parsed_content(step)
    return parser


@pytest.mark.parametrize("weights", sorted(ROOT.glob("bundles/*/models/*.pt")), ids=lambda path: path.stem)
def test_every_file_of_weights_is_described_in_the_card_and_the_licence(weights):
    name, docs = f"models/{weights.name}", weights.parents[1] / "docs"
    for page in ("README.md", "data_license.txt"):
        assert name in (docs / page).read_text(encoding="utf-8")
    assert weights.stat().st_size < 20 * 2**20
    assert not str(load_checkpoint(weights)["recipe"]["volumes"]).startswith("synthetic")


def test_every_bundle_comes_with_a_network():
    assert {"sem_mae_pretrain", "sem_neuron_affinity", "sem_neuron_bcd", "sem_mito_bc"} == set(SHIPPED)


@pytest.mark.parametrize("bundle", SHIPPED)
def test_weights_are_small_and_state_what_they_were_trained_on(bundle):
    weights = ROOT / "bundles" / bundle / "models" / "model.pt"
    assert weights.stat().st_size < 20 * 2**20
    recipe = load_checkpoint(weights)["recipe"]
    volume = Path(str(recipe["volumes"]).split(":")[0]).stem
    assert volume != "synthetic"
    licence = (ROOT / "bundles" / bundle / "docs" / "data_license.txt").read_text(encoding="utf-8")
    assert "models/model.pt was trained on" in licence
    assert "Limits" in (ROOT / "bundles" / bundle / "docs" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("bundle", ["sem_neuron_affinity", "sem_neuron_bcd", "sem_mito_bc"])
def test_the_pre_trained_trunk_starts_the_residual_unet_of_every_task(bundle, tmp_path):
    configs = ROOT / "bundles" / bundle / "configs"
    trunk = ROOT / "bundles" / "sem_mae_pretrain" / "models" / "trunk.pt"
    files = [str(configs / name) for name in ("train.json", "residual_unet.json")]
    parser = ConfigWorkflow(files, logging_file=False, pretrained=str(trunk), output_dir=str(tmp_path)).parser
    parser.get_parsed_content("pretrained_encoder")
    started = parser.get_parsed_content("network_on_device").state_dict()
    given = {name.removeprefix("trunk."): value for name, value in load_checkpoint(trunk)["network"].items()}
    same = {name for name, value in given.items() if torch.equal(started[name].cpu(), value)}
    assert given.keys() - same == {"head.weight", "head.bias"}


def test_the_encoder_fills_hidden_tokens_better_than_their_means(volume, tmp_path, capsys):
    run_inference("sem_mae_pretrain", volume=f"{volume}:raw", box=":,:,:", out=str(tmp_path / "filled.h5"))
    line = next(line for line in capsys.readouterr().out.splitlines() if "units of each token" in line)
    assert float(line.split("deviation")[1].split()[0]) < 0.97, line


def test_the_affinity_network_separates_borders_from_insides(volume, tmp_path):
    out = tmp_path / "affinities.h5"
    windows = {"stride": [6, 32, 32], "pad": [0, 0, 0], "flips": 1}
    run_inference(
        "sem_neuron_affinity", volume=f"{volume}:raw", box="0:6,:,:", out=str(out), dtype="float32", **windows
    )
    with h5py.File(out) as file, h5py.File(volume) as truth:
        affinities, labels = file["prediction"][...], truth["labels"][:6]
    for channel, axis in ((1, 1), (2, 2)):
        here, before = np.moveaxis(labels, axis, 0)[1:], np.moveaxis(labels, axis, 0)[:-1]
        along = np.moveaxis(affinities[channel], axis, 0)[1:]
        inside = along[(here == before) & (here > 0)].mean()
        assert inside > MARGIN * along[here != before].mean()


def test_a_volume_of_larger_voxels_is_segmented_better_when_it_is_enlarged(volume, tmp_path):
    with h5py.File(volume) as file:
        grey, labels = file["raw"][:6], file["labels"][:6, 1::2, 1::2]
    coarse = grey.reshape(6, 64, 2, 64, 2).mean(axis=(2, 4)).astype(np.uint8)
    with h5py.File(tmp_path / "coarse.h5", "w") as file:
        file["raw"] = coarse
    margins = []
    for factor in (1, 2):
        out = tmp_path / f"affinities{factor}.h5"
        windows = {"window": [6, 64, 64], "stride": [6, 64, 64], "pad": [0, 0, 0], "flips": 1, "enlarge": factor}
        run_inference(
            "sem_neuron_affinity", volume=f"{tmp_path}/coarse.h5:raw", out=str(out), dtype="float32", **windows
        )
        with h5py.File(out) as file:
            along_x = file["prediction"][2, :, :, 1:]
        here, before = labels[..., 1:], labels[..., :-1]
        margins.append(along_x[(here == before) & (here > 0)].mean() / along_x[here != before].mean())
    assert margins[1] > 1.1 * margins[0]
