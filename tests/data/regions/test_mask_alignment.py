"""A mask of larger voxels counts what the same mask at the resolution of the image counts."""

import json

import h5py
import numpy as np
import pytest
import zarr

from scripts.data.files.prediction_mask import checked_mask, read_mask
from scripts.data.regions.mask_alignment import UpsampledMask, aligned_mask, mask_factors
from scripts.data.regions.open_regions import describe, open_regions
from scripts.data.volumes import ArrayVolume
from scripts.ops.box import Box

IMAGE, NM = (6, 21, 34), (30.0, 6.0, 6.0)


def coarse(shape, seed=0) -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) < 0.5).astype(np.uint8)


def upsampled(mask: np.ndarray, factors, shape) -> np.ndarray:
    """Slow definition: each voxel of the image has the value of the mask's voxel that it is in, or of the last one."""
    fine = np.empty(shape, mask.dtype)
    for place in np.ndindex(*shape):
        fine[place] = mask[
            tuple(min(at // f, size - 1) for at, f, size in zip(place, factors, mask.shape, strict=True))
        ]
    return fine


@pytest.mark.parametrize(
    ("shape", "factors"),
    [((6, 7, 17), (1, 3, 2)), ((3, 11, 9), (2, 2, 4)), ((6, 10, 8), (1, 2, 4)), ((1, 21, 34), (6, 1, 1))],
)
def test_voxels_are_those_of_the_slow_definition_and_any_box_is_read_alone(shape, factors):
    mask = coarse(shape)
    found = aligned_mask(ArrayVolume(mask), ArrayVolume(np.zeros(IMAGE, np.uint8)))
    assert isinstance(found, UpsampledMask)
    assert found.factors == factors
    expected = upsampled(mask, factors, IMAGE)
    np.testing.assert_array_equal(found[...], expected)
    np.testing.assert_array_equal(found[1:3, 5:18, 7:34], expected[1:3, 5:18, 7:34])
    np.testing.assert_array_equal(found[5, 20], expected[5, 20])


def test_stated_voxel_sizes_decide_where_several_factors_fit():
    mask = coarse((6, 3, 34))  # 21 voxels make 3 at the factors 7, and 8 to 10 with a rest
    assert mask_factors(ArrayVolume(mask), IMAGE, NM) == (1, 7, 1)
    assert mask_factors(ArrayVolume(mask, (30, 60, 6)), IMAGE, NM) == (1, 10, 1)
    assert mask_factors(ArrayVolume(mask, (30, 66, 6)), IMAGE, NM) is None
    assert mask_factors(ArrayVolume(mask, NM), IMAGE, NM) is None
    rest = ArrayVolume(np.zeros((6, 21, 5), np.uint8))  # 34 voxels make 5 at the factors 6 and 7, 8
    assert mask_factors(rest, IMAGE, None) is None


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (ArrayVolume(coarse((6, 21, 40))), r"mask .*shape \(6, 21, 40\) .*, image .*\(6, 21, 34\).*whole numbers"),
        (ArrayVolume(coarse((6, 7, 17), 1), NM), r"\(6, 7, 17\).*\(6, 21, 34\).*attribute offset"),
        (ArrayVolume(coarse((6, 7, 17)), (30, 12, 12)), r"\(6, 7, 17\) and voxels of 30 x 12 x 12 nm.*\(6, 21, 34\)"),
        (ArrayVolume(coarse((21, 34, 6))), r"another order, save both as \(z, y, x\)"),
    ],
)  # fmt: skip
def test_a_mask_of_another_grid_is_one_line_with_both_shapes(mask, message):
    with pytest.raises(ValueError, match=message) as error:
        aligned_mask(mask, ArrayVolume(np.zeros(IMAGE, np.uint8), NM))
    assert "\n" not in str(error.value)


def test_a_coarser_mask_begins_where_its_image_does():
    image = ArrayVolume(np.zeros(IMAGE, np.uint8), NM)
    mask = ArrayVolume(coarse((3, 7, 17)), (60, 18, 12))
    mask.offset_nm = (15.0, 6.0, 3.0)  # the centre of its first voxel, from that of the image's
    assert aligned_mask(mask, image).shape == IMAGE
    mask.offset_nm = (60.0, 0.0, 0.0)
    with pytest.raises(ValueError, match=r"states the position \(1.0, 0.0, 0.0\).*correct the position"):
        aligned_mask(mask, image)


@pytest.fixture
def files(tmp_path):
    """An image, a coarser mask of it, and the prediction of a box of it."""
    mask = coarse((3, 7, 17))
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["raw"] = np.random.default_rng(0).integers(0, 255, IMAGE).astype(np.uint8)
        file["mask"], file["fine"] = mask, upsampled(mask, (2, 3, 2), IMAGE)
        file["odd"] = np.ones((4, 5, 7), np.uint8)
    maps = zarr.create_array(str(tmp_path / "maps.zarr"), shape=(3, 4, 12, 20), dtype="uint8")
    maps[:] = 200
    maps.attrs["settings"] = json.dumps({"volume": f"{tmp_path}/v.h5:raw", "box": "1:5,3:15,2:22"})
    return tmp_path


def test_training_regions_take_a_coarser_mask_and_report_its_voxels(files):
    (region,) = open_regions(f"{files}/v.h5:raw", "training", ":,:,:", mask=f"{files}/v.h5:mask")
    (fine,) = open_regions(f"{files}/v.h5:raw", "training", ":,:,:", mask=f"{files}/v.h5:fine")
    np.testing.assert_array_equal(region.mask[...], fine.mask[...])
    assert (
        f"note: {files}/v.h5:raw: mask {files}/v.h5:mask: each of its voxels is 2 x 3 x 2 of the image's"
        in describe([region])
    )


def test_a_prediction_of_a_box_is_masked_by_a_coarser_mask_of_its_image(files, caplog):
    maps, box = f"{files}/maps.zarr", Box((1, 0, 3), (3, 12, 20))
    with caplog.at_level("INFO"):
        assert checked_mask(f"{files}/v.h5:mask", maps) == f"{files}/v.h5:mask"
    assert "each of its voxels is 2 x 3 x 2 of the prediction's (z, y, x)" in caplog.text
    expected = read_mask(f"{files}/v.h5:fine", maps, box)
    assert expected.any()
    np.testing.assert_array_equal(read_mask(f"{files}/v.h5:mask", maps, box), expected)
    with pytest.raises(
        ValueError, match=r"odd has shape \(4, 5, 7\).*prediction \(4, 12, 20\), its image \(6, 21, 34\)"
    ):
        checked_mask(f"{files}/v.h5:odd", maps)


def test_a_mask_of_an_image_that_cannot_be_read_is_taken_with_a_warning(files, caplog):
    zarr.open_array(str(files / "maps.zarr"), mode="r+").attrs["settings"] = json.dumps(
        {"volume": f"{files}/gone.h5:raw", "box": "1:5,3:15,2:22"}
    )
    with caplog.at_level("INFO"):
        checked_mask(f"{files}/v.h5:fine", f"{files}/maps.zarr")
    assert f"warning: the image '{files}/gone.h5:raw' of the prediction cannot be read" in caplog.text


def test_a_mask_that_could_be_of_the_prediction_or_of_its_image_is_refused_unless_sizes_decide(files):
    np.save(files / "either.npy", np.ones((2, 3, 2), np.uint8))  # 3 x 7 x 17 of the image, 2 x 4 x 10 of the box
    maps, box = f"{files}/maps.zarr", Box.whole((4, 12, 20))
    with pytest.raises(
        ValueError, match="could be larger ones of either: give a mask whose file states its voxel size"
    ):
        read_mask(f"{files}/either.npy", maps, box)
    with h5py.File(files / "v.h5", "r+") as file:
        file["raw"].attrs["resolution"] = NM
        file.create_dataset("stated", data=np.ones((2, 3, 2), np.uint8)).attrs["resolution"] = (90, 42, 102)
    assert read_mask(f"{files}/v.h5:stated", maps, box).all()
