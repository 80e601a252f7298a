"""Regions at a coarser resolution: boxes and crops count the larger voxels, and all checks are of the stored ones."""

import json
from pathlib import Path

import numpy as np
import pytest

from scripts.data.files.writing import write_hdf5
from scripts.data.regions.held_out import check_held_out, held_out_box
from scripts.data.regions.label_budget import describe_labels
from scripts.data.regions.open_regions import describe, open_regions
from scripts.data.regions.region import Region
from scripts.data.regions.training_regions import image_regions, labelled_regions
from scripts.data.sampling.crops import CropDataset

CROP = (2, 4, 4)
HALF = (1, 2, 2)
SPLITS = ("training", "validation")


@pytest.fixture
def file(tmp_path) -> str:
    """Noise of 20 x 17 x 21 voxels with two cells, 1 on the left and 2 on the right of a column of background."""
    raw = np.random.default_rng(0).integers(0, 256, (20, 17, 21), dtype=np.uint8)
    labels = np.ones(raw.shape, np.uint16)
    labels[:, :, 10:12] = 0
    labels[:, :, 12:] = 2
    write_hdf5(tmp_path / "v.h5", {"raw": raw, "labels": labels, "short": labels[:, :16]}, (30, 8, 8))
    return str(tmp_path / "v.h5")


def opened(file: str, box: str | None = None, labels: str = "labels", **more) -> list[Region]:
    more = {"downsample": HALF} | more
    return labelled_regions(f"{file}:raw", f"{file}:{labels}", more.pop("split", "training"), box, CROP, **more)


def write_manifest(folder: Path, training: str, validation: str) -> str:
    content = {"name": "mine", "description": "a test", "licence": "CC0-1.0", "citation": "nobody"}
    entry = {"image": "v.h5:raw", "label": "v.h5:labels"}
    content |= {"voxel_size_nm": [30, 8, 8], "training": [entry | {"box": training}]}
    (folder / "mine.json").write_text(json.dumps(content | {"validation": [entry | {"box": validation}]}))
    return str(folder / "mine.json")


def test_image_and_labels_are_reduced_alike(file):
    (region,) = opened(file)
    (stored,) = opened(file, downsample=(1, 1, 1))
    assert region.image.shape == region.label.shape == (20, 8, 10)
    assert region.image.voxel_size_nm == region.label.voxel_size_nm == (30, 16, 16)
    assert str(region.box) == "0:18,0:8,0:10"
    assert region.image[0, 0, 0] == (int(stored.image[0, :2, :2].sum()) + 2) // 4
    assert region.label[0, 0].tolist() == [1] * 5 + [0] + [2] * 4


def test_a_box_counts_the_larger_voxels_and_ends_with_them(file):
    (region,) = opened(file, "0:12,2:8,:")
    assert str(region.box) == "0:12,2:8,0:10"
    with pytest.raises(
        ValueError, match=r"v.h5:raw \(reduced 1 x 2 x 2\): box .* ends at x=21, outside .* \(20, 8, 10\)"
    ):
        opened(file, "0:12,:,0:21")


def test_a_manifests_own_box_counts_the_stored_voxels(file, tmp_path):
    manifest = write_manifest(tmp_path, "0:9,1:17,:", "9:20,:,:")
    training, validation = (image_regions(manifest, split, None, CROP, downsample=(2, 2, 2)) for split in SPLITS)
    assert str(training[0].box) == "0:4,1:8,0:10"
    assert str(validation[0].box) == "5:10,0:8,0:10"  # block 4 has voxels of both boxes and is of neither
    check_held_out(training, validation)
    (named,) = image_regions(manifest, "training", "0:3,:,:", CROP, downsample=(2, 2, 2))
    assert str(named.box) == "0:3,0:8,0:10"


def test_the_sections_of_a_plain_volume_are_shared_as_larger_ones(file):
    boxes = [open_regions(f"{file}:raw", split, None, 2, (3, 1, 1))[0].box for split in SPLITS]
    assert [(box.start[0], box.stop[0]) for box in boxes] == [(0, 4), (4, 6)]
    with pytest.raises(ValueError, match=r"v.h5:raw \(reduced 6 x 1 x 1\) has 3 sections, too few"):
        open_regions(f"{file}:raw", "training", None, 2, (6, 1, 1))


def test_a_label_budget_counts_the_larger_voxels(file):
    regions = opened(file, "0:18,:,:", labelled_sections=[0, 1, 4, 5], labelled_box=":,0:4,:")
    assert [str(region.labelled) for region in regions] == ["0:2,0:4,0:10", "4:6,0:4,0:10"]
    assert regions[0].label[:6, 0, 0].tolist() == [1, 1, -1, -1, 1, 1]
    assert regions[0].label[0, 4:].max() == -1
    assert describe_labels(regions) == f"{file}:labels: 4 sections (0-1, 4-5), y,x 0:4,0:10, 160 voxels"


def test_crops_are_cut_from_the_larger_voxels(file):
    (region,) = opened(file)
    item = CropDataset([region], CROP)[3]
    z, y, x = item["corner"]
    assert item["image"].shape == item["label"].shape == (1, *CROP)
    assert np.array_equal(item["image"][0], region.image[...][z : z + 2, y : y + 4, x : x + 4])
    assert np.array_equal(item["label"][0], region.label[...][z : z + 2, y : y + 4, x : x + 4])


def test_labels_of_another_shape_are_found_where_both_would_be_reduced_to_one(file):
    with pytest.raises(ValueError, match=r"labels .*v.h5:short have shape \(20, 16, 21\) .* \(20, 17, 21\)"):
        opened(file, labels="short")


def test_the_first_lines_and_messages_state_that_a_volume_is_reduced(file):
    (region,) = opened(file)
    assert describe([region]).startswith(
        f"{file}:raw (reduced 1 x 2 x 2), box 0:18,0:8,0:10 (1440 voxels, 30 x 16 x 16"
    )
    assert region.title == f"{file}:raw (reduced 1 x 2 x 2)"
    assert "reduced" not in describe(opened(file, downsample=(1, 1, 1)))
    with pytest.raises(ValueError, match=r"12 voxels along y, the box has 8"):
        labelled_regions(f"{file}:raw", f"{file}:labels", "training", None, (2, 12, 4), downsample=HALF)


def test_what_cannot_be_reduced_is_named(file, tmp_path):
    with pytest.raises(ValueError, match=r"downsample \[1, 2\] of .*v.h5:raw is not three whole numbers"):
        opened(file, downsample=[1, 2])
    with pytest.raises(ValueError, match=r"downsample \[1, 18, 1\]: .*v.h5:raw has 17 voxels along y"):
        opened(file, "0:2,:,:", downsample=[1, 18, 1])
    with pytest.raises(ValueError, match=r"box 0:9,2:3,0:21 of .*v.h5:raw holds no whole block of downsample \[1, 2"):
        image_regions(write_manifest(tmp_path, "0:9,2:3,:", ":,3:17,:"), "training", None, CROP, downsample=(1, 2, 1))


def test_a_runs_own_box_is_evaluated_in_the_voxels_it_was_trained_on():
    recipe = {"volumes": "a.h5:raw", "validation_box": "0:6,:,:", "downsample": [1, 2, 2]}
    assert held_out_box(recipe, "a.h5:raw", (1, 2, 2)) == "0:6,:,:"
    assert held_out_box(recipe, "b.h5:raw", [1, 1, 1]) is None
    assert held_out_box(recipe | {"validation_box": None}, "a.h5:raw", [1, 1, 1]) is None
    with pytest.raises(
        ValueError, match=r"0:6,:,: counts voxels of downsample \[1, 2, 2\], and downsample is \[1, 1, 1\] here"
    ):
        held_out_box(recipe, "a.h5:raw", [1, 1, 1])
    before = {"volumes": "a.h5:raw", "validation_box": "0:6,:,:"}
    assert held_out_box(before, "a.h5:raw") == "0:6,:,:"  # a checkpoint from before there was such a setting
