"""A fine-tuning reports its plan, refuses impossible settings, and ends with pictures, scores and a table."""

import json

import numpy as np
import pytest
import torch
from ignite.engine import Events
from PIL import Image

from scripts.checkpoints import RunFolder
from scripts.checkpoints.file import load_checkpoint
from scripts.handlers import BoxPicture
from scripts.metrics import DecoderSearch
from scripts.networks import UNETR, Encoder, MaskedTrunk, ResidualUNet
from scripts.workflow import print_segmentation_summary, write_segmentation_results
from scripts.workflow.run_summary import fine_tuning_seconds, network_text, pretraining_seconds
from tests.tiny_segmentation import KEY, Run


def finished(run):
    """A run with its picture, trained and brought to its end."""
    picture = BoxPicture(run.decoder_search, ["sigmoid"] * 3)
    picture.attach(run.evaluator)
    run.train()
    write_segmentation_results(run.folder, run.validation, picture, run.recipe)


def test_a_run_ends_with_pictures_scores_of_the_best_and_a_table(tmp_path, capsys):
    run = Run(tmp_path / "run", iterations=8, interval=2)
    finished(run)
    printed = capsys.readouterr().out
    best = load_checkpoint(run.folder.best)
    at, error = best["iteration"], best["scores"][f"val_{KEY}"]
    for words in (
        "training loss, iteration 1 ",
        "bce, iteration 8",
        "validation loss, iteration 0",
        f"{KEY}, iteration 0",
        f"best {KEY}, iteration {at} ",
        f"{error:.4f} (lower is better)",
        "voi_split",
        f"agglomeration (dust 0, size 10, low 0.3, threshold {best['decoder']['settings']['threshold']})",
        "samples/s",
        "segmentation.png",
        "best.pt",
    ):
        assert words in printed, words
    assert "stopped after" not in printed
    for name in ("curve.png", "segmentation.png"):
        assert np.asarray(Image.open(run.folder.path / name)).std() > 5
    written = json.loads((run.folder.path / "scores.json").read_text())
    assert written["iteration"] == at
    assert written["decoder"] == best["decoder"]
    by_name = {score["name"]: score for score in written["scores"]}
    assert by_name[KEY]["value"] == error
    assert "SNEMI3D arithmetic" in by_name[KEY]["definition"]
    assert "val_loss" not in by_name
    assert by_name["gt_objects"]["value"] == 16
    assert isinstance(by_name["gt_objects"]["value"], int)
    assert f"iteration {at}, agglomeration (" in (run.folder.path / "scores.md").read_text()


def test_a_run_that_was_stopped_is_marked_and_one_without_validation_has_no_scores(tmp_path, capsys):
    run = Run(tmp_path / "run", iterations=4, interval=3, untrained=False)
    run.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=1), lambda engine: engine.terminate())
    finished(run)
    printed = capsys.readouterr().out
    assert "stopped after iteration 1 of 4" in printed
    assert "none yet" in printed
    assert not (run.folder.path / "scores.json").exists()
    assert (run.folder.path / "curve.png").exists()
    assert not (run.folder.path / "segmentation.png").exists()


def test_what_instances_are_scored_against_is_written_as_it_was_scored():
    decoder_search = DecoderSearch("zwatershed", KEY, zero="unlabelled")
    (score,) = decoder_search.described({"ap50_accuracy": 0.5, "loss": 1.0})
    assert score.value == 0.5
    assert "voxels on gt 0 left out" in score.definition


SETTINGS = {
    "network": "tiny",
    "unetr_decoder": "light",
    "crop": [2, 16, 16],
    "patch": [1, 8, 8],
    "pretrained": None,
    "freeze": 0,
    "seed": 5,
    "batch": 4,
    "iterations": 100,
    "warm_up": 5,
    "lr": 5e-4,
    "layer_decay": 0.65,
    "precision": "fp32",
}


def test_the_first_lines_state_what_where_from_how_long_and_how_to_stop(tmp_path, capsys):
    network = UNETR(Encoder((1, 8, 8), 24, 3, 2, drop_path=0.5), 3, [1, 2, 3], (16, 8, 8, 4))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    sample = {"image": torch.zeros(1, 2, 16, 16), "target": torch.zeros(3, 2, 16, 16)}
    settings, state = SETTINGS | {"pretrained": "runs/best.pt", "freeze": 1000}, torch.get_rng_state()
    for rank, each in ((0, SETTINGS), (0, settings), (1, settings)):
        print_segmentation_summary(
            "cells.h5, box 0:4",
            "cells.h5:labels: 2 sections (0-1)",
            "cells.h5, box 4:8",
            RunFolder(tmp_path / "run"),
            network,
            sample,
            torch.device("cpu"),
            each,
            validation="every 50 iterations, by adapted_rand_snemi3d",
            rank=rank,
        )
    printed = capsys.readouterr().out
    for words in (
        "trains on   cells.h5, box 0:4",
        "labels      cells.h5:labels: 2 sections (0-1)",
        "validates   cells.h5, box 4:8\n            every 50 iterations, by adapted_rand_snemi3d",
        "tiny encoder, light decoder, ",
        "k parameters, 3 output channels",
        "encoder     from scratch, seed 5\n",
        "encoder     pre-trained, runs/best.pt; frozen for the first 1,000 iterations",
        "2 x 16 x 16 voxels in tokens of 1 x 8 x 8: 2 x 2 x 2 tokens",
        "effective batch 4, learning rate 0.0005, x 0.65 a block down the encoder",
        "Ctrl-C saves; resume with --resume true",
        "an iteration on this CPU",
    ):
        assert words in printed, words
    assert printed.count("trains on") == 2  # process 1 is silent
    assert network.training
    assert all(p.grad is None for p in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("batch", "precision", "crops", "dtype"), [(4, "bf16", 2, torch.bfloat16), (1, "fp32", 1, torch.float32)]
)
def test_a_step_is_timed_in_the_precision_of_the_run_with_two_crops_where_it_has_them(batch, precision, crops, dtype):
    network, seen = torch.nn.Conv3d(1, 1, 1), []
    network.register_forward_hook(lambda _, inputs, output: seen.append((len(inputs[0]), output.dtype)))
    sample, settings = {"image": torch.zeros(1, 2, 16, 16)}, {"batch": batch, "precision": precision}
    assert fine_tuning_seconds(network, sample, settings) > 0
    assert set(seen) == {(crops, dtype)}
    assert network.weight.grad is None


def test_a_timed_step_of_pre_training_leaves_no_statistic():
    network = MaskedTrunk(ResidualUNet(1, (4, 8), ("23", "23"), norm="batch"), (1, 4, 4))
    mask = torch.zeros(2, 2, 2, dtype=torch.bool)
    mask[0, 0, 0] = True
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert pretraining_seconds(network, {"image": torch.ones(1, 2, 8, 8), "mask": mask}, {"precision": "fp32"}) > 0
    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_each_architecture_is_named_by_its_parts():
    settings = {"network": "vit_base", "unetr_decoder": "light", "trunk": "small", "trunk_norm": "batch"}
    assert network_text(settings) == "vit_base encoder, light decoder"
    assert network_text({**settings, "unetr_form": "residual"}) == "vit_base encoder, light residual decoder"
    assert network_text({**settings, "architecture": "residual_unet"}) == "residual U-Net, small, batch norm"
    hybrid = network_text({**settings, "architecture": "hybrid"})
    assert hybrid == "residual U-Net, small, batch norm, with vit_base encoder"
