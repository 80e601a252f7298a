"""Evaluate a fine-tuned network, and predict with it, as the configs describe it."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import zarr
from monai.bundle import ConfigWorkflow, verify_net_in_out
from PIL import Image

from scripts.ops.box import Box
from scripts.ops.decoding.decoders import decoder
from scripts.tools.cli import main
from scripts.tools.decoder_metadata import decoder_metadata
from scripts.tools.packaging.weights import read_weights, write_weights
from scripts.workflow.short_errors import error_text, root_cause
from tests.bundles.conftest import (
    AFFINITY,
    ROOT,
    SEGMENTATIONS,
    TINY_SEGMENTATION,
    config,
    environment,
    run_workflow,
)

BOX = "14:20,0:32,0:40"


@pytest.fixture(scope="module")
def trained(labelled, tmp_path_factory) -> Callable[[Path], Path]:
    """The best.pt of a tiny run of a bundle; the run is made when it is first asked for."""
    folders: dict[Path, Path] = {}

    def best(bundle: Path = AFFINITY) -> Path:
        if bundle not in folders:
            folders[bundle] = tmp_path_factory.mktemp(bundle.name) / "run"
            options = {"volumes": f"{labelled}:raw", "labels": f"{labelled}:labels", "iterations": 2, "augment": False}
            files = [config("train", bundle), str(TINY_SEGMENTATION)]
            run_workflow(files, output_dir=str(folders[bundle]), **options)
        return folders[bundle] / "checkpoints" / "best.pt"

    return best


@pytest.fixture
def run(trained):
    """Run evaluate.json or inference.json of a bundle with the checkpoint of its tiny run."""

    def start(name: str, bundle: Path = AFFINITY, **options) -> None:
        given = {"checkpoint": str(trained(bundle)), **options}
        run_workflow([config(name, bundle)], workflow_type="inference", **given)

    return start


def failure(run, *names: str, **options) -> str:
    """The words a user would see as the last line."""
    with pytest.raises((RuntimeError, ValueError, OSError)) as caught:
        run(*names, **options)
    return error_text(root_cause(caught.value))


@pytest.mark.parametrize("bundle", SEGMENTATIONS, ids=lambda path: path.name)
def test_an_evaluation_is_the_validation_of_the_checkpoint_again(run, trained, bundle, cells, tmp_path, capsys):
    run("evaluate", bundle, output_dir=str(tmp_path / "out"))
    best = torch.load(trained(bundle), weights_only=True)
    written = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert written["decoder"] == best["decoder"]
    assert written["box"] == BOX
    assert written["checkpoint"].endswith("best.pt")
    scores = {score["name"]: score["value"] for score in written["scores"]}
    for name, value in best["scores"].items():
        if name.removeprefix("val_") in scores and value == value:
            assert scores[name.removeprefix("val_")] == pytest.approx(value, rel=1e-6), name
    raw, label = cells
    with h5py.File(tmp_path / "out" / "evaluation.h5") as file:
        np.testing.assert_array_equal(file["image"], raw[14:20, 0:32, 0:40])
        np.testing.assert_array_equal(file["labels"], label[14:20, 0:32, 0:40])
        assert file["prediction"].shape == (len(best["recipe"]["activations"]), 6, 32, 40)
        assert (file["prediction"].dtype, file["instances"].dtype) == (np.uint8, np.uint32)
        assert json.loads(file.attrs["decoder"]) == best["decoder"]
        assert decoder_metadata(file.filename) == (best["decoder"]["name"], best["decoder"]["settings"])
        assert json.loads(file.attrs["channels"]) == best["recipe"]["channels"]
        assert file.attrs["box"] == BOX
        assert file.attrs["voxel_size_nm"].tolist() == [30, 6, 6]
    assert np.asarray(Image.open(tmp_path / "out" / "segmentation.png")).std() > 10
    printed = capsys.readouterr().out
    assert "| score" in printed
    assert str(tmp_path / "out" / "evaluation.h5") in printed


def test_an_earlier_evaluation_is_kept_unless_overwritten(run, tmp_path):
    run("evaluate", output_dir=str(tmp_path / "out"))
    before = (tmp_path / "out" / "evaluation.h5").read_bytes()
    assert "--overwrite true" in failure(run, "evaluate", output_dir=str(tmp_path / "out"), box="15:19,:,:")
    assert (tmp_path / "out" / "evaluation.h5").read_bytes() == before
    run("evaluate", output_dir=str(tmp_path / "out"), box="15:19,:,:", overwrite=True)
    assert (tmp_path / "out" / "evaluation.h5").read_bytes() != before


@pytest.mark.parametrize("bundle", SEGMENTATIONS, ids=lambda path: path.name)
def test_a_prediction_on_disk_is_that_of_the_evaluation(run, trained, bundle, labelled, tmp_path, capsys):
    run("evaluate", bundle, output_dir=str(tmp_path / "out"))
    options = {"volume": f"{labelled}:raw", "box": BOX, "dtype": "uint8"}
    run("inference", bundle, out=str(tmp_path / "maps.h5"), **options)
    run("inference", bundle, out=str(tmp_path / "whole.zarr"), **{**options, "box": None})
    depth = torch.load(trained(bundle), weights_only=True)["recipe"]["stride"][0]
    run("inference", bundle, out=str(tmp_path / "blocks.zarr"), **options, blocks=[depth, 999, 999], ome_version="0.4")
    with h5py.File(tmp_path / "out" / "evaluation.h5") as file, h5py.File(tmp_path / "maps.h5") as maps:
        # windows at the border of the box see the volume around it here, and its mirror image in the evaluation
        near = np.abs(maps["prediction"][:, 2:4, :-8, :-8].astype(int) - file["prediction"][:, 2:4, :-8, :-8])
        assert np.median(near) <= 2
        in_box = maps["prediction"][...]
    whole, blocks = (zarr.open(str(tmp_path / f"{name}.zarr"), mode="r")["0"] for name in ("whole", "blocks"))
    assert whole.shape[1:] == (20, 40, 48)
    np.testing.assert_array_equal(whole[(slice(None), *Box.parse(BOX, whole.shape[1:]).slices)], in_box)
    np.testing.assert_array_equal(blocks[:], in_box)
    printed = capsys.readouterr().out
    assert f"python -m scripts decode {tmp_path / 'whole.zarr'} --decoder" in printed


def test_the_command_at_the_end_makes_instances(run, trained, labelled, tmp_path, capsys):
    run("inference", volume=f"{labelled}:raw", out=str(tmp_path / "maps.zarr"), dtype="float32", context="box", box=BOX)
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("instances"))
    words = shlex.split(line.removeprefix("instances"))
    done = subprocess.run([sys.executable, *words[1:]], cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    chosen = torch.load(trained(), weights_only=True)["decoder"]
    maps = zarr.open(str(tmp_path / "maps.zarr"), mode="r")["0"][...]
    with h5py.File(tmp_path / "maps_instances.h5") as file:
        found = file["labels"][...]
    main(["decode", f"{tmp_path}/maps.zarr", f"--out={tmp_path}/short.h5"])
    assert f"decoder: {chosen['name']} {chosen['settings']}, as the prediction states" in capsys.readouterr().out
    with h5py.File(tmp_path / "short.h5") as file:
        np.testing.assert_array_equal(file["labels"], found)
    again = decoder(chosen["name"], chosen["settings"])(maps)
    assert (found > 0).tolist() == (again > 0).tolist()
    assert len(np.unique(found)) == len(np.unique(again))


def test_within_the_box_alone_a_prediction_equals_the_evaluation(run, labelled, tmp_path):
    run("evaluate", output_dir=str(tmp_path / "out"))
    run("inference", volume=f"{labelled}:raw", out=str(tmp_path / "maps.h5"), dtype="uint8", context="box", box=BOX)
    with h5py.File(tmp_path / "out" / "evaluation.h5") as file, h5py.File(tmp_path / "maps.h5") as maps:
        np.testing.assert_allclose(maps["prediction"][...].astype(int), file["prediction"][...].astype(int), atol=1)


def test_plain_weights_with_their_json_file_serve_as_a_checkpoint(run, trained, labelled, tmp_path):
    best = trained()
    write_weights(read_weights(best), tmp_path / "models" / "model.pt")
    made = []
    for name, checkpoint in (("best", best), ("model", tmp_path / "models" / "model.pt")):
        out = tmp_path / f"{name}.h5"
        run("inference", volume=f"{labelled}:raw", box=BOX, out=str(out), checkpoint=str(checkpoint), dtype="float32")
        with h5py.File(out) as file:
            made.append(file["prediction"][...])
    np.testing.assert_array_equal(*made)


def test_impossible_settings_are_reported_before_anything_is_written(run, labelled, pretrained, tmp_path):
    out, volume = str(tmp_path / "maps.zarr"), f"{labelled}:raw"
    wrong = {
        "there is no checkpoint": {"checkpoint": str(tmp_path / "none.pt")},
        "fine-tune it first": {"checkpoint": str(pretrained)},
        "90:99": {"box": "90:99,:,:"},
        "int8": {"dtype": "int8"},
        "maps.tif": {"out": str(tmp_path / "maps.tif")},
        "nowhere.h5": {"volume": "nowhere.h5:raw"},
        "stride": {"stride": [9, 16, 16]},
    }
    for words, options in wrong.items():
        assert words in failure(run, "inference", **{"volume": volume, "out": out, **options})
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_prediction_is_kept_unless_overwritten(run, labelled, tmp_path):
    options = {"volume": f"{labelled}:raw", "out": str(tmp_path / "maps.h5"), "box": BOX}
    run("inference", **options)
    before = (tmp_path / "maps.h5").read_bytes()
    assert "--overwrite true" in failure(run, "inference", **{**options, "dtype": "uint8"})
    assert (tmp_path / "maps.h5").read_bytes() == before
    run("inference", **{**options, "dtype": "uint8", "overwrite": True})
    assert len((tmp_path / "maps.h5").read_bytes()) < len(before)


@pytest.mark.parametrize("bundle", SEGMENTATIONS, ids=lambda path: path.name)
@pytest.mark.parametrize("name", ["evaluate", "inference"])
def test_a_fresh_clone_passes_monais_checks(bundle, name, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    options = {"checkpoint": str(tmp_path / "none.pt")}
    workflow = ConfigWorkflow(config(name, bundle), workflow_type="inference", logging_file=False, **options)
    workflow.initialize()
    assert workflow.check_properties() == []
    if name == "inference":
        metadata = str(bundle / "configs" / "metadata.json")
        verify_net_in_out(net_id="network_def", meta_file=metadata, config_file=config(name, bundle), n=2)
