"""Manifests: those of the repository are valid, and an error in one is named by its JSON path."""

import copy
import json
from pathlib import Path

import pytest
from monai.data import load_decathlon_datalist

from scripts.data.datasets.manifest import check_manifest, known_manifests, load_manifest

FOLDER = Path(__file__).parents[3] / "data_manifests"
SHIPPED = ["mitoem_r", "snemi3d", "synthetic", "template"]
GOOD = {
    "name": "mine",
    "description": "two blocks",
    "licence": "CC-BY-4.0",
    "citation": "nobody",
    "voxel_size_nm": [30, 6, 6],
    "training": [{"image": "a.h5:raw", "box": "0:80,:,:"}],
    "validation": [{"image": "a.h5:raw", "box": "80:100,:,:"}],
    "files": [{"url": "https://somewhere/a.zip", "name": "a.zip", "bytes": None, "md5": None, "convert": []}],
}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_manifest_loads_and_is_named_as_its_file(name):
    assert load_manifest(name).name == name
    assert load_manifest(FOLDER / f"{name}.json").description


def test_no_shipped_manifest_is_forgotten_here():
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_monai_reads_the_splits(name):
    for split in ("training", "validation"):
        rows = load_decathlon_datalist(FOLDER / f"{name}.json", data_list_key=split)
        assert [set(row) >= {"image", "label"} for row in rows] == [True] * len(rows)
        assert rows[0]["image"].startswith(str(FOLDER))


def test_snemi3d_is_what_the_publisher_states():
    manifest = load_manifest("snemi3d")
    (file,) = manifest.files
    assert file.md5 == "3d25a7025f66698f33c7850ace885939"
    assert "zenodo.org/records/7142003/files/snemi.zip" in file.url
    assert manifest.voxel_size_nm == (30.0, 6.0, 6.0)
    assert [entry.box for entry in manifest.splits["training"]] == ["0:80,:,:"]
    assert [entry.box for entry in manifest.splits["validation"]] == ["80:100,:,:"]


def test_mitoem_r_takes_sections_0_to_399_400_to_499_and_500_to_999():
    steps = [step for file in load_manifest("mitoem_r").files for step in file.steps]
    taken = {step.target: step.sections for step in steps}
    assert taken["train.h5:raw"] == taken["train.h5:labels"] == (0, 400)
    assert taken["validation.h5:raw"] == taken["validation.h5:labels"] == (400, 500)
    assert taken["test.h5:raw"] == (500, 1000)
    assert all(step.sections[1] - step.sections[0] == step.shape[0] for step in steps)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_dataset_that_is_fetched_and_used_is_the_same(name):
    manifest = load_manifest(name)
    made = {step.target for file in manifest.files for step in file.steps}
    used = {entry.image for split in manifest.splits.values() for entry in split}
    used |= {entry.label for split in manifest.splits.values() for entry in split if entry.label}
    assert not manifest.files or {Path(path).name for path in used} == made


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (
            ("validation", 0, "box"),
            "80-100",
            r'mine\.json: \$\.validation\[0\]\.box: "80-100" is not a box .* 0:80,:,:',
        ),
        (("training", 0, "box"), "0:80", r'\$\.training\[0\]\.box: "0:80" is not a box in voxels z0:z1,y0:y1,x0:x1'),
        (("training", 0, "image"), 3, r"\$\.training\[0\]\.image: 3 is not path of a volume, such as train\.h5:raw"),
        (("training", 0, "weight"), 0, r"\$\.training\[0\]\.weight: 0 is not a positive number"),
        (("training", 0, "boxx"), ":,:,:", r"\$\.training\[0\]\.boxx: unknown key 'boxx'; did you mean 'box'\?"),
        (("training",), {}, r"\$\.training: {} is not a list of entries such as"),
        (("voxel_size_nm",), [6, 6], r"\$\.voxel_size_nm: \[6, 6\] is not three positive numbers in nanometres"),
        (("voxel_size_nm", 0), -30, r"\$\.voxel_size_nm\[0\]: -30 is not a positive number of nanometres"),
        (("licence",), "CC BY 4.0", r'\$\.licence: "CC BY 4\.0" is not an SPDX identifier such as CC-BY-4\.0'),
        (("name",), "My set", r'\$\.name: "My set" is not the manifest\'s own name'),
        (("files", 0, "url"), "ftp://x", r"\$\.files\[0\]\.url: \"ftp://x\" is not an address that starts with http"),
        (("files", 0, "md5"), "12ab", r"\$\.files\[0\]\.md5: \"12ab\" is not 32 hexadecimal digits"),
        (("files", 0, "bytes"), "1 GB", r"\$\.files\[0\]\.bytes: \"1 GB\" is not the size in bytes"),
        (("files", 0, "name"), "../a.zip", r"\$\.files\[0\]\.name: \"\.\./a\.zip\" is not a plain file name"),
    ],
)
def test_what_is_wrong_is_named_by_its_json_path(place, value, message):
    wrong = copy.deepcopy(GOOD)
    node = wrong
    for part in place[:-1]:
        node = node[part]
    node[place[-1]] = value
    check_manifest(GOOD, "mine.json")
    with pytest.raises(ValueError, match=message):
        check_manifest(wrong, "mine.json")


def test_what_is_missing_is_named_with_what_belongs_there():
    wrong = {key: value for key, value in GOOD.items() if key != "licence"}
    with pytest.raises(ValueError, match=r"mine\.json: \$: has no 'licence'; add licence: an SPDX identifier"):
        check_manifest(wrong, "mine.json")
    with pytest.raises(ValueError, match=r"mine\.json: \$\.training\[0\]: has no 'image'; add image: path of a volume"):
        check_manifest(GOOD | {"training": [{"box": ":,:,:"}]}, "mine.json")


def test_a_file_that_is_not_json_is_named_by_line(tmp_path):
    (tmp_path / "bad.json").write_text('{\n  "name": "x",\n}')
    with pytest.raises(
        ValueError, match=r"bad\.json: line 3, column 1: not JSON|bad\.json: line 2, column 14: not JSON"
    ):
        load_manifest(tmp_path / "bad.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(ValueError, match=r"list\.json: \$: \[\] is not a data set"):
        load_manifest(tmp_path / "list.json")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(FileNotFoundError, match=r"no data set named 'snemi'; there are: .*mitoem_r, snemi3d"):
        load_manifest("snemi")
    with pytest.raises(FileNotFoundError, match=r"no manifest 'nowhere/mine\.json'; copy .*template\.json"):
        load_manifest("nowhere/mine.json")


def test_a_manifest_in_the_working_directory_goes_before_the_shipped_one(tmp_path, monkeypatch):
    (tmp_path / "data_manifests").mkdir()
    (tmp_path / "data_manifests" / "snemi3d.json").write_text(json.dumps(GOOD | {"name": "snemi3d"}))
    monkeypatch.chdir(tmp_path)
    assert load_manifest("snemi3d").description == "two blocks"
    assert set(known_manifests()) == set(SHIPPED)


def test_fetched_files_lie_in_the_data_folder_and_a_labs_own_beside_its_manifest(tmp_path, monkeypatch):
    own = {key: value for key, value in GOOD.items() if key != "files"}
    (tmp_path / "own.json").write_text(json.dumps(own))
    assert load_manifest(tmp_path / "own.json").entries("training")[0].image == str(tmp_path / "a.h5:raw")
    monkeypatch.delenv("SEM_DATA_HOME", raising=False)
    assert load_manifest("snemi3d").entries("training")[0].image == str(Path("data/snemi3d/train.h5:raw"))
    monkeypatch.setenv("SEM_DATA_HOME", str(tmp_path))
    assert load_manifest("snemi3d").entries("training")[0].image == str(tmp_path / "snemi3d" / "train.h5:raw")


def test_an_empty_split_and_an_unknown_one_are_errors():
    with pytest.raises(ValueError, match=r"template\.json: |split 'train' is none of training, validation, test"):
        load_manifest("template").entries("train")
    with pytest.raises(
        ValueError, match=r"synthetic\.json: \$\.test: is empty.*choose another split \(training, valid"
    ):
        load_manifest("synthetic").entries("test")
