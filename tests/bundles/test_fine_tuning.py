"""Fine-tuning as the configs describe it, run in this process on a few cells."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigWorkflow
from PIL import Image

from scripts.workflow.short_errors import error_text, root_cause
from tests.bundles.conftest import AFFINITY, BUNDLE, SEGMENTATIONS, TINY_SEGMENTATION, config, losses


def failure(run, **options) -> str:
    """The words a user would see as the last line."""
    with pytest.raises((RuntimeError, ValueError, OSError, FloatingPointError)) as caught:
        run(**options)
    return error_text(root_cause(caught.value))


def entries(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def scores(folder) -> list[dict]:
    """The validations of a log."""
    return [entry for entry in entries(folder) if "val_loss" in entry]


@pytest.mark.parametrize("bundle", SEGMENTATIONS, ids=lambda path: path.name)
def test_a_run_leaves_a_log_checkpoints_pictures_and_scores(fine_tune, pretrained, bundle, capsys):
    folder = fine_tune(bundle=bundle, pretrained=str(pretrained))
    assert list(losses(folder)) == [1, 2, 3, 4]
    assert [entry["iteration"] for entry in scores(folder)] == [2, 4]
    assert any(name.startswith("loss_") for name in entries(folder)[0])
    assert {"best.pt", "last.pt", "iteration_0000002.pt"} <= {path.name for path in (folder / "checkpoints").iterdir()}
    for picture in ("curve.png", "segmentation.png"):
        assert np.asarray(Image.open(folder / picture)).std() > 10
    assert {"scores.json", "scores.md"} <= {path.name for path in folder.iterdir()}
    assert list(folder.glob("events.out.tfevents.*"))
    best = torch.load(folder / "checkpoints" / "best.pt", weights_only=True)
    assert best["decoder"]["name"]
    assert best["recipe"]["task"]
    assert len(best["recipe"]["channels"]) == len(best["recipe"]["activations"])
    printed = capsys.readouterr().out
    for words in (
        "encoder: from",
        "loaded",
        "trains on",
        "validates",
        "--labels my.h5:labels",
        "--resume true",
        "best",
    ):
        assert words in printed


@pytest.mark.parametrize("bundle", SEGMENTATIONS, ids=lambda path: path.name)
@pytest.mark.parametrize("overlay", ["", "as_published", "vit_large", "light_decoder", "scratch", "demo"])
def test_every_overlay_passes_monais_check_of_properties(bundle, overlay, labelled, tmp_path):
    files = [config("train", bundle), *([config(overlay, bundle)] if overlay else []), str(TINY_SEGMENTATION)]
    source = {"volumes": f"{labelled}:raw", "labels": f"{labelled}:labels", "validation_box": "14:20,:,:"}
    if overlay == "demo":  # its trunk takes tokens of 8 x 8
        source["patch"] = [1, 8, 8]
    workflow = ConfigWorkflow(files, logging_file=False, output_dir=str(tmp_path / "run"), **source)
    workflow.initialize()
    assert workflow.check_properties() == []
    assert not (tmp_path / "run").exists()


def test_scratch_and_pre_trained_runs_differ_in_the_encoders_initial_weights_alone(labelled, pretrained, tmp_path):
    starts = {}
    for name, path in (("scratch", None), ("pretrained", str(pretrained))):
        source = {"volumes": f"{labelled}:raw", "labels": f"{labelled}:labels", "output_dir": str(tmp_path / name)}
        workflow = ConfigWorkflow(
            [config("train", AFFINITY), str(TINY_SEGMENTATION)], logging_file=False, pretrained=path, **source
        )
        workflow.initialize()
        parser = workflow.parser
        parser.get_parsed_content("pretrained_encoder")
        weights = {k: v.clone() for k, v in parser.get_parsed_content("network_on_device").state_dict().items()}
        batch = next(iter(parser.get_parsed_content("train#dataloader")))
        rates = [(group["name"], group["lr"]) for group in parser.get_parsed_content("optimizer").param_groups]
        starts[name] = weights, batch, rates
    scratch, transferred = starts["scratch"], starts["pretrained"]
    differing = {name for name, value in scratch[0].items() if not torch.equal(value, transferred[0][name])}
    assert differing
    assert all(name.startswith("encoder.") for name in differing)
    given = torch.load(pretrained, weights_only=True)["network"]
    for name, value in transferred[0].items():
        if name.startswith("encoder."):
            assert torch.equal(value, given[name])
    assert all(torch.equal(scratch[1][key], transferred[1][key]) for key in ("image", "target", "known"))
    assert scratch[2] == transferred[2]


def test_a_resumed_run_ends_as_an_uninterrupted_one_to_the_bit(fine_tune, pretrained, tmp_path):
    copy = tmp_path / "encoder.pt"
    copy.write_bytes(pretrained.read_bytes())
    whole = fine_tune(output_dir=tmp_path / "whole", pretrained=str(copy))
    ends = {name: torch.load(whole / "checkpoints" / name, weights_only=True) for name in ("last.pt", "best.pt")}
    log = losses(whole), [{k: v for k, v in entry.items() if k != "elapsed"} for entry in scores(whole)]
    (whole / "checkpoints" / "iteration_0000002.pt").replace(whole / "checkpoints" / "last.pt")
    copy.unlink()  # the weights are in last.pt
    fine_tune(output_dir=whole, pretrained=str(copy), resume=True)
    assert (losses(whole), scores(whole)) == log
    for name, before in ends.items():
        after = torch.load(whole / "checkpoints" / name, weights_only=True)
        assert after["iteration"] == before["iteration"]
        assert all(torch.equal(after["network"][key], value) for key, value in before["network"].items())
        if name == "last.pt":
            assert after["parts"]["validation"] == before["parts"]["validation"]
        else:
            assert repr((after["decoder"], after["scores"])) == repr((before["decoder"], before["scores"]))  # with nan


def test_parts_of_a_batch_and_a_worker_change_nothing(fine_tune, tmp_path):
    plain = losses(fine_tune(output_dir=tmp_path / "plain", iterations=2))
    assert losses(fine_tune(output_dir=tmp_path / "workers", iterations=2, workers=1)) == plain
    parts = losses(fine_tune(output_dir=tmp_path / "parts", iterations=2, accumulation=2))
    assert parts == pytest.approx(plain, rel=1e-5)


def test_a_run_learns(fine_tune):
    found = list(losses(fine_tune(iterations=40, val_interval=40, keep_interval=0, augment=False, lr=0.02)).values())
    assert np.mean(found[-5:]) < 0.8 * found[0]


def test_an_encoder_that_is_held_still_stays_to_the_bit(fine_tune, pretrained):
    folder = fine_tune(pretrained=str(pretrained), freeze=2)
    given = torch.load(pretrained, weights_only=True)["network"]
    held = torch.load(folder / "checkpoints" / "iteration_0000002.pt", weights_only=True)["network"]
    freed = torch.load(folder / "checkpoints" / "last.pt", weights_only=True)["network"]
    name = "encoder.blocks.0.attention.qkv.weight"
    assert torch.equal(held[name], given[name])
    assert not torch.equal(freed[name], given[name])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pretrained": "nowhere.pt"}, ["nowhere.pt", "--pretrained"]),
        ({"crop": [4, 18, 16]}, ["[4, 18, 16]", "18 along y"]),
        ({"network": "vit_huge"}, ["vit_huge", "tiny"]),
        ({"unetr_decoder": "heavy"}, ["heavy", "tiny"]),
        ({"window": [4, 30, 32]}, ["window [4, 30, 32]", "30 along y"]),
        ({"precision": "fp16"}, ["fp16", "bf16"]),
        ({"batch": 5, "accumulation": 2}, ["batch 5", "accumulation 2"]),
        ({"lr": 0}, ["lr 0"]),
        ({"layer_decay": 1.5}, ["layer_decay 1.5"]),
        ({"presets": {"tiny": {"width": 24, "depth": 2, "heads": 2}}}, ["'tiny' lacks", "drop_path"]),
        ({"instance_decoder": "guess"}, ["guess", "agglomeration"]),
        ({"key_score": "beauty"}, ["beauty", "adapted_rand_snemi3d"]),
        ({"activations": ["sigmoid"]}, ["3 channels", "1 activations"]),
        ({"labelled_box": "0:99,:,:"}, ["labelled_box", "0:99"]),
        ({"labelled_sections": 15}, ["labelled_sections 15", "1 to 14"]),
        ({"train_box": "0:20,:,:"}, ["overlaps", "--validation_box"]),
        ({"resume": "perhaps"}, ["perhaps", "--resume true"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_impossible_settings_are_reported_before_anything_is_written(fine_tune, tmp_path, options, words):
    message = failure(fine_tune, **options)
    for word in words:
        assert word in message
    assert not (tmp_path / "run").exists()


def test_an_array_that_holds_no_labels_is_reported(fine_tune, cells, tmp_path):
    raw, ids = cells
    wrong = {
        "shifted": (ids[:, :-1], "shape (20, 39, 48)"),
        "real": (ids.astype(np.float32) + 0.5, "0.5"),
        "colours": (np.stack([ids] * 3, -1).astype(np.uint8), "axes"),
        "empty": (np.zeros_like(ids), "no foreground"),
        "vast": (ids.astype(np.uint64) + np.uint64(2**63 + 5), "9223372036854775"),
        "grey": (raw, "same"),
    }
    for name, (voxels, words) in list(wrong.items())[:5]:
        np.save(tmp_path / f"{name}.npy", voxels)
        message = failure(fine_tune, labels=str(tmp_path / f"{name}.npy"))
        assert words in message, message
        assert f"{name}.npy" in message
    assert not (tmp_path / "run").exists()


def test_an_encoder_of_another_width_is_no_quiet_scratch_run(fine_tune, pretrained, tmp_path):
    wider = {"tiny": {"width": 48, "depth": 2, "heads": 2, "drop_path": 0.0, "layer_decay": 0.75}}
    message = failure(fine_tune, pretrained=str(pretrained), presets=wider)
    assert "is of another encoder" in message
    assert "resized" in message
    assert "width 24" in message
    assert not (tmp_path / "run").exists()


def test_the_demo_takes_the_encoder_of_the_pre_training_demo():
    demos = [json.loads(Path(config("demo", bundle)).read_text()) for bundle in (BUNDLE, AFFINITY)]
    trains = [json.loads(Path(config("train", bundle)).read_text()) for bundle in (BUNDLE, AFFINITY)]
    assert all(demos[0][key] == demos[1][key] for key in ("network", "patch"))
    for preset, sizes in trains[1]["presets"].items():
        if not preset.startswith("_"):
            assert all(trains[0]["presets"][preset][key] == sizes[key] for key in ("width", "depth", "heads"))
