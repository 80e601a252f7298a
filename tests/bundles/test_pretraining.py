"""Pre-training as the config describes it, run in this process."""

import json

import h5py
import nibabel
import numpy as np
import pytest
import tifffile
import torch
import zarr
from PIL import Image

from scripts.workflow.short_errors import error_text, root_cause
from tests.bundles.conftest import losses


def failure(train, **options) -> str:
    """The words a user would see as the last line."""
    with pytest.raises((RuntimeError, ValueError, OSError, FloatingPointError)) as caught:
        train(**options)
    return error_text(root_cause(caught.value))


def test_a_run_leaves_a_log_checkpoints_pictures_and_a_table(train, capsys):
    folder = train()
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert list(losses(folder)) == [1, 2, 3, 4, 5, 6]
    assert [entry["iteration"] for entry in entries if "val_loss" in entry] == [0, 3, 6]
    assert {"token_mean", "interpolation", "interpolation_fitted"} <= entries[0].keys()
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"best.pt", "last.pt", "iteration_0000004.pt"}
    for picture in ("curve.png", "reconstruction.png"):
        assert np.asarray(Image.open(folder / picture)).std() > 10
    assert list(folder.glob("events.out.tfevents.*"))
    printed = capsys.readouterr().out
    for words in ("trains on", "5 of 54 tokens kept", "--volumes my.h5:raw", "--resume true", "baseline: token mean"):
        assert words in printed


def test_a_run_learns(train):
    found = list(losses(train(iterations=40, val_interval=20, base_lr=0.2)).values())
    assert np.mean(found[-5:]) < 0.75 * found[0]


@pytest.mark.parametrize("optimizer_name", ["adamw", "muon"])
def test_a_resumed_run_ends_as_an_uninterrupted_one_to_the_bit(train, tmp_path, optimizer_name):
    options = {"warm_up": 1, "optimizer_name": optimizer_name}
    whole = train(output_dir=tmp_path / "whole", iterations=6, **options)
    parted = train(output_dir=tmp_path / "parted", iterations=4, **options)
    # another length of schedule so far: the learning rates differ, the crops do not
    assert losses(parted)[1] == losses(whole)[1]
    ends = [torch.load(path / "checkpoints" / "last.pt", weights_only=True) for path in (whole, parted)]
    assert [end["iteration"] for end in ends] == [6, 4]
    (whole / "checkpoints" / "iteration_0000004.pt").replace(whole / "checkpoints" / "last.pt")
    before = losses(whole)
    train(output_dir=whole, iterations=6, resume=True, **options)
    again = torch.load(whole / "checkpoints" / "last.pt", weights_only=True)
    assert losses(whole) == before
    assert all(torch.equal(again["network"][name], value) for name, value in ends[0]["network"].items())


def test_parts_of_a_batch_and_workers_and_the_device_sampler_change_nothing(train, tmp_path):
    plain = losses(train(output_dir=tmp_path / "plain"))
    assert losses(train(output_dir=tmp_path / "workers", workers=1)) == plain
    assert losses(train(output_dir=tmp_path / "device", sampler="device")) == plain
    exact = losses(train(output_dir=tmp_path / "fp32", precision="fp32"))  # where auto is bf16, sums round more
    parts = losses(train(output_dir=tmp_path / "parts", precision="fp32", accumulation=2))
    assert parts == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize(
    ("overlay", "kept"), [("space_only", 6), ("section_only", 9), ("as_published", 5), ("vit_large", 5), ("demo", 5)]
)
def test_each_overlay_trains(train, overlay, kept, capsys):
    options = {"volumes": "unused"} if overlay == "" else {}
    folder = train(overlay, iterations=2, **options)
    assert len(losses(folder)) == 2
    ratio = {"demo": 27}.get(overlay, kept)
    assert f"{ratio} of 54 tokens kept" in capsys.readouterr().out


def write(kind: str, voxels: np.ndarray, folder) -> str:
    """The voxels in one of the formats; returns what `--volumes` takes."""
    path = folder / f"waves.{kind}"
    if kind == "h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("raw", data=voxels, chunks=(4, 16, 16), compression="gzip")
        return f"{path}:raw"
    if kind == "zarr":
        zarr.create_array(str(path), data=voxels, chunks=(4, 16, 16))
    elif kind == "tif":
        tifffile.imwrite(path, voxels)
    elif kind == "nii.gz":
        nibabel.save(nibabel.Nifti1Image(voxels.transpose(2, 1, 0), np.diag([6e-6, 6e-6, 3e-5, 1])), path)
    elif kind == "sections":
        path.mkdir()
        for z, section in enumerate(voxels):
            Image.fromarray(section).save(path / f"section_{z:03d}.png")
    else:
        np.save(path, voxels)
    return str(path)


def test_the_same_voxels_train_alike_from_every_format(train, voxels, tmp_path):
    found = {}
    for kind in ("npy", "h5", "zarr", "tif", "nii.gz", "sections"):
        (tmp_path / "files").mkdir(exist_ok=True)
        name = write(kind, voxels, tmp_path / "files")
        found[kind] = losses(train(output_dir=tmp_path / f"run_{kind}", volumes=name, iterations=2))
    assert all(loss == found["npy"] for loss in found.values())


def test_an_earlier_run_is_never_written_over(train):
    folder = train(iterations=2)
    before = (folder / "log.jsonl").read_bytes()
    message = failure(train, iterations=2)
    assert "holds an earlier run" in message
    assert "--resume true" in message
    assert "--output_dir" in message
    assert (folder / "log.jsonl").read_bytes() == before


def test_a_checkpoint_of_another_network_names_what_differs(train):
    train(iterations=2)
    wider = {"tiny": {"width": 36, "depth": 2, "heads": 2, "decoder_width": 24, "decoder_depth": 1, "decoder_heads": 2}}
    message = failure(train, iterations=4, resume=True, presets=wider)
    assert "encoder.patch_embedding.weight: (24, 1, 1, 8, 8) there, (36, 1, 1, 8, 8) wanted" in message


def test_a_cut_off_checkpoint_is_named_and_nothing_is_lost(train):
    folder = train(iterations=4)
    last = folder / "checkpoints" / "last.pt"
    last.write_bytes(last.read_bytes()[:1000])
    before = (folder / "log.jsonl").read_bytes()
    message = failure(train, iterations=6, resume=True)
    assert str(last) in message
    assert "cut off" in message
    assert (folder / "log.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"crop": [6, 20, 24]}, ["[6, 20, 24]", "20 along y", "use 16 or 24"]),
        ({"crop": [6, 48, 48]}, ["48 voxels along y", "has 40"]),
        ({"network": "vit_huge"}, ["vit_huge", "tiny"]),
        ({"token_mask": "columns"}, ["columns", "space_only"]),
        ({"mask_ratio": 1.0}, ["mask_ratio 1.0", "from 0 (excluded) to 1 (excluded)"]),
        ({"mask_ratio": 0.99}, ["0.99", "0 of 54"]),
        ({"mask_ratio": "most"}, ["'most'", "a number from 0"]),
        ({"precision": "fp16"}, ["fp16", "bf16"]),
        ({"optimizer_name": "sgd"}, ["'sgd' is not one of adamw, muon"]),
        ({"sampler": "gpu"}, ["gpu", "device"]),
        ({"batch": 5, "accumulation": 2}, ["batch 5", "accumulation 2", "nearest"]),
        ({"iterations": 0}, ["iterations 0"]),
        ({"volumes": "nowhere.npy"}, ["nowhere.npy"]),
        ({"train_box": "0:20,:,:"}, ["overlaps", "--validation_box"]),
        ({"resume": "perhaps"}, ["perhaps", "--resume true"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_impossible_settings_are_reported_before_anything_is_written(train, tmp_path, options, words):
    message = failure(train, **options)
    for word in words:
        assert word in message
    assert not (tmp_path / "run").exists()


def test_a_width_not_divisible_by_its_heads_is_reported(train):
    odd = {"tiny": {"width": 25, "depth": 1, "heads": 2, "decoder_width": 24, "decoder_depth": 1, "decoder_heads": 2}}
    assert "width 25 is not divisible by 2 heads" in failure(train, presets=odd)


def test_grey_values_without_a_range_are_reported_and_trained_on_with_one(train, voxels, tmp_path):
    path = tmp_path / "wide.npy"
    np.save(path, voxels.astype(np.uint16) * 257)
    message = failure(train, volumes=str(path))
    assert "uint16" in message
    assert "--grey_low 0 --grey_high 65535" in message
    narrow = losses(train(output_dir=tmp_path / "narrow", iterations=2))
    wide = losses(train(output_dir=tmp_path / "wide", volumes=str(path), grey_low=0, grey_high=65535, iterations=2))
    assert wide == pytest.approx(narrow, rel=1e-4)


def test_a_rule_turns_black_crops_down(train, voxels, tmp_path):
    path = tmp_path / "black.npy"
    np.save(path, np.zeros_like(voxels))
    rule = {"_target_": "scripts.data.MostlyBlack"}
    message = failure(train, volumes=str(path), reject=rule)
    assert "MostlyBlack" in message
    assert "black.npy" in message
    assert len(losses(train(output_dir=tmp_path / "grey", reject=rule, iterations=2))) == 2


def test_a_loss_that_is_not_finite_stops_with_its_place(train, voxels, tmp_path):
    path = tmp_path / "holes.npy"
    broken = voxels.astype(np.float32)
    broken[:, ::8, ::8] = np.nan
    np.save(path, broken)
    message = failure(train, volumes=str(path), grey_low=0, grey_high=255, val_interval=100, baseline_crops=0)
    assert "holes.npy" in message


def test_a_learning_rate_that_blows_up_stops_with_iteration_rate_and_crops(train):
    message = failure(train, base_lr=1e30, weight_decay=0.0)
    assert "the loss of iteration" in message
    assert "learning rate 1.5" in message or "learning rate" in message
    assert "waves.npy at " in message


def test_a_complete_run_is_not_trained_further_and_can_be_extended(train, capsys):
    folder = train(iterations=4)
    before = losses(folder)
    train(iterations=4, resume=True)
    assert "complete" in capsys.readouterr().out
    assert losses(folder) == before
    train(iterations=6, resume=True)
    assert list(losses(folder)) == [1, 2, 3, 4, 5, 6]
    assert "another iterations: 4 -> 6" in capsys.readouterr().out
