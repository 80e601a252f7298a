"""The other architectures train, resume, evaluate, predict and export as the UNETR does."""

import json

import h5py
import pytest
import torch
from monai.bundle import ConfigWorkflow

from scripts.checkpoints.file import network_content, save_atomically
from scripts.tools.packaging.weights import read_weights
from scripts.workflow.short_errors import error_text, root_cause
from tests.bundles.conftest import AFFINITY, SEGMENTATIONS, TINY_SEGMENTATION, config, losses, run_workflow

LONGER = [[-2, 0, 0], [0, -3, 0]]
TINY_TRUNK = {"trunk": "tiny", "trunk_presets": {"tiny": {"widths": [4, 8], "forms": ["23", "23"], "fold": 2}}}
AFFINITY_ONLY = {"auxiliary_offsets": LONGER, "auxiliary_descriptors": [1, 2, 2]}
ARCHITECTURES = ("residual_unet", "hybrid")


def options(bundle, **others):
    return {**TINY_TRUNK, **(AFFINITY_ONLY if bundle == AFFINITY else {}), **others}


@pytest.mark.parametrize("bundle", SEGMENTATIONS, ids=lambda path: path.name)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_trains_evaluates_and_predicts_from_its_checkpoint(fine_tune, labelled, tmp_path, bundle, architecture):
    folder = fine_tune(architecture, bundle=bundle, **options(bundle, iterations=2))
    best = folder / "checkpoints" / "best.pt"
    recipe = torch.load(best, weights_only=True)["recipe"]
    assert recipe["architecture"] == architecture
    run_workflow(
        [config("evaluate", bundle)],
        workflow_type="inference",
        checkpoint=str(best),
        box="14:20,0:32,0:40",
        output_dir=str(tmp_path / "evaluation"),
    )
    assert json.loads((tmp_path / "evaluation" / "scores.json").read_text())
    run_workflow(
        [config("inference", bundle)],
        workflow_type="inference",
        checkpoint=str(best),
        volume=f"{labelled}:raw",
        box="14:18,:,:",
        out=str(tmp_path / "maps.h5"),
    )
    with h5py.File(tmp_path / "maps.h5") as file:
        shapes = []
        file.visititems(lambda _, entry: shapes.append(entry.shape) if isinstance(entry, h5py.Dataset) else None)
    assert (len(recipe["activations"]), 4, 40, 48) in shapes


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_resumed_run_ends_as_an_uninterrupted_one_to_the_bit(fine_tune, tmp_path, architecture):
    whole = fine_tune(architecture, output_dir=tmp_path / "whole", **options(AFFINITY))
    end = torch.load(whole / "checkpoints" / "last.pt", weights_only=True)["network"]
    log = losses(whole)
    (whole / "checkpoints" / "iteration_0000002.pt").replace(whole / "checkpoints" / "last.pt")
    fine_tune(architecture, output_dir=whole, resume=True, **options(AFFINITY))
    assert losses(whole) == log
    after = torch.load(whole / "checkpoints" / "last.pt", weights_only=True)["network"]
    assert all(torch.equal(after[name], value) for name, value in end.items())


def test_the_hybrid_takes_the_encoder_of_a_pre_training_and_keeps_it_while_frozen(fine_tune, pretrained):
    folder = fine_tune("hybrid", pretrained=str(pretrained), freeze=2, iterations=2, **options(AFFINITY))
    given = torch.load(pretrained, weights_only=True)["network"]
    held = torch.load(folder / "checkpoints" / "last.pt", weights_only=True)["network"]
    encoder = [name for name in held if name.startswith("encoder.")]
    assert encoder
    assert all(torch.equal(held[name], given[name]) for name in encoder)


def test_a_masked_pre_training_of_the_trunk_learns_and_is_fine_tuned(train, fine_tune, tmp_path, capsys):
    sizes = {**TINY_TRUNK, "patch": [1, 4, 4], "crop": [6, 24, 24], "iterations": 6}
    source = train("residual_unet", output_dir=tmp_path / "source", **sizes)
    best = source / "checkpoints" / "best.pt"
    recipe = torch.load(best, weights_only=True)["recipe"]
    assert (recipe["architecture"], recipe["trunk"]) == ("residual_unet", "tiny")
    log = losses(source)
    assert log[6] < log[1]
    box = {"volume": recipe["volumes"], "box": "12:20,:,:", "out": str(tmp_path / "box.h5")}
    run_workflow([config("inference")], workflow_type="inference", checkpoint=str(best), **box)
    with h5py.File(tmp_path / "box.h5") as file:
        assert file["reconstruction"].shape[-3:] == (8, 40, 48)
    fine_tune("residual_unet", output_dir=tmp_path / "run", pretrained=str(best), iterations=2, **options(AFFINITY))
    assert f"trunk: from {best}" in capsys.readouterr().out


def test_one_masked_pre_training_of_the_hybrid_gives_both_its_parts(train, fine_tune, tmp_path, capsys):
    sizes = {**TINY_TRUNK, "patch": [1, 4, 4], "crop": [6, 24, 24], "iterations": 6}
    source = train("hybrid", output_dir=tmp_path / "source", **sizes)
    best = source / "checkpoints" / "best.pt"
    log = losses(source)
    assert log[6] < log[1]
    train("hybrid", output_dir=source, resume=True, **{**sizes, "iterations": 8})
    assert max(losses(source)) == 8
    recipe = torch.load(best, weights_only=True)["recipe"]
    box = {"volume": recipe["volumes"], "box": "12:20,:,:", "out": str(tmp_path / "box.h5")}
    run_workflow([config("inference")], workflow_type="inference", checkpoint=str(best), **box)
    with h5py.File(tmp_path / "box.h5") as file:
        assert file["reconstruction"].shape[-3:] == (8, 40, 48)
    fine_tune("hybrid", output_dir=tmp_path / "run", pretrained=str(best), iterations=2, **options(AFFINITY))
    printed = capsys.readouterr().out
    assert f"trunk: from {best}" in printed
    assert f"encoder: from {best}" in printed


def test_a_trunk_is_taken_over_by_another_task(fine_tune, tmp_path, capsys):
    source = fine_tune("residual_unet", output_dir=tmp_path / "source", iterations=2, **options(AFFINITY))
    other = next(bundle for bundle in SEGMENTATIONS if bundle != AFFINITY)
    best = source / "checkpoints" / "best.pt"
    fine_tune("residual_unet", output_dir=tmp_path / "run", bundle=other, pretrained=str(best), **options(other))
    assert "trunk: from" in capsys.readouterr().out


@pytest.mark.parametrize("bundle", SEGMENTATIONS, ids=lambda path: path.name)
def test_a_network_of_the_same_task_is_trained_further_with_its_last_layer(labelled, tmp_path, bundle):
    sizes = {**options(bundle), "volumes": f"{labelled}:raw", "labels": f"{labelled}:labels", "seed": 1}
    files = [config("train", bundle), config("residual_unet", bundle), str(TINY_SEGMENTATION)]
    first = ConfigWorkflow(files, logging_file=False, **sizes).parser
    content = network_content(first.get_parsed_content("network_def"), first.get_parsed_content("recipe"), 3)
    save_atomically(content, tmp_path / "best.pt")
    start = {"pretrained": str(tmp_path / "best.pt"), "pretrained_head": "keep", "seed": 0}
    second = ConfigWorkflow(files, logging_file=False, **{**sizes, **start}).parser
    second.get_parsed_content("pretrained_encoder")
    started = second.get_parsed_content("network_on_device").state_dict()
    assert all(torch.equal(started[name], value) for name, value in content["network"].items())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"pretrained_head": "keep"}, "name the fine-tuned checkpoint of the same task"),
        ({"pretrained_trunk": "t.pt"}, "'t.pt' is for the architecture hybrid"),
        ({"architecture": "u-net"}, "'u-net' is not one of mae, unetr, residual_unet, hybrid"),
        ({"trunk": "huge"}, "trunk 'huge' is not one of tiny"),
        ({"patch": [1, 8, 8]}, "does not fit a residual U-Net of fold 2 and 2 levels"),
        ({"layer_decay": 0.5}, "layer_decay 1 where the architecture has no encoder"),
        ({"freeze": 2}, "freeze 2: a residual_unet has no encoder to freeze"),
        ({"auxiliary_descriptors": [2, 0, 10]}, "sigma [2, 0, 10] must be three numbers of voxels above 0"),
        ({"descriptor_weight": -1}, "--descriptor_weight -1 is not a number of 0 or more"),
        ({"class_balance": "voxel"}, "--class_balance 'voxel' is not one of sample, channel, none"),
        ({"erosion": -1}, "erosion -1 is negative"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_impossible_settings_are_reported_before_anything_is_written(fine_tune, tmp_path, changed, words):
    with pytest.raises((RuntimeError, ValueError)) as caught:
        fine_tune("residual_unet", **options(AFFINITY, **changed))
    assert words in error_text(root_cause(caught.value))
    assert not (tmp_path / "run").exists()


def test_pre_trained_weights_of_another_architecture_are_no_quiet_scratch_run(fine_tune, pretrained, tmp_path):
    with pytest.raises((RuntimeError, ValueError)) as caught:
        fine_tune("residual_unet", pretrained=str(pretrained), **options(AFFINITY))
    assert "of another architecture" in error_text(root_cause(caught.value))
    assert not (tmp_path / "run").exists()


def test_packaged_weights_leave_the_auxiliary_channels_out_and_pass_monais_check(fine_tune, tmp_path):
    folder = fine_tune("residual_unet", iterations=2, **options(AFFINITY))
    weights = read_weights(folder / "checkpoints" / "best.pt")
    recipe = weights.about["recipe"]
    assert (recipe["auxiliary_offsets"], recipe["auxiliary_descriptors"]) == ([], None)
    assert weights.state["head.bias"].shape == (3 * 4,)
    workflow = ConfigWorkflow(
        [config("inference", AFFINITY)],
        logging_file=False,
        workflow_type="inference",
        checkpoint=str(folder / "checkpoints" / "best.pt"),
    )
    workflow.initialize()
    assert workflow.check_properties() == []
