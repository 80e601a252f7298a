"""A checkpoint is complete or absent, and an error names what does not fit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from scripts.checkpoints.file import (
    link_or_copy,
    load_checkpoint,
    load_weights,
    network_content,
    save_atomically,
)
from scripts.handlers.checkpoint_saver import changed_settings

ROOT = Path(__file__).parents[2]


def test_a_checkpoint_loads_without_running_code_and_carries_its_recipe(tmp_path):
    network = torch.nn.Linear(2, 3)
    recipe = {"_desc_": "a comment", "sizes": {"width": 4}, "crop": (6, 96, 96), "volumes": Path("v.h5"), "ratio": 0.9}
    save_atomically(network_content(network, recipe, 7), tmp_path / "sub" / "last.pt")
    content = torch.load(tmp_path / "sub" / "last.pt", weights_only=True)
    assert content["iteration"] == 7
    assert content["recipe"] == {"sizes": {"width": 4}, "crop": [6, 96, 96], "volumes": "v.h5", "ratio": 0.9}
    assert content["made_with"]["torch"] == torch.__version__
    assert f"{os.cpu_count()} cores" in content["made_with"]["machine"]
    assert os.listdir(tmp_path / "sub") == ["last.pt"]


NO_SPACE = """
import resource, sys, torch
from scripts.checkpoints.file import save_atomically
save_atomically({"weights": torch.zeros(10)}, sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    save_atomically({"weights": torch.ones(100_000)}, sys.argv[1])
except OSError as error:
    print(error)
"""


def test_without_space_the_last_good_checkpoint_survives_and_is_named(tmp_path):
    path = tmp_path / "last.pt"
    words = [sys.executable, "-c", NO_SPACE, str(path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"the last good checkpoint is {path}" in done.stdout
    assert "File too large" in done.stdout
    assert "--resume true" in done.stdout
    assert torch.load(path, weights_only=True)["weights"].tolist() == [0.0] * 10
    assert os.listdir(tmp_path) == ["last.pt"]


class Command:
    """Pickles as a call of `os.system`."""

    def __reduce__(self):
        return os.system, ("touch executed",)


def test_a_file_that_holds_code_is_named_so_and_nothing_of_it_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"network": Command()}, tmp_path / "hostile.pt")
    with pytest.raises(ValueError, match=r"hostile\.pt .*holds code.*nothing of it was run"):
        load_checkpoint(tmp_path / "hostile.pt")
    assert os.listdir(tmp_path) == ["hostile.pt"]


def test_a_file_that_is_no_checkpoint_is_reported(tmp_path):
    with pytest.raises(ValueError, match="there is no checkpoint"):
        load_checkpoint(tmp_path / "none.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.pt \(5 bytes\) cannot be read"):
        load_checkpoint(tmp_path / "text.pt")
    with h5py.File(tmp_path / "image.h5", "w") as file:
        file["raw"] = np.zeros(9)
    with pytest.raises(ValueError, match=r"of another program \(UnpicklingError: Weights only load failed\); use"):
        load_checkpoint(tmp_path / "image.h5")
    torch.save({"state": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"needs format, network and iteration, found \['state'\]"):
        load_checkpoint(tmp_path / "other.pt")


def test_plain_weights_and_what_lies_beside_them_read_as_a_checkpoint(tmp_path):
    weights = torch.nn.Linear(2, 3).state_dict()
    torch.save(weights, tmp_path / "model.pt")
    about = {"format": 1, "iteration": 7, "recipe": {"width": 3}}
    (tmp_path / "model.json").write_text(json.dumps(about))
    content = load_checkpoint(tmp_path / "model.pt")
    assert {name: content[name] for name in about} == about
    assert torch.equal(content["network"]["weight"], weights["weight"])


def test_weights_of_another_network_are_refused_whole():
    network = torch.nn.Linear(2, 3)
    before = network.weight.clone()
    with pytest.raises(ValueError, match=r"bias: \(4,\) there, \(3,\) wanted; weight: not there.*scale: \(1,\) there"):
        load_weights(network, {"bias": torch.zeros(4), "scale": torch.zeros(1)}, "x.pt")
    assert torch.equal(network.weight, before)


def test_a_second_name_outlives_the_first(tmp_path):
    (tmp_path / "last.pt").write_text("first")
    link_or_copy(tmp_path / "last.pt", tmp_path / "kept.pt")
    (tmp_path / "new").write_text("second")
    os.replace(tmp_path / "new", tmp_path / "last.pt")
    assert (tmp_path / "kept.pt").read_text() == "first"


def test_changed_settings_are_found_by_name():
    old = {"batch": 8, "sizes": {"width": 24}, "seed": 0}
    new = {"batch": 16, "sizes": {"width": 36}, "seed": 0, "clip": 1.0}
    assert changed_settings(old, new) == [("batch", 8, 16), ("clip", None, 1.0), ("sizes.width", 24, 36)]
