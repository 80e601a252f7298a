"""`python -m scripts score`: one table with definitions, files beside it, and errors with a remedy."""

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from scripts.tools.cli import main
from scripts.tools.score import score


@pytest.fixture
def pair(tmp_path):
    """A file with `gt` and `pred`, 400 neurites of 2 sections: pred splits one and merges two."""
    gt = np.kron(np.arange(1, 5).reshape(1, 2, 2), np.ones((4, 20, 20), int)).astype(np.uint32)
    pred = gt.copy()
    pred[:2][gt[:2] == 1] = 9
    pred[gt == 4] = 3
    with h5py.File(tmp_path / "pair.h5", "w") as file:
        for name, volume in (("gt", gt), ("pred", pred), ("image", gt / 4), ("small", gt[:2])):
            file.create_dataset(name, data=volume).attrs["resolution"] = (30, 6, 6)
    return str(tmp_path / "pair.h5")


def test_one_table_states_every_definition_and_lists_the_worst(pair, capsys):
    main(["score", f"{pair}:pred", f"{pair}:gt"])
    out = capsys.readouterr().out
    assert "| adapted_rand_snemi3d " in out
    assert "| adapted_rand_skimage " in out
    assert "SNEMI3D arithmetic: gt 0 ignored" in out
    assert "- 1: 0.2500 bits, 1600 voxels in 1 (800), 9 (800)" in out
    assert "- 3: 0.5000 bits, 3200 voxels in 3 (1600), 4 (1600)" in out


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">i4", np.int64])
def test_whole_numbers_of_any_type_are_ids_and_those_of_minus_1_are_left_out(pair, tmp_path, capsys, dtype):
    with h5py.File(pair) as file, h5py.File(tmp_path / "other.h5", "w") as other:
        for name in ("gt", "pred"):
            other[name] = file[name][...].astype(dtype)
        other["gt"][:1] = -1
        other.create_dataset("as_int", data=other["gt"][...].astype(np.int32))
    tables = []
    for truth in ("gt", "as_int"):
        main(["score", f"{tmp_path}/other.h5:pred", f"{tmp_path}/other.h5:{truth}"])
        tables.append([line for line in capsys.readouterr().out.splitlines() if line.startswith("|")])
    assert tables[0] == tables[1]
    assert any(line.startswith("| voxels ") and " 4800 " in line for line in tables[0])


def test_a_mask_of_one_id_is_pointed_out_by_its_path(pair, tmp_path, capsys):
    with h5py.File(tmp_path / "mask.h5", "w") as file:
        file["mask"] = np.pad(np.ones((4, 20, 20), np.uint8), ((0, 0), (0, 20), (0, 20)))
    note = f"note: every object of {tmp_path / 'mask.h5'}:mask has the id 1: if it is a mask, number its objects first"
    for names, notes in (((f"{tmp_path}/mask.h5:mask", f"{pair}:gt"), 1), ((f"{pair}:pred", f"{pair}:gt"), 0)):
        main(["score", *names])
        assert capsys.readouterr().out.count(note) == notes


def test_json_and_markdown_are_written_and_not_overwritten(pair, tmp_path, error_of):
    out = tmp_path / "new" / "scores.json"
    words = [f"{pair}:pred", f"{pair}:gt", "--out", str(out)]
    main(["score", *words])
    written = json.loads(out.read_text())
    by_name = {one["name"]: one for one in written["scores"]}
    assert by_name["voi_split"]["value"] == 0.25
    assert by_name["voi_merge"]["value"] == 0.5
    assert by_name["split_objects"]["value"] == by_name["merged_segments"]["value"] == 1
    assert written["worst_splits"][0]["id"] == 1
    assert written["box"] == "0:4,0:40,0:40"
    assert "| voi_split " in out.with_suffix(".md").read_text()
    assert "scores.json exists; give another --out, or --overwrite" in error_of("score", *words)
    main(["score", *words, "--overwrite"])


def test_box_mask_border_and_definition_change_what_is_scored(pair, capsys):
    def values(*words):
        main(["score", f"{pair}:pred", f"{pair}:gt", *words])
        rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
        return {row[1].strip(): row[2].strip() for row in rows}

    upper = values("--box", "2:4,:,0:20")
    assert upper["voxels"] == "1600"
    assert upper["adapted_rand_plain"] == "0.000000"
    assert values("--mask", f"{pair}:gt")["voxels"] == "6400"
    narrow = values("--border", "2")
    assert narrow["voxels"] == "6400"
    assert narrow["labelled_voxels"] == str(4 * 36 * 36)
    only = values("--definition", "snemi3d,voi")
    assert "adapted_rand_snemi3d" in only
    assert "adapted_rand_plain" not in only
    assert "ap50_ranked" not in only
    assert "ap90_accuracy" in values("--iou", "0.9")


def test_unknown_voxels_are_left_out_of_every_score(pair, tmp_path):
    with h5py.File(pair) as file:
        gt, pred = file["gt"][:].astype(np.int32), file["pred"][:]
    gt[:, :, 20:] = -1
    np.save(tmp_path / "partly.npy", gt)
    np.save(tmp_path / "pred.npy", pred)
    rows = []
    for words in ({}, {"box": "0:4,:,0:20"}):
        text = score(str(tmp_path / "pred.npy"), str(tmp_path / "partly.npy"), **words)
        rows.append([line for line in text.splitlines() if line.startswith("| ")])
    assert rows[0] == rows[1]


def test_run_lengths_come_from_swc_or_from_labels(pair, tmp_path, error_of):
    (tmp_path / "swc").mkdir()
    # through neurite 1 (split between sections 1 and 2) and within 2; x y z in nm
    (tmp_path / "swc" / "1.swc").write_text("".join(f"{k + 1} 0 60 60 {30 * k + 15} 1 {k or -1}\n" for k in range(4)))
    (tmp_path / "swc" / "2.swc").write_text("".join(f"{k + 1} 0 180 60 {30 * k + 15} 1 {k or -1}\n" for k in range(4)))
    text = score(f"{pair}:pred", f"{pair}:gt", skeletons=str(tmp_path / "swc"))
    (row,) = [line for line in text.splitlines() if line.startswith("| erl_nm")]
    assert float(row.split("|")[2]) == (30**2 + 30**2 + 90**2) / 180
    assert "more than 0 nodes" in text
    bars = np.kron([[[1], [2]]], np.ones((5, 6, 60), int))
    np.save(tmp_path / "bars.npy", bars)
    text = score(str(tmp_path / "bars.npy"), str(tmp_path / "bars.npy"), skeletons="labels", voxel_size_nm=(30, 6, 6))
    assert "2 skeletons: drawn through the ground truth" in text
    (row,) = [line for line in text.splitlines() if line.startswith("| nerl")]
    assert float(row.split("|")[2]) == 1
    assert "give --voxel_size_nm" in error_of("score", *[str(tmp_path / "bars.npy")] * 2, "--skeletons", "labels")
    assert "no .swc files in" in error_of("score", f"{pair}:pred", f"{pair}:gt", "--skeletons", str(tmp_path))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{}:small", "{}:gt"], "the ground truth has shape (4, 40, 40), the prediction (2, 40, 40); cut both"),
        (["{}:image", "{}:gt"], "hold 0.25 at (z, y, x) = (0, 0, 0); ids are whole numbers"),
        (["{}:pred", "{}:gt", "--box", "0:9,:,:"], "outside the volume of shape (4, 40, 40)"),
        (["{}:pred", "{}:gt", "--mask", "{}:small"], "small has shape (2, 40, 40) (z, y, x)"),
        (["{}:pred", "{}:gt", "--border", "-3"], "--border '-3' is not a whole number from 0 to 1000"),
        (
            ["{}:pred", "{}:gt", "--definition", "rand"],
            "--definition 'rand' is not one of snemi3d, ",
        ),
        (["{}:pred", "{}:gt", "--iou", "75"], "--iou '75' is not numbers above 0 up to 1, with commas"),
        (["{}:pred", "{}:gt", "--zero", "nothing"], "--zero 'nothing' is not one of background, unlabelled"),
        (["{}:pred", "{}:gt", "--out", "scores.csv"], "'scores.csv' is not a name that ends in .json"),
        (["{}:absent", "{}:gt"], "absent"),
        (["missing.h5:a", "{}:gt"], "missing.h5"),
    ],
)
def test_a_wrong_option_is_one_line_with_the_way_out(pair, error_of, words, message):
    assert message in error_of("score", *[word.format(pair) for word in words])


def test_a_decoded_box_is_scored_where_it_is_in_the_ground_truth(pair, tmp_path, capsys, error_of):
    with h5py.File(pair, "r+") as file:
        for name, at in (("box", (2, 0, 10)), ("outside", (3, 0, 0)), ("between", (0, 0, 0.5))):
            part = file["pred"][2:4, :, 10:40]
            file.create_dataset(name, data=part).attrs["offset"] = at
        file["all"] = file["gt"][:] != 1
        file["inner"] = file["all"][2:4, :, 10:40]

    def scored(*words):
        main(["score", *words])
        lines = capsys.readouterr().out.splitlines()
        return [line for line in lines if line.startswith("box: ")], [line for line in lines if line.startswith("| ")]

    box, rows = scored(f"{pair}:box", f"{pair}:gt")
    assert box == ["box: 2:4,0:40,10:40  "]
    assert rows == scored(f"{pair}:pred", f"{pair}:gt", "--box", "2:4,0:40,10:40")[1]
    part = scored(f"{pair}:box", f"{pair}:gt", "--box", "3:4,:,:20")
    assert part == scored(f"{pair}:pred", f"{pair}:gt", "--box", "3:4,0:40,10:20")
    masked = scored(f"{pair}:box", f"{pair}:gt", "--mask", f"{pair}:inner")[1]  # of the grid of the decoded box
    assert masked == scored(f"{pair}:pred", f"{pair}:gt", "--mask", f"{pair}:all", "--box", "2:4,:,10:40")[1]
    assert masked == scored(f"{pair}:box", f"{pair}:gt", "--mask", f"{pair}:all")[1] != rows
    np.save(tmp_path / "coarse.npy", np.arange(1, 5).reshape(1, 2, 2) != 1)  # 4 x 20 x 20 voxels each
    masked = scored(f"{pair}:pred", f"{pair}:gt", "--mask", f"{tmp_path}/coarse.npy")[1]
    assert masked == scored(f"{pair}:pred", f"{pair}:gt", "--mask", f"{pair}:all")[1]
    cut = scored(f"{pair}:gt", f"{pair}:box")[1]  # labels of a part
    assert cut == scored(f"{pair}:gt", f"{pair}:pred", "--box", "2:4,:,10:40")[1]
    assert "neither is a part of the other; correct the offset" in error_of("score", f"{pair}:outside", f"{pair}:gt")
    assert "(0.0, 0.0, 0.5) voxels (z, y, x) from it" in error_of("score", f"{pair}:between", f"{pair}:gt")
    line = error_of("score", f"{pair}:box", f"{pair}:gt", "--box", "0:4,:,:")
    assert "box 0:4,0:40,10:40 reaches out of what both have, 2:4,0:40,10:40" in line


def test_a_real_segmentation_gives_the_reference_values(tmp_path):
    folder = os.environ.get("SEM_DATA_DIR")
    if not folder or not (Path(folder) / "flyem_fib25_ts2.h5").exists():
        pytest.skip("SEM_DATA_DIR does not point to a folder with flyem_fib25_ts2.h5")
    file = str(Path(folder) / "flyem_fib25_ts2.h5")
    names = ("adapted_rand_plain", "voi_split", "voi_merge", "adapted_rand_snemi3d")
    for mask, expected in ((None, [0.1574, 0.8987, 0.9184, 0.0973]), (f"{file}:pred_ffn", [0.0557, 0.6126, 0.2632])):
        out = tmp_path / f"{len(expected)}.json"
        score(f"{file}:pred_ffn", f"{file}:labels", mask=mask, out=str(out))
        values = {one["name"]: one["value"] for one in json.loads(out.read_text())["scores"]}
        assert [round(values[name], 4) for name in names[: len(expected)]] == expected
