"""Checkpoints, a run folder and a prediction made before knobs and recipe were renamed are read as they were."""

import json
import os
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from monai.bundle import ConfigWorkflow

from scripts.checkpoints.file import load_checkpoint
from scripts.checkpoints.pretrained_encoder import load_pretrained_encoder
from scripts.checkpoints.recipe import upgraded_recipe
from scripts.networks import UNETR, Encoder, even_taps
from scripts.ops.decoding.decoders import decoder
from scripts.tools.cli import main
from scripts.tools.reporting.runs import read_run

MADE = Path(__file__).with_name("made_before")
AFFINITY = MADE / "affinity" / "checkpoints" / "best.pt"
EVALUATE = Path(__file__).parents[2] / "bundles" / "sem_neuron_affinity" / "configs" / "evaluate.json"


@pytest.fixture(autouse=True)
def _a_process_as_it_was(monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_an_earlier_recipe_gets_the_names_of_today_and_one_of_today_stays():
    recipe = load_checkpoint(AFFINITY)["recipe"]
    assert (recipe["unetr_decoder"], recipe["downsample"], recipe["architecture"]) == ("tiny", [1, 1, 1], "unetr")
    assert not {"decoder", "reduce"} & recipe.keys()
    assert upgraded_recipe(recipe) == recipe
    assert upgraded_recipe({"task": "affinity", "widths": [8], "patch": [1, 4, 4]}) == {
        **{"task": "affinity", "widths": [8], "patch": [1, 4, 4], "downsample": [1, 1, 1], "offsets": "nearest"},
        **{"architecture": "unetr", "unetr_form": "published", "trunk_sizes": None},
        **{"auxiliary_offsets": [], "auxiliary_descriptors": None},
    }


@pytest.mark.parametrize(
    ("recipe", "trunk", "norm"),
    [
        ({"trunk": "small", "trunk_sizes": {"fold": 2}}, "small", "group"),
        ({"trunk": "medium_batch", "trunk_sizes": {"fold": 2, "norm": "batch"}}, "medium", "batch"),
        ({"trunk": "own", "trunk_sizes": {"fold": 2, "norm": "batch"}}, "own", "batch"),
        ({"trunk": "small", "trunk_sizes": None}, "small", "group"),
        ({"trunk": 5}, 5, "group"),
    ],
)
def test_an_earlier_trunk_has_the_norm_of_its_sizes(recipe, trunk, norm):
    upgraded = upgraded_recipe({"task": "bcd", **recipe})
    assert (upgraded["trunk"], upgraded["trunk_norm"]) == (trunk, norm)
    assert upgraded_recipe(upgraded) == upgraded


def test_an_earlier_checkpoint_gets_the_scores_that_it_had(tmp_path, monkeypatch):
    monkeypatch.chdir(MADE.parents[2])
    volume = os.path.relpath(MADE / "cells.h5")
    workflow = ConfigWorkflow(
        str(EVALUATE),
        workflow_type="inference",
        logging_file=False,
        checkpoint=str(AFFINITY),
        volume=f"{volume}:raw",
        labels=f"{volume}:labels",
        box="14:20,0:32,0:40",
        precision="fp32",
        output_dir=str(tmp_path),
    )
    workflow.initialize()
    workflow.run()
    now, before = (
        {score["name"]: score["value"] for score in json.loads(file.read_text())["scores"]}
        for file in (tmp_path / "scores.json", MADE / "affinity" / "evaluation" / "scores.json")
    )
    assert {name: now[name] for name in before} == before


def test_an_earlier_encoder_is_loaded(capsys):
    network = UNETR(Encoder((1, 4, 4), 24, 2, 2), 3, even_taps(2, (1, 4, 4)), (8, 8, 8))
    transfer = load_pretrained_encoder(network, MADE / "pretrain" / "checkpoints" / "best.pt")
    assert transfer is not None
    assert not transfer.missing
    assert "encoder: from" in capsys.readouterr().out


def test_an_earlier_run_is_read_for_the_report():
    run = read_run(MADE / "affinity")
    assert run.recipe["unetr_decoder"] == "tiny"
    assert run.best_iteration is not None
    assert len(run.log) > 4
    assert run.test


def test_an_earlier_prediction_is_decoded_as_it_states(tmp_path):
    main(["decode", str(MADE / "affinities.h5"), f"--out={tmp_path}/instances.h5"])
    with h5py.File(MADE / "affinities.h5") as file, h5py.File(tmp_path / "instances.h5") as made:
        expected = decoder("agglomeration", {"threshold": 0.6})(file["prediction"][...])
        np.testing.assert_array_equal(made["labels"][...] > 0, expected > 0)
        assert len(np.unique(made["labels"][...])) == len(np.unique(expected))
