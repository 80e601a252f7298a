"""Masks: a rule or a volume decides which voxels count, at every resolution, and what does not count is unknown."""

import h5py
import numpy as np
import pytest

from scripts.data.regions.box_dataset import BoxDataset
from scripts.data.regions.open_regions import describe, open_regions
from scripts.data.regions.training_regions import image_regions, labelled_regions
from scripts.data.regions.volume_mask import masks_of, open_mask, rule_value
from scripts.data.sampling.crops import CropDataset
from scripts.data.volumes import ArrayVolume

ROW = np.array([[[0, 7, 255, -1]]], np.int16)


@pytest.fixture
def files(tmp_path):
    """An image of noise with 8 empty columns on the left, labels of two cells, and masks."""
    grey = np.random.default_rng(0).integers(1, 255, (8, 32, 32)).astype(np.uint8)
    grey[:, :, :8] = 0
    labels = np.ones(grey.shape, np.uint16)
    labels[:, 16:] = 2
    inside = np.ones(grey.shape, np.uint8)
    inside[:, :, :20] = 0
    path = tmp_path / "v.h5"
    with h5py.File(path, "w") as file:
        file["raw"], file["labels"], file["inside"], file["none"] = grey, labels, inside, np.zeros_like(inside)
        file["part"] = np.ones((4, 8, 8), np.uint8)
        file["part"].attrs["offset"] = (2, 8, 16)
        file["small"] = np.ones((4, 8, 9), np.uint8)
    return path


@pytest.mark.parametrize(
    ("mask", "expected"), [("nonzero", [False, True, True, True]), ("not:255", [True, True, False, True])]
)
def test_a_rule_compares_grey_values(mask, expected):
    assert open_mask(mask, ArrayVolume(ROW))[...].tolist() == [[expected]]


def test_a_mask_volume_counts_neither_0_nor_unknown(tmp_path):
    np.save(tmp_path / "m.npy", ROW)
    image = ArrayVolume(np.zeros(ROW.shape, np.uint8))
    assert open_mask(tmp_path / "m.npy", image)[...].tolist() == [[[False, True, True, False]]]


def test_a_mask_of_a_part_is_placed_and_nothing_around_it_counts(files):
    (region,) = open_regions(f"{files}:raw", "training", ":,:,:", mask=f"{files}:part")
    expected = np.zeros((8, 32, 32), bool)
    expected[2:6, 8:16, 16:24] = True
    np.testing.assert_array_equal(region.mask[...], expected)
    assert f"mask {files}:part" in describe([region])


@pytest.mark.parametrize("mask", ["nonzero", "inside"])
def test_a_mask_follows_the_image_to_a_coarser_resolution(files, mask):
    word = mask if mask == "nonzero" else f"{files}:{mask}"
    (region,) = open_regions(f"{files}:raw", "training", ":,:,:", downsample=(1, 2, 2), mask=word)
    first = 4 if mask == "nonzero" else 10
    expected = np.broadcast_to(np.arange(16) >= first, (8, 16, 16))
    np.testing.assert_array_equal(region.mask[...], expected)


def test_masked_labels_are_unknown_and_boxes_hold_the_mask(files):
    (region,) = labelled_regions(f"{files}:raw", f"{files}:labels", "training", ":,:,:", (2, 8, 8), mask="nonzero")
    label = region.label[...]
    assert (label[:, :, :8] == -1).all()
    assert (label[:, :16, 8:] == 1).all()
    assert (label[:, 16:, 8:] == 2).all()
    item = BoxDataset([region])[0]
    np.testing.assert_array_equal(item["unmasked"][0], label >= 0)


def test_every_crop_is_centred_on_a_voxel_that_counts(files):
    (region,) = image_regions(f"{files}:raw", "training", ":,:,:", (2, 8, 8), mask=f"{files}:inside")
    crops = CropDataset([region], (2, 8, 8), seed=3)
    items = [crops[k] for k in range(64)]
    columns = np.array([item["corner"][2] for item in items])
    assert columns.min() >= 16  # centre 4 voxels further, at 20 or more
    assert columns.max() == 24  # and centres near the border of the volume occur
    for item in items[:8]:
        z, y, x = item["corner"]
        np.testing.assert_array_equal(item["unmasked"][0], np.broadcast_to(np.arange(x, x + 8) >= 20, (2, 8, 8)))
        np.testing.assert_array_equal(item["image"][0], region.image[z : z + 2, y : y + 8, x : x + 8])


def test_labelled_crops_carry_the_mask_in_their_labels_alone(files):
    (region,) = labelled_regions(f"{files}:raw", f"{files}:labels", "training", ":,:,:", (2, 8, 8), mask="nonzero")
    item = CropDataset([region], (2, 8, 8), seed=0)[0]
    assert "unmasked" not in item
    np.testing.assert_array_equal(item["label"] == -1, item["image"] == 0)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ("none", r"none is 0 in all of 0:8,0:32,0:32 .* no voxel is left to sample"),
        ("small", r"mask .*small has shape \(4, 8, 9\).* states its first voxel as the attribute offset"),
        ("absent", r"mask: .*absent.*; a mask is a volume, or the rule nonzero or not:255"),
        ("not:white", r"mask 'not:white': give the grey value of empty space, such as not:255"),
    ],
)
def test_a_mask_that_cannot_be_used_is_refused_by_name(files, mask, message):
    word = mask if mask.startswith("not:") else f"{files}:{mask}"
    with pytest.raises(ValueError, match=message):
        image_regions(f"{files}:raw", "training", ":,:,:", (2, 8, 8), mask=word)


def test_one_mask_for_each_volume():
    assert masks_of("nonzero", ["a", "b"]) == ["nonzero", "nonzero"]
    assert masks_of(["x.h5", "not:255"], ["a", "b"]) == ["x.h5", "not:255"]
    with pytest.raises(ValueError, match=r"1 masks for 2 volumes \(a, b\); give one for each"):
        masks_of(["x.h5"], ["a", "b"])
    assert rule_value("my_mask.h5:not") is None
