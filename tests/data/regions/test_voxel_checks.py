"""Unusual voxels, positions and missing parts of a region are reported before training."""

import re

import h5py
import imagecodecs
import numpy as np
import pytest

from scripts.data.files.writing import write_hdf5
from scripts.data.regions.known_labels import KnownLabels
from scripts.data.regions.open_regions import describe, open_regions
from scripts.data.regions.region import Region
from scripts.data.regions.training_regions import image_regions, labelled_regions
from scripts.data.regions.voxel_checks import empty_share
from scripts.data.sampling.crops import CropDataset
from scripts.data.volumes import ArrayVolume, open_volume
from scripts.ops.box import Box

CROP = (2, 4, 4)
RAW = np.random.default_rng(0).integers(0, 256, (20, 64, 64), dtype=np.uint8)
LABELS = np.ones((6, 16, 24), np.uint16)
LABELS[:, :, 12:] = 2
PART = Box((4, 8, 16), (10, 24, 40))


def placed(folder, size=(30, 6, 6), image_offset=None, **attributes) -> tuple[str, str]:
    """An image, and labels of `PART` of it with the attributes."""
    write_hdf5(folder / "raw.h5", {"raw": RAW}, size, attributes=image_offset and {"offset": image_offset})
    write_hdf5(folder / "ids.h5", {"ids": LABELS}, size, attributes=attributes)
    return f"{folder}/raw.h5:raw", f"{folder}/ids.h5:ids"


def opened(paths, box="0:18,:,:", **more):
    return labelled_regions(*paths, "training", box, CROP, **more)


# positions


@pytest.mark.parametrize(
    "stated",
    [
        {"offset": PART.start},
        {"offset_nm": (120, 48, 96)},
        {"offset": (14, 8, 16), "image_offset": (10, 0, 0)},
    ],
)
def test_labels_of_a_part_are_placed_where_they_state_to_be(tmp_path, stated):
    (region,) = opened(placed(tmp_path, **stated))
    assert region.labelled == region.sampling_box == PART
    expected = np.full(RAW.shape, -1)
    expected[PART.slices] = LABELS
    assert np.array_equal(region.label[...], expected)
    assert f"note: {region.image.path}: labels {region.label.path}: its labels are placed at {PART}" in describe(
        [region]
    )
    item = CropDataset([region], CROP)[0]
    z, y, x = item["corner"]
    assert np.array_equal(item["label"][0], expected[z : z + 2, y : y + 4, x : x + 4])


def test_placed_labels_are_reduced_with_their_image(tmp_path):
    (region,) = opened(placed(tmp_path, offset=PART.start), "0:18,:,:", downsample=(1, 2, 2))
    assert region.labelled == Box((4, 4, 8), (10, 12, 20))
    assert region.label[4, 4, 7:15].tolist() == [-1, 1, 1, 1, 1, 1, 1, 2]


def test_sections_are_chosen_within_placed_labels(tmp_path):
    (region,) = opened(placed(tmp_path, offset=PART.start), labelled_sections=[2, 3, 4, 5])
    assert region.labelled == Box((4, 8, 16), (6, 24, 40))
    with pytest.raises(ValueError, match=r"its labels are at 4:10,8:24,16:40, outside the box 0:3,0:64,0:64 to read"):
        opened(placed(tmp_path / "far", offset=PART.start), "0:3,:,:")


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({}, "labels of a part of the image state their first voxel as the attribute offset"),
        ({"offset": (15, 8, 16)}, r"state the position \(15, 8, 16\) .*, which reaches out of the image"),
        ({"offset": (120, 48, 96)}, r"if its numbers are nm, \(4, 8, 16\) in voxels, add the attribute units 'nm'"),
        ({"offset_nm": (120, 51, 96)}, r"begin 4 x 8.5 x 16 voxels .* correct their offset, or cut them"),
        ({"offset": (4, 8, 16), "image_offset": (10, 0, 0)}, "begin -6 x 8 x 16 voxels"),
    ],
)
def test_labels_whose_place_is_not_stated_or_impossible_are_refused(tmp_path, stated, message):
    with pytest.raises(ValueError, match=message):
        opened(placed(tmp_path, **stated))


def test_two_positions_of_volumes_of_one_shape_must_agree(tmp_path):
    write_hdf5(tmp_path / "raw.h5", {"raw": RAW}, (30, 6, 6), attributes={"offset": (0, 0, 0)})
    ids = {"ids": np.ones(RAW.shape, np.uint8)}
    write_hdf5(tmp_path / "ids.h5", ids, (30, 6, 6), attributes={"offset": (1, 0, 0)})
    with pytest.raises(ValueError, match=r"position \(1\.0, 0\.0, 0\.0\) .* image .*, and both have"):
        opened((f"{tmp_path}/raw.h5", f"{tmp_path}/ids.h5"))


# labels of every type


@pytest.mark.parametrize("dtype", ["bool", "u1", "i4", "f4", "f8", ">f4"])
def test_whole_numbers_of_any_type_are_labels(dtype):
    ids = np.array([[[0, 1, 1, 0]]], dtype)
    assert KnownLabels(ArrayVolume(ids))[...].tolist() == [[[0, 1, 1, 0]]]
    assert KnownLabels(ArrayVolume(ids)).dtype.kind == "i"


@pytest.mark.parametrize(("value", "printed"), [(0.5, "0.5"), (np.nan, "nan"), (-2, "-2"), (2.0**25, "3.35544e+07")])
def test_real_numbers_that_are_no_ids_are_named_with_their_place(value, printed):
    ids = np.ones((2, 2, 2), np.float32)
    ids[1, 0, 1] = value
    with pytest.raises(ValueError, match=f"hold {re.escape(printed)}"):
        KnownLabels(ArrayVolume(ids))[...]


def test_unknown_is_minus_one_in_real_numbers_too():
    assert KnownLabels(ArrayVolume(np.array([[[-1.0, 3]]], "f4")))[...].tolist() == [[[-1, 3]]]


# voxels


def test_a_voxel_that_is_not_a_number_is_found_before_training(tmp_path):
    raw = RAW.astype(np.float32)
    raw[10] = np.nan
    np.save(tmp_path / "v.npy", raw)
    with pytest.raises(ValueError, match=r"v\.npy: the voxel .* = \(10, .* is NaN \(not a number\); .*nan_to_num"):
        image_regions(str(tmp_path / "v.npy"), "training", None, CROP, 0, 255)
    assert len(image_regions(str(tmp_path / "v.npy"), "training", None, CROP, 0, 255, nonfinite="skip")) == 1
    with pytest.raises(ValueError, match="nonfinite 'ignore' is not one of refuse, zero, skip"):
        image_regions(str(tmp_path / "v.npy"), "training", None, CROP, 0, 255, nonfinite="ignore")


def test_a_damaged_chunk_in_the_middle_is_found_before_training(tmp_path):
    write_hdf5(tmp_path / "v.h5", {"raw": RAW}, chunks=(4, 64, 64))
    with h5py.File(tmp_path / "v.h5") as file:
        start = file["raw"].id.get_chunk_info(2).byte_offset
    content = bytearray((tmp_path / "v.h5").read_bytes())
    content[start + 8 : start + 40] = bytes(32)
    (tmp_path / "v.h5").write_bytes(content)
    with pytest.raises(OSError, match=r"the chunk at voxel \(8, 0, 0\) \(z, y, x\) cannot be decoded"):
        image_regions(f"{tmp_path}/v.h5:raw", "training", None, CROP)


def test_space_that_was_never_imaged_is_reported_with_its_remedy():
    raw = RAW.copy()
    raw[:, 16:] = 0
    region = Region(ArrayVolume(raw), Box.whole(raw.shape))
    assert empty_share(region) == pytest.approx(0.75, abs=0.15)
    assert "of the sampled tokens hold one value, as space that was never imaged" in describe([region])
    assert "--reject" in describe([region])
    assert "note" not in describe([Region(ArrayVolume(RAW), Box.whole(RAW.shape))])


def test_a_volume_of_one_value_and_large_voxels_are_reported():
    region = Region(ArrayVolume(np.full(RAW.shape, 7, np.uint8), (3e7, 6e6, 6e6)), Box.whole(RAW.shape))
    lines = describe([region])
    assert "every sampled voxel of box 0:20,0:64,0:64 is 7, there is nothing to learn from" in lines
    assert "it states voxels of 3e+07 x 6e+06 x 6e+06 nm (z, y, x), above 1 um" in lines


def test_what_files_lack_is_reported_before_training(tmp_path):
    for z in (0, 1, 3):
        (tmp_path / f"s{z:03}.png").write_bytes(imagecodecs.png_encode(RAW[z]))
    (region,) = open_regions(str(tmp_path), "training", ":,:,:")
    assert f"note: {tmp_path}: 1 numbers are missing from its series of sections (2)" in describe([region])
    assert open_volume(tmp_path).remarks()
