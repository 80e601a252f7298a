"""A mask from training to the last score: masked voxels are not learned, predicted, decoded or scored."""

import h5py
import numpy as np
import pytest
import torch

from scripts.tools.cli import main
from tests.bundles.conftest import AFFINITY, TINY_SEGMENTATION, config, run_workflow

EMPTY = 14
"""Columns on the left that were never imaged."""


@pytest.fixture(scope="module")
def padded(cells, tmp_path_factory):
    """The cells with empty columns; labels go on there, as a tool that fills space leaves them."""
    grey, labels = (volume.copy() for volume in cells)
    grey[grey == 0] = 1
    grey[:, :, :EMPTY] = 0
    path = tmp_path_factory.mktemp("padded") / "padded.h5"
    with h5py.File(path, "w") as file:
        file["raw"], file["labels"] = grey, labels
    return path


@pytest.fixture(scope="module")
def trained(padded, tmp_path_factory):
    """A checkpoint of a run with `--mask nonzero`."""
    folder = tmp_path_factory.mktemp("masked") / "run"
    files = [config("train", AFFINITY), str(TINY_SEGMENTATION)]
    options = {"volumes": f"{padded}:raw", "labels": f"{padded}:labels", "iterations": 2, "mask": "nonzero"}
    run_workflow(files, output_dir=str(folder), **options)
    return folder / "checkpoints" / "best.pt"


def test_evaluation_takes_the_mask_of_the_training(trained, tmp_path, capsys):
    assert torch.load(trained, weights_only=True)["recipe"]["mask"] == "nonzero"
    out = str(tmp_path / "evaluation")
    run_workflow([config("evaluate", AFFINITY)], workflow_type="inference", checkpoint=str(trained), output_dir=out)
    with h5py.File(f"{out}/evaluation.h5") as file:
        maps, labels, instances = (file[name][:] for name in ("prediction", "labels", "instances"))
        assert file.attrs["mask"] == "nonzero"
    assert not maps[..., :EMPTY].any()
    assert not maps[2, :, :, EMPTY].any()  # the edge along x into the empty space
    assert maps[:, :, :, EMPTY + 1 :].any()
    assert not instances[..., :EMPTY].any()
    assert (labels[..., :EMPTY] == -1).all()
    assert (labels[..., EMPTY:] >= 0).all()


def test_prediction_decoding_and_scores_leave_it_out(trained, padded, tmp_path, capsys):
    box, pred, out = "14:20,0:32,0:40", tmp_path / "maps.h5", tmp_path / "seg.h5"
    options = {"volume": f"{padded}:raw", "box": box, "out": str(pred), "dtype": "float32"}
    options |= {"checkpoint": str(trained), "mask": "nonzero", "workflow_type": "inference"}
    run_workflow([config("inference", AFFINITY)], **options)
    with h5py.File(pred) as file:
        (maps,) = (data[:] for data in file.values())
        assert '"mask": "nonzero"' in file.attrs["settings"]
    assert not maps[..., :EMPTY].any()
    assert (maps[0, :, :, EMPTY:] > 0).all()
    # the prediction is of a box of the image, and states where: the whole image is its mask
    words = ["--decoder", "zwatershed", "--low", "0.001", "--size", "0", "--dust", "0", "--mask", "nonzero"]
    main(["decode", str(pred), "--out", str(out), *words])
    with h5py.File(out) as file:
        found = file["labels"][:]
    assert not found[..., :EMPTY].any()
    with h5py.File(padded) as file:
        truth = file["labels"][14:20, :32, :40].astype(np.int32)
    np.save(tmp_path / "truth.npy", truth)
    np.save(tmp_path / "inside.npy", np.arange(40) + 0 * truth >= EMPTY)
    rows = []
    for options in (["--mask", str(tmp_path / "inside.npy")], ["--box", f":,:,{EMPTY}:"]):
        main(["score", str(out), str(tmp_path / "truth.npy"), *options])
        rows.append([line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")])
    assert rows[0] == rows[1]
    truth[..., :EMPTY] = 7  # ids that no decoder finds there cost nothing
    np.save(tmp_path / "wrong.npy", truth)
    grid = ["zwatershed", "--box", ":,:,:", "--low", "0.001,0.3", "--size", "0", "--dust", "0", "--mask", "nonzero"]
    tables = []
    for name in ("truth", "wrong"):
        main(["tune", str(pred), str(tmp_path / f"{name}.npy"), "--out", str(tmp_path / name), "--decoder", *grid])
        tables.append((tmp_path / name / "search.md").read_text())
    assert tables[0] == tables[1]


def test_a_pre_training_draws_no_crop_in_empty_space_with_either_sampler(train, padded, tmp_path):
    weights = []
    for sampler in ("loader", "device"):
        options = {"output_dir": tmp_path / sampler, "iterations": 2, "mask": "nonzero", "sampler": sampler}
        content = torch.load(train(volumes=f"{padded}:raw", **options) / "checkpoints" / "last.pt", weights_only=True)
        assert content["recipe"]["mask"] == "nonzero"
        weights.append(content["network"])
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
