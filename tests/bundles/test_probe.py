"""A probe compares pre-trainings with their untrained twins and with grey values, and refuses what it cannot read."""

import json

import numpy as np
import pytest
import torch

from scripts.checkpoints.file import network_content, save_atomically
from scripts.checkpoints.probed_networks import probed_networks
from scripts.networks import pretraining_network, segmentation_network
from tests.bundles.conftest import BUNDLE, config, run_workflow

SIZES = {"width": 24, "depth": 1, "heads": 2, "decoder_width": 12, "decoder_depth": 1, "decoder_heads": 2}
TRUNK = {"widths": [8, 8], "forms": ["23", "23"], "fold": 2}
MODEL = BUNDLE / "configs" / "model.json"


def saved(path, architecture="mae", patch=(1, 4, 4)):
    """A checkpoint of a pre-training as its first step leaves it."""
    torch.manual_seed(3)
    recipe = {"architecture": architecture, "network": "tiny", "patch": list(patch), "crop": [4, 16, 16]}
    recipe |= {"sizes": SIZES, "trunk_sizes": TRUNK, "token_mask": "random", "mask_ratio": 0.5}
    network = pretraining_network(architecture, patch, SIZES, TRUNK)
    save_atomically(network_content(network, recipe, 0), path)
    return str(path)


@pytest.fixture
def probe(labelled, tmp_path):
    def run(**options):
        source = {"volumes": f"{labelled}:raw", "labels": f"{labelled}:labels", "output_dir": str(tmp_path / "probe")}
        boxes = {"train_box": "0:12,:,:", "validation_box": "14:20,:,:"}
        run_workflow([config("probe")], **{**source, **boxes, **options})
        return json.loads((tmp_path / "probe" / "probe.json").read_text())

    return run


def test_encoders_and_trunks_are_scored_beside_their_baselines(probe, tmp_path):
    architectures = {"mae": "tiny", "residual_unet": "residual_unet", "hybrid": "hybrid"}
    checkpoints = [saved(tmp_path / f"{architecture}.pt", architecture) for architecture in architectures]
    scores = probe(checkpoints=checkpoints)["scores"]
    rows = [(row["tokens"], row["readout"]) for row in scores]
    names = ["grey mean and deviation, 1x4x4", "grey voxels, 1x4x4"]
    for path, kind in zip(checkpoints, architectures.values(), strict=True):
        names += [f"untrained {kind}, 1x4x4", path]
    assert rows == [(name, readout) for name in names for readout in ("linear", "perceptron")]
    found = {(row["tokens"], row["readout"]): row["r2"] for row in scores}
    assert found["grey voxels, 1x4x4", "linear"]["object"] > 0.5  # cells are bright, their borders dark
    assert set(scores[0]["r2"]) == set(scores[0]["auc"]) == {"affinity z", "affinity y", "affinity x", "object"}
    table = (tmp_path / "probe" / "probe.md").read_text()
    assert f"| {checkpoints[1]} | perceptron | " in table
    assert "R2: 1 - squared error" in table


def test_an_untrained_network_has_the_sizes_and_other_weights_and_repeats_its_seed(tmp_path):
    path = saved(tmp_path / "mae.pt")
    *_, untrained, trained = probed_networks(path, MODEL, seed=1)
    again = probed_networks(path, MODEL, seed=1)[-2]
    image = torch.randn(1, 1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        first, second, repeated = (network.features(image) for network in (untrained, trained, again))
    assert first.shape == second.shape == (1, 64, 24)
    assert not torch.allclose(first, second)
    assert torch.equal(first, repeated)


def test_a_trunk_has_a_token_for_each_position_of_its_coarsest_level(tmp_path):
    trunk = probed_networks(saved(tmp_path / "trunk.pt", "residual_unet", patch=(1, 8, 8)), MODEL)[-1]
    assert trunk.features.patch == (1, 4, 4)
    image = torch.randn(1, 1, 2, 8, 12, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = trunk.features(image)
        network = trunk.features.network.trunk
        levels = network.descend(image)
        coarsest = network.coarsest(torch.nn.functional.max_pool3d(levels[-1], (1, 2, 2)))
    assert found.shape == (1, 2 * 2 * 3, 8)
    np.testing.assert_array_equal(found[0, 4], coarsest[0, :, 0, 1, 1])


def test_boxes_that_overlap_and_earlier_results_are_refused(probe, tmp_path):
    path = saved(tmp_path / "mae.pt")
    with pytest.raises(RuntimeError) as error:
        probe(checkpoints=path, train_box="0:16,:,:")
    assert "overlaps training box" in str(error.value.__cause__)
    (tmp_path / "probe").mkdir()
    (tmp_path / "probe" / "probe.json").write_text("{}")
    with pytest.raises(RuntimeError) as error:
        probe(checkpoints=path)
    assert "probe.json exists" in str(error.value.__cause__)


def test_a_volume_without_labels_is_refused(probe, tmp_path, volume):
    with pytest.raises(RuntimeError) as error:
        probe(checkpoints=saved(tmp_path / "mae.pt"), volumes=str(volume), labels=None)
    assert "labels" in str(error.value.__cause__)
    assert not (tmp_path / "probe").exists()


def test_checkpoints_that_are_no_pretraining_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"there is no checkpoint 'none\.pt'; name the best\.pt of a pre-training"):
        probed_networks("none.pt", MODEL)
    network = segmentation_network("residual_unet", 3, {"patch": [1, 4, 4]}, (), TRUNK)
    save_atomically(network_content(network, {"task": "affinity", "trunk_sizes": TRUNK}, 0), tmp_path / "affinity.pt")
    with pytest.raises(
        ValueError, match="is the checkpoint of 'affinity': a probe reads the encoders of pre-trainings"
    ):
        probed_networks(tmp_path / "affinity.pt", MODEL)
    saved(tmp_path / "mae.pt")
    content = torch.load(tmp_path / "mae.pt", weights_only=True)
    content["network"] = {name: value for name, value in content["network"].items() if "encoder." not in name}
    save_atomically(content, tmp_path / "mae.pt")
    with pytest.raises(ValueError, match=r"mae\.pt .* encoder\.patch_embedding\.weight: not there"):
        probed_networks(tmp_path / "mae.pt", MODEL)
