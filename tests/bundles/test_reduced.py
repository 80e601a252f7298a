"""Training, evaluation and inference at half the resolution in plane: one scale from the recipe to the files."""

import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import zarr
from monai.bundle import ConfigWorkflow

from scripts.data import downsampled_labels, open_volume
from scripts.data.files.writing import write_hdf5
from scripts.data.volumes import downsampled_volume
from scripts.workflow.short_errors import error_text, root_cause
from tests.bundles.conftest import BUNDLE, ROOT, TINY, TINY_SEGMENTATION, config, run_workflow

MITO = ROOT / "bundles" / "sem_mito_bc"
BOX = "14:20,0:16,0:20"
HALF = {"downsample": [1, 2, 2], "window": [4, 16, 16], "validation_box": BOX}


@pytest.fixture(scope="module")
def best(labelled, tmp_path_factory) -> Path:
    """The best.pt of a tiny run on blocks of 1 x 2 x 2 voxels."""
    folder = tmp_path_factory.mktemp("half") / "run"
    before = sys.excepthook, list(sys.path)
    options = {"volumes": f"{labelled}:raw", "labels": f"{labelled}:labels", "iterations": 2, **HALF}
    run_workflow([config("train", MITO), str(TINY_SEGMENTATION)], output_dir=str(folder), **options)
    sys.excepthook, sys.path[:] = before
    return folder / "checkpoints" / "best.pt"


@pytest.fixture(scope="module")
def halved(labelled, tmp_path_factory) -> Path:
    """The same volume, reduced on disk."""
    path = tmp_path_factory.mktemp("halved") / "cells.h5"
    raw, labels = open_volume(f"{labelled}:raw"), open_volume(f"{labelled}:labels")
    voxels = {"raw": downsampled_volume(raw, (1, 2, 2)), "labels": downsampled_labels(labels, (1, 2, 2))}
    write_hdf5(path, voxels, voxels["raw"].voxel_size_nm)
    return path


def run(name: str, **options) -> None:
    run_workflow([config(name, MITO)], workflow_type="inference", **options)


def test_the_authors_setting_halves_the_plane(labelled, tmp_path):
    files = [config("train", MITO), config("as_published", MITO), str(TINY_SEGMENTATION)]
    source = {"volumes": f"{labelled}:raw", "labels": f"{labelled}:labels", "output_dir": str(tmp_path / "run")}
    workflow = ConfigWorkflow(files, logging_file=False, validation_box=BOX, **source)
    workflow.initialize()
    for split in ("training", "validation"):
        (region,) = workflow.parser.get_parsed_content(f"{split}_regions")
        assert region.image.voxel_size_nm == region.label.voxel_size_nm == (30, 12, 12)


def test_the_checkpoint_carries_what_the_first_lines_state(labelled, best, tmp_path, capsys):
    assert torch.load(best, weights_only=True)["recipe"]["downsample"] == [1, 2, 2]
    options = {"volumes": f"{labelled}:raw", "labels": f"{labelled}:labels", "iterations": 1, **HALF}
    run_workflow([config("train", MITO), str(TINY_SEGMENTATION)], output_dir=str(tmp_path / "run"), **options)
    printed = capsys.readouterr().out
    assert "raw (reduced 1 x 2 x 2), box 0:14,0:20,0:24 (6720 voxels, 30 x 12 x 12 nm)" in printed
    assert f"raw (reduced 1 x 2 x 2), box {BOX}" in printed


def test_evaluation_and_inference_take_the_scale_from_the_checkpoint_and_agree(labelled, halved, best, tmp_path):
    run("evaluate", checkpoint=str(best), output_dir=str(tmp_path / "out"))
    options = {"checkpoint": str(best), "volume": f"{labelled}:raw", "box": BOX, "context": "box"}
    run("inference", out=str(tmp_path / "maps.h5"), dtype="uint8", **options)
    run("inference", out=str(tmp_path / "maps.zarr"), dtype="uint8", **{**options, "box": None})
    raw, labels = open_volume(f"{halved}:raw"), open_volume(f"{halved}:labels")
    with h5py.File(tmp_path / "out" / "evaluation.h5") as file, h5py.File(tmp_path / "maps.h5") as maps:
        np.testing.assert_array_equal(file["image"], raw[14:20, 0:16, 0:20])
        np.testing.assert_array_equal(file["labels"], labels[14:20, 0:16, 0:20])
        assert file["prediction"].shape == maps["prediction"].shape == (2, 6, 16, 20)
        np.testing.assert_allclose(maps["prediction"][...].astype(int), file["prediction"][...].astype(int), atol=1)
        assert file.attrs["voxel_size_nm"].tolist() == [30, 12, 12]
        assert maps.attrs["resolution"].tolist() == [30, 12, 12]
        assert file.attrs["downsample"] == "[1, 2, 2]"
    group = zarr.open(str(tmp_path / "maps.zarr"), mode="r")
    assert group["0"].shape == (2, 20, 20, 24)
    (scale,) = group.attrs["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"][:1]
    assert scale["scale"][1:] == [30, 12, 12]
    assert json.loads((tmp_path / "out" / "scores.json").read_text())["downsample"] == [1, 2, 2]


def test_a_volume_that_has_the_larger_voxels_already_is_read_as_it_is(labelled, halved, best, tmp_path):
    made = []
    for volume, factors in ((labelled, [1, 2, 2]), (halved, [1, 1, 1])):
        folder = tmp_path / volume.parent.name
        given = {"volume": f"{volume}:raw", "labels": f"{volume}:labels", "box": BOX, "downsample": factors}
        run("evaluate", checkpoint=str(best), output_dir=str(folder), **given)
        with h5py.File(folder / "evaluation.h5") as file:
            made.append([file[name][...] for name in ("image", "labels", "prediction", "instances")])
    for first, second in zip(*made, strict=True):
        np.testing.assert_array_equal(first, second)


def test_the_runs_box_is_not_read_at_another_scale(best, tmp_path):
    with pytest.raises((RuntimeError, ValueError)) as caught:
        run("evaluate", checkpoint=str(best), output_dir=str(tmp_path / "out"), downsample=[1, 1, 1])
    assert "counts voxels of downsample [1, 2, 2]" in error_text(root_cause(caught.value))


def test_a_checkpoint_from_before_the_setting_reads_the_voxels_as_they_are_stored(labelled, best, tmp_path):
    content = torch.load(best, weights_only=True)
    del content["recipe"]["downsample"]
    torch.save(content, tmp_path / "best.pt")
    options = {"checkpoint": str(tmp_path / "best.pt"), "volume": f"{labelled}:raw", "box": "0:6,:,:"}
    run("inference", out=str(tmp_path / "maps.h5"), **options)
    with h5py.File(tmp_path / "maps.h5") as maps:
        assert maps["prediction"].shape == (2, 6, 40, 48)


def test_pre_training_sees_the_same_scale_and_so_does_its_reconstruction(volume, voxels, tmp_path, capsys):
    options = {"volumes": str(volume), "downsample": [2, 1, 2], "crop": [2, 24, 24], "iterations": 2, "threads": 1}
    run_workflow([config("train", BUNDLE), str(TINY)], output_dir=str(tmp_path / "run"), **options)
    assert "(reduced 2 x 1 x 2), box 0:8,0:40,0:24" in capsys.readouterr().out
    checkpoint = str(tmp_path / "run" / "checkpoints" / "best.pt")
    given = {"volume": str(volume), "checkpoint": checkpoint, "out": str(tmp_path / "out.h5"), "box": "8:10,:,:"}
    run_workflow([config("inference", BUNDLE)], workflow_type="inference", **given)
    whole = voxels.reshape(10, 2, 40, 24, 2).astype(int).sum((1, 4))
    with h5py.File(tmp_path / "out.h5") as file:
        np.testing.assert_array_equal(file["original"], (whole[8:] + 2) // 4)
