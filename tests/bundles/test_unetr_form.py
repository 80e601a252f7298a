"""The UNETR with a residual decoder trains, resumes, evaluates, predicts, loads and exports by its recipe."""

import json

import h5py
import numpy as np
import pytest
import torch

from scripts.checkpoints.file import load_checkpoint
from scripts.networks import UNETR, ResidualUNETR
from scripts.tools.packaging.weights import read_weights
from scripts.workflow.segmentation_model import load_network
from scripts.workflow.short_errors import error_text, root_cause
from tests.bundles.conftest import AFFINITY, SEGMENTATIONS, config, losses, run_workflow

RESIDUAL = {"unetr_form": "residual"}


def test_the_published_form_is_the_default(fine_tune):
    best = fine_tune(iterations=2) / "checkpoints" / "best.pt"
    assert load_checkpoint(best)["recipe"]["unetr_form"] == "published"
    assert isinstance(load_network(best, "cpu").network.network, UNETR)


@pytest.mark.parametrize("bundle", SEGMENTATIONS, ids=lambda path: path.name)
def test_it_trains_evaluates_and_predicts_from_its_checkpoint(fine_tune, labelled, tmp_path, bundle):
    best = fine_tune(bundle=bundle, iterations=2, **RESIDUAL) / "checkpoints" / "best.pt"
    assert load_checkpoint(best)["recipe"]["unetr_form"] == "residual"
    common = {"workflow_type": "inference", "checkpoint": str(best)}
    folder, maps = tmp_path / "evaluation", tmp_path / "maps.h5"
    run_workflow([config("evaluate", bundle)], box="14:20,0:32,0:40", output_dir=str(folder), **common)
    assert json.loads((folder / "scores.json").read_text())
    alike = {"flips": 1, "context": "box", "precision": "fp32"}
    box = {"volume": f"{labelled}:raw", "box": "14:18,:,:", "out": str(maps)}
    run_workflow([config("inference", bundle)], **common, **box, **alike)
    with h5py.File(labelled) as file:
        model, volume = load_network(best, "cpu"), file["raw"][...]
    with h5py.File(maps) as file:
        np.testing.assert_allclose(
            file["prediction"][...], model.predict(volume, "14:18,:,:", flips=1), rtol=0, atol=5e-3
        )
    image = torch.randn(1, 1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    assert isinstance(model.network.network, ResidualUNETR)
    torch.testing.assert_close(torch.jit.script(model.network)(image), model.network(image), atol=1e-5, rtol=1e-5)


def test_a_resumed_run_ends_as_an_uninterrupted_one_to_the_bit(fine_tune, tmp_path):
    whole = fine_tune(output_dir=tmp_path / "whole", **RESIDUAL)
    end, log = load_checkpoint(whole / "checkpoints" / "last.pt")["network"], losses(whole)
    (whole / "checkpoints" / "iteration_0000002.pt").replace(whole / "checkpoints" / "last.pt")
    fine_tune(output_dir=whole, resume=True, **RESIDUAL)
    assert losses(whole) == log
    after = load_checkpoint(whole / "checkpoints" / "last.pt")["network"]
    assert all(torch.equal(after[name], value) for name, value in end.items())


def test_it_takes_a_pre_trained_encoder_and_packaged_weights_leave_auxiliary_channels_out(fine_tune, pretrained):
    changed = {"auxiliary_offsets": [[-2, 0, 0]], "pretrained": str(pretrained), "freeze": 2, "iterations": 2}
    folder = fine_tune(bundle=AFFINITY, **RESIDUAL, **changed)
    given = load_checkpoint(pretrained)["network"]
    weights = read_weights(folder / "checkpoints" / "best.pt")
    encoder = [name for name in weights.state if name.startswith("encoder.")]
    assert encoder
    assert all(torch.equal(weights.state[name], given[name]) for name in encoder)
    assert weights.about["recipe"]["unetr_form"] == "residual"
    assert weights.state["trunk.head.bias"].shape == (3 * 4,)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"unetr_form": "convolutional"}, "--unetr_form 'convolutional' is not one of published, residual"),
        ({"patch": [2, 4, 4], **RESIDUAL}, "patch (2, 4, 4) (z, y, x): a residual UNETR takes patches of one section"),
    ],
    ids=["form", "patch"],
)
def test_what_cannot_be_is_reported_before_anything_is_written(fine_tune, tmp_path, changed, words):
    with pytest.raises((RuntimeError, ValueError)) as caught:
        fine_tune(**changed)
    assert words in error_text(root_cause(caught.value))
    assert not (tmp_path / "run").exists()
