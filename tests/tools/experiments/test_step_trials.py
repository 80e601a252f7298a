"""What only a run's own config can refuse is refused before the first run: settings together, and its start."""

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from scripts.tools.experiments.conditions import label_budget, recipe
from scripts.tools.experiments.grids import Experiment
from scripts.tools.experiments.step_trials import try_trainings

PRETRAINED = {"network": "demo", "trunk": "demo", "patch": [1, 8, 8], "crop": [5, 32, 32]}
SMALL = {**PRETRAINED, "window": [5, 32, 32], "stride": [3, 24, 24], "pad": [1, 4, 4]}


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[3])  # an experiment starts in the root of the repository
    generator = np.random.default_rng(0)
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["raw"] = generator.integers(0, 255, (20, 64, 64), np.uint8)
        file["labels"] = generator.integers(1, 5, (20, 64, 64), np.uint32)
    (tmp_path / "small.json").write_text(json.dumps(SMALL))
    (tmp_path / "small_pre.json").write_text(json.dumps(PRETRAINED))
    return Experiment(
        out=tmp_path / "out",
        bundle="sem_neuron_affinity",
        bundles=Path("bundles"),
        volumes=f"{tmp_path / 'v.h5'}:raw",
        labels=f"{tmp_path / 'v.h5'}:labels",
        boxes={"train_box": "0:10,:,:", "validation_box": "10:15,:,:", "test_box": "15:20,:,:"},
        seeds=(0, 1),
        configs=(str(tmp_path / "small.json"),),
        pretrain_configs=(str(tmp_path / "small_pre.json"),),
    )


def test_a_grid_that_can_run_passes_and_leaves_nothing(experiment, tmp_path):
    methods = [name + start for name in ("unetr", "residual_unet", "hybrid") for start in ("", "+pretrained")]
    before = sorted(tmp_path.rglob("*"))
    try_trainings(replace(experiment, conditions=label_budget(("2", "4"), methods)).steps())
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("crop=[5,36,36]", r"residual_unet_crop=\[5,36,36\]_seed0: crop \[5, 36, 36\]: 36 along y is no multiple"),
        ("freeze=9", "residual_unet_freeze=9_seed0: freeze 9: a residual_unet has no encoder to freeze"),
        ("layer_decay=0.5", "residual_unet_layer_decay=0.5_seed0: .*where the architecture has no encoder"),
        ("crop=[12,32,32]", r"residual_unet_crop=\[12,32,32\]_seed0: .*crop"),
        ("stride=[6,24,24]", r"residual_unet_stride=\[6,24,24\]_seed0: .*stride"),
    ],
)
def test_settings_that_exclude_each_other_name_their_step(experiment, value, message):
    with pytest.raises(ValueError, match=message):
        try_trainings(replace(experiment, conditions=recipe(("base", value), ("residual_unet",))).steps())


@pytest.mark.parametrize("method", ["unetr+pretrained", "residual_unet+pretrained"])
def test_a_fine_tuning_of_another_size_than_its_pretraining_is_refused(experiment, method, tmp_path):
    (tmp_path / "small_pre.json").write_text(json.dumps({**PRETRAINED, "network": "small", "trunk": "small"}))
    with pytest.raises(
        ValueError, match=rf"^{method.replace('+', '.')}_2_sections_seed0: --pretrained '.*/out/pretrain/"
    ):
        try_trainings(replace(experiment, conditions=label_budget(("2",), (method,))).steps())


def test_an_optimizer_that_a_pretraining_cannot_have_is_refused(experiment, tmp_path):
    (tmp_path / "small_pre.json").write_text(json.dumps({**PRETRAINED, "optimizer_name": "muon"}))
    with pytest.raises(ValueError, match=r"^pretrain_residual_unet_seed0: .*use --optimizer_name adamw"):
        try_trainings(replace(experiment, conditions=label_budget(("2",), ("residual_unet+pretrained",))).steps())


def test_a_given_checkpoint_of_another_network_is_refused(experiment):
    given = replace(
        experiment,
        conditions=label_budget(("2",), ("residual_unet+pretrained",)),
        pretrained={"residual_unet": "bundles/sem_mae_pretrain/models/trunk.pt"},
    )
    with pytest.raises(ValueError, match=r"trunk\.pt' is of another architecture or of other sizes"):
        try_trainings(given.steps())
