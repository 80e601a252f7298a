"""Regions: names in a config become boxes, exact to the voxel; what cannot be read is refused before training."""

import json
from pathlib import Path

import numpy as np
import pytest

from scripts.data.files.writing import write_hdf5
from scripts.data.regions.open_regions import describe, open_regions, region_shares
from scripts.data.regions.region import Region
from scripts.data.regions.region_checks import check_regions
from scripts.data.regions.section_split import section_split
from scripts.data.volumes import ArrayVolume
from scripts.ops.box import Box


@pytest.fixture
def volume(tmp_path) -> str:
    """20 sections of 4 x 5 voxels; each voxel of section z is z."""
    raw = np.repeat(np.arange(20, dtype=np.uint8), 20).reshape(20, 4, 5)
    write_hdf5(tmp_path / "v.h5", {"raw": raw, "labels": raw.astype(np.uint16) + 100}, (30, 6, 6))
    return str(tmp_path / "v.h5:raw")


def write_manifest(folder: Path, **more) -> str:
    content = {
        "name": "mine",
        "description": "a test",
        "licence": "CC0-1.0",
        "citation": "nobody",
        "voxel_size_nm": [30, 6, 6],
        "training": [{"image": "v.h5:raw", "label": "v.h5:labels", "box": "0:12,1:3,:"}],
        "validation": [{"image": "v.h5:raw", "label": "v.h5:labels", "box": "12:20,:,:"}],
        "test": [],
    }
    (folder / "mine.json").write_text(json.dumps(content | more))
    return str(folder / "mine.json")


@pytest.mark.parametrize(
    ("depth", "section_depth", "boundary"), [(100, 6, 90), (64, 6, 57), (20, 6, 14), (12, 6, 6), (2, 1, 1), (70, 6, 63)]
)
def test_training_takes_nine_tenths_of_the_sections_and_leaves_at_least_a_crop(depth, section_depth, boundary):
    assert section_split(depth, "training", section_depth, "v") == (0, boundary)
    assert section_split(depth, "validation", section_depth, "v") == (boundary, depth)


def test_a_volume_too_thin_for_both_states_what_to_do():
    with pytest.raises(
        ValueError, match="v has 11 sections, too few to train and to validate on 6 each; give boxes of"
    ):
        section_split(11, "training", 6, "v")


def test_training_and_validation_of_a_plain_volume_never_share_a_section(volume):
    (training,), (validation,) = open_regions(volume, "training"), open_regions(volume, "validation")
    assert str(training.box) == "0:14,0:4,0:5"
    assert str(validation.box) == "14:20,0:4,0:5"
    assert training.label is None


def test_a_plain_volume_has_no_test_split_unless_a_box_is_given(volume):
    with pytest.raises(ValueError, match="has no test split; give a box"):
        open_regions(volume, "test")
    (region,) = open_regions(volume, "test", box="18:20,:,1:3")
    assert str(region.box) == "18:20,0:4,1:3"


def test_a_box_outside_the_volume_is_an_error_with_the_shape(volume):
    with pytest.raises(
        ValueError, match=r"v\.h5:raw: box 0:21,0:4,0:5 ends at z=21, outside the volume of shape \(20, 4, 5\)"
    ):
        open_regions(volume, "training", box="0:21,:,:")


def test_boxes_of_a_manifest_are_kept_to_the_voxel(volume, tmp_path):
    (region,) = open_regions(write_manifest(tmp_path), "training")
    assert str(region.box) == "0:12,1:3,0:5"
    assert region.image[region.box.slices].max() == 11
    assert region.label[region.box.slices].max() == 111
    assert region.image.voxel_size_nm == (30.0, 6.0, 6.0)
    (validation,) = open_regions(tmp_path / "mine.json", "validation")
    assert np.unique(validation.image[validation.box.slices]).tolist() == list(range(12, 20))


def test_a_box_given_goes_before_the_manifests(volume, tmp_path):
    (region,) = open_regions(write_manifest(tmp_path), "training", box="2:8,:,:")
    assert str(region.box) == "2:8,0:4,0:5"


def test_several_volumes_are_read_in_the_order_named(volume, tmp_path):
    np.save(tmp_path / "other.npy", np.zeros((40, 8, 8), np.uint8))
    regions = open_regions([volume, str(tmp_path / "other.npy"), write_manifest(tmp_path)], "training")
    assert [str(region.box) for region in regions] == ["0:14,0:4,0:5", "0:34,0:8,0:8", "0:12,1:3,0:5"]


def test_shares_go_by_voxels_or_by_weights_and_never_by_both(volume, tmp_path):
    two = [{"image": "v.h5:raw", "box": "0:15,:,:"}, {"image": "v.h5:raw", "box": "15:20,:,:"}]
    assert region_shares(open_regions(write_manifest(tmp_path, training=two), "training")) == [0.75, 0.25]
    two[0]["weight"], two[1]["weight"] = 1, 4
    assert region_shares(open_regions(write_manifest(tmp_path, training=two), "training")) == [0.2, 0.8]
    del two[1]["weight"]
    with pytest.raises(ValueError, match="mine has a weight, mine has none; give a weight to every volume or to none"):
        open_regions(write_manifest(tmp_path, training=two), "training")


def test_each_region_is_described_in_a_line(volume, tmp_path):
    lines = describe(open_regions([volume, write_manifest(tmp_path)], "training")).splitlines()
    assert lines[0] == f"{volume}, box 0:14,0:4,0:5 (280 voxels, 30 x 6 x 6 nm), 70% of the crops"
    labels = volume.replace(":raw", ":labels")
    assert (
        lines[1] == f"mine: {volume}, box 0:12,1:3,0:5 (120 voxels, 30 x 6 x 6 nm), labels {labels}, 30% of the crops"
    )


def test_a_crop_larger_than_its_box_is_reported_before_training(volume):
    regions = open_regions(volume, "validation")
    check_regions(regions, (6, 4, 5))
    with pytest.raises(
        ValueError, match=r"crop of 7 x 4 x 4 voxels does not fit box 14:20,.*: 7 voxels along z, the box has 6"
    ):
        check_regions(regions, (7, 4, 4))
    with pytest.raises(ValueError, match="no region"):
        check_regions([], (6, 4, 4))


def test_a_missing_file_states_how_to_fetch_it(tmp_path, monkeypatch):
    monkeypatch.setenv("SEM_DATA_HOME", str(tmp_path))
    with pytest.raises(
        FileNotFoundError, match=r"snemi3d\.json: \$\.training\[0\]\.image: .*python -m scripts fetch snemi3d"
    ):
        open_regions("snemi3d", "training")
    with pytest.raises(FileNotFoundError, match=r"template\.json: .*block_1\.h5'; check the path"):
        open_regions("template", "training")


def test_an_unknown_name_lists_what_there_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        FileNotFoundError, match=r"'snemi' is neither a file or folder here nor a data set; there are: .*snemi3d"
    ):
        open_regions("snemi", "training")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.h5"):
        open_regions("nowhere.h5:raw", "training")
    with pytest.raises(ValueError, match="split 'train' is none of training, validation, test"):
        open_regions("snemi3d", "train")
    with pytest.raises(ValueError, match="no volume is named"):
        open_regions([], "training")


def test_an_empty_split_is_an_error(volume, tmp_path):
    with pytest.raises(ValueError, match=r"mine\.json: \$\.test: is empty, no volume to read"):
        open_regions(write_manifest(tmp_path), "test")


def test_what_a_manifest_states_must_agree_with_the_file(volume, tmp_path):
    with pytest.raises(
        ValueError, match=r"\$\.training\[0\]\.image: .* states voxels of 30 x 6 x 6 nm, .* states 30 x 8 x 8;"
    ):
        open_regions(write_manifest(tmp_path, voxel_size_nm=[30, 8, 8]), "training")
    wrong = [{"image": "v.h5:raw", "box": "0:21,:,:"}]
    with pytest.raises(ValueError, match=r"mine\.json: \$\.training\[0\]\.box: .* ends at z=21"):
        open_regions(write_manifest(tmp_path, training=wrong), "training")


def test_a_voxel_size_that_the_file_does_not_state_comes_from_the_manifest(volume, tmp_path):
    np.save(tmp_path / "plain.npy", np.zeros((9, 4, 5), np.uint8))
    (region,) = open_regions(write_manifest(tmp_path, training=[{"image": "plain.npy"}]), "training")
    assert region.image.voxel_size_nm == (30.0, 6.0, 6.0)


def test_labels_must_have_the_shape_of_the_image():
    image, label = ArrayVolume(np.zeros((4, 5, 6), np.uint8)), ArrayVolume(np.zeros((4, 5, 5), np.uint16))
    with pytest.raises(ValueError, match=r"have shape \(4, 5, 5\).*\(4, 5, 6\); they must agree"):
        Region(image, Box.whole(image.shape), label)
    with pytest.raises(ValueError, match=r"weight -1 of .* is not a positive number"):
        Region(image, Box.whole(image.shape), weight=-1)


def test_the_synthetic_manifest_states_the_split_that_is_used():
    for split in ("training", "validation"):
        rows = json.loads((Path(__file__).parents[3] / "data_manifests" / "synthetic.json").read_text())[split]
        (region,) = open_regions("synthetic", split)
        assert region.box == Box.parse(rows[0]["box"], region.image.shape)
        assert region.label is not None
        assert region.name == "synthetic"
