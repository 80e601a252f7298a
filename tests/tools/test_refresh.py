"""`refresh` writes a checkpoint with the averages of another volume, which loads as any other."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import scripts
from scripts.checkpoints.file import load_checkpoint
from scripts.networks import ResidualUNet
from scripts.tools.refresh import refresh

SHIPPED = Path(__file__).parents[2] / "bundles" / "sem_neuron_affinity" / "models" / "model.pt"
TRUNK = {"widths": [4, 6, 8, 8], "forms": ["23", "23", "23", "23"], "fold": 2, "norm": "batch"}
ONE_WINDOW = {"window": (4, 32, 32), "stride": (4, 32, 32), "pad": (0, 0, 0), "flips": 1}


@pytest.fixture
def trained(tmp_path):
    content = load_checkpoint(SHIPPED)
    torch.manual_seed(0)
    network = ResidualUNet(len(content["recipe"]["activations"]), **TRUNK)
    windows = {"window": [4, 32, 32], "stride": [4, 32, 32], "pad": [0, 0, 0]}
    recipe = {**content["recipe"], "trunk_sizes": TRUNK, **windows}
    torch.save({**content, "network": network.state_dict(), "recipe": recipe}, tmp_path / "best.pt")
    image = np.random.default_rng(0).integers(40, 90, (8, 64, 64), dtype=np.uint8)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["raw"] = image
    return tmp_path, image


def test_the_new_checkpoint_predicts_as_the_refreshed_network(trained):
    folder, image = trained
    before = (folder / "best.pt").read_bytes()
    message = refresh(str(folder / "best.pt"), f"{folder}/other.h5:raw", out=str(folder / "other.pt"), box="0:8,0:32,:")
    assert "box 0:8,0:32,0:64" in message
    network = scripts.load_network(folder / "best.pt", device="cpu")
    old = network.predict(image, **ONE_WINDOW)
    network.refresh(image, "0:8,0:32,:")
    expected = network.predict(image, **ONE_WINDOW)
    found = scripts.load_network(folder / "other.pt", device="cpu")
    assert np.array_equal(found.predict(image, **ONE_WINDOW), expected)
    assert np.abs(expected - old).max() > 0.05
    assert found.recipe["norms_of"].endswith("other.h5:raw 0:8,0:32,0:64")
    assert (folder / "best.pt").read_bytes() == before


def test_an_existing_file_and_a_network_of_group_norm_are_refused(trained):
    folder, _ = trained
    taken = folder / "taken.pt"
    taken.write_text("mine")
    with pytest.raises(FileExistsError, match=r"taken\.pt' exists; use another --out, or --overwrite"):
        refresh(str(folder / "best.pt"), f"{folder}/other.h5:raw", out=str(taken))
    assert taken.read_text() == "mine"
    with pytest.raises(ValueError, match="the network has no batch norm"):
        refresh(str(SHIPPED), f"{folder}/other.h5:raw", out=str(folder / "none.pt"))
    assert not (folder / "none.pt").exists()
