"""Every format gives the same voxels through the same interface."""

import os
import pickle

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.data.volumes import ArrayVolume, open_volume

TELLS_VOXEL_SIZE = (".h5:raw", ".zarr", ".nii", ".nii.gz")


def _slices(size: int):
    bound = st.none() | st.integers(-size - 2, size + 2)
    step = st.none() | st.integers(-4, 4).filter(bool)
    return st.builds(slice, bound, bound, step) | st.integers(-size, size - 1)


def test_every_format_has_the_shape_type_and_voxels_of_the_array(written, voxels):
    with open_volume(written) as volume:
        assert (volume.shape, volume.dtype, volume.ndim, len(volume)) == (voxels.shape, np.uint16, 3, 7)
        assert volume.dtype.isnative
        crop = volume[1:5, 3:20, 30:]
        assert np.array_equal(crop, voxels[1:5, 3:20, 30:])
        assert crop.dtype == np.uint16
        assert crop.dtype.isnative
        assert crop.flags.c_contiguous
        assert np.array_equal(np.asarray(volume), voxels)


def test_voxel_sizes_are_in_nm_whatever_the_file_states(written):
    volume = open_volume(written)
    if written.endswith(TELLS_VOXEL_SIZE):
        assert volume.voxel_size_nm == pytest.approx((30, 6, 6))
    assert volume.voxel_size_nm is None or volume.voxel_size_nm == pytest.approx((30, 6, 6))
    assert open_volume(written, voxel_size_nm=(40, 8, 8)).voxel_size_nm == (40, 8, 8)


@pytest.mark.parametrize("kind", ["imagej", "ome-tiff"])
def test_tiff_voxel_sizes_come_from_imagej_and_ome(kind, write, voxels):
    assert open_volume(write(kind, voxels)).voxel_size_nm == pytest.approx((30, 6, 6))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.tuples(_slices(7), _slices(20), _slices(33)))
def test_any_index_gives_what_numpy_gives(written, voxels, key):
    volume = _kept_open(written)
    assert np.array_equal(volume[key], voxels[key])
    assert np.shape(volume[key]) == voxels[key].shape


@pytest.mark.parametrize("key", [3, slice(2, 4), (..., 5), (slice(None), 2), (..., slice(1, 3), 4), (1, 2, 3), ()])
def test_fewer_indices_and_an_ellipsis_mean_what_they_mean_in_numpy(key, written, voxels):
    assert np.array_equal(_kept_open(written)[key], voxels[key])


def test_a_read_may_be_written_to_without_touching_the_volume(written, voxels):
    volume = _kept_open(written)
    volume[0:2][:] = 0
    volume[0:3, 0:8, 0:16][:] = 0
    assert np.array_equal(volume[0:3], voxels[0:3])


def test_a_volume_pickles_to_less_than_two_kilobytes_and_reads_again(written, voxels):
    volume = open_volume(written)
    first = volume[2:4]
    pickled = pickle.dumps(volume)
    assert len(pickled) < 2048
    again = pickle.loads(pickled)
    assert np.array_equal(again[2:4], first)
    assert (again.shape, again.voxel_size_nm, again.path) == (volume.shape, volume.voxel_size_nm, volume.path)
    assert np.array_equal(first, voxels[2:4])


def test_a_closed_volume_opens_again_when_it_is_read(written, voxels):
    volume = open_volume(written)
    volume[0]
    volume.close()
    assert np.array_equal(volume[3], voxels[3])


def test_the_path_of_a_volume_opens_it_again(written, voxels):
    assert np.array_equal(open_volume(open_volume(written).path)[:], voxels)


@pytest.mark.parametrize("kind", ["hdf5 gzip", "zarr 3 default", "npy", "nifti", "tiff"])
@pytest.mark.parametrize("dtype", ["u1", "i4", "f4", "f8", "u4"])
def test_types_survive(kind, dtype, write, voxels):
    array = (voxels % 251).astype(dtype)
    volume = open_volume(write(kind, array))
    assert volume.dtype == array.dtype
    assert np.array_equal(volume[:], array)


def test_jpeg_sections_decode_to_nearly_what_was_written(tmp_path):
    import imagecodecs

    ramp = np.tile(np.arange(0, 64, dtype=np.uint8), (3, 48, 1))
    for z, section in enumerate(ramp):
        (tmp_path / f"{z}.JPG").write_bytes(imagecodecs.jpeg8_encode(section, level=98))
    volume = open_volume(tmp_path)
    assert (volume.shape, volume.dtype) == ((3, 48, 64), np.uint8)
    assert np.abs(volume[1].astype(int) - ramp[1]).max() <= 3


def test_nifti_scaling_is_applied(tmp_path, voxels):
    import nibabel

    image = nibabel.Nifti1Image(voxels.T.astype(np.int16), np.eye(4))
    image.header.set_slope_inter(0.5, 10)
    image.to_filename(tmp_path / "v.nii")
    stored = nibabel.load(tmp_path / "v.nii")
    volume = open_volume(tmp_path / "v.nii")
    assert volume.dtype == np.float32
    assert volume.voxel_size_nm is None  # sizes of one in no unit: nobody set them
    assert np.allclose(volume[1:3], np.asarray(stored.dataobj).T[1:3])


def test_the_scale_level_of_an_ome_zarr_is_chosen(write, voxels):
    path = write("ome-zarr", voxels)
    half = open_volume(path, scale=1)
    assert (half.shape, half.voxel_size_nm) == ((7, 10, 17), (30, 12, 12))
    assert np.array_equal(half[2:5], voxels[2:5, ::2, ::2])
    with pytest.raises(ValueError, match=r"has no scale 2; there are: 0 \('0'\), 1 \('1'\)"):
        open_volume(path, scale=2)


def test_an_image_one_group_down_is_found_and_may_be_named(tmp_path, write, voxels):
    import zarr

    zarr.open_group(tmp_path / "whole.zarr", mode="w", zarr_format=2).attrs["bioformats2raw.layout"] = 3
    os.rename(write("ome-zarr", voxels), tmp_path / "whole.zarr" / "0")
    for path in (tmp_path / "whole.zarr", f"{tmp_path / 'whole.zarr'}:0"):
        assert open_volume(path, scale=1).shape == (7, 10, 17)


def test_ome_zarr_0_5_in_zarr_3_is_read(tmp_path, voxels):
    import zarr

    group = zarr.open_group(tmp_path / "v.zarr", mode="w", zarr_format=3)
    group.create_array("s0", shape=voxels.shape, dtype=voxels.dtype, chunks=(7, 20, 33))[:] = voxels
    levels = [{"path": "s0", "coordinateTransformations": [{"type": "scale", "scale": [3, 0.6, 0.6]}]}]
    image = {
        "axes": [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"],
        "datasets": levels,
        "coordinateTransformations": [{"type": "scale", "scale": [10, 10, 10]}],
    }
    group.attrs["ome"] = {"version": "0.5", "multiscales": [image]}
    volume = open_volume(tmp_path / "v.zarr")
    assert volume.voxel_size_nm == (30, 6, 6)
    assert np.array_equal(volume[:], voxels)


def test_the_only_3d_dataset_is_taken_and_its_own_attribute_counts_first(tmp_path, voxels):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["ids"] = np.arange(4)
        file["deep/raw"] = voxels
        file["deep/raw"].attrs["voxel_size_nm"] = (50, 4, 4)
        file.attrs["resolution"] = (30, 6, 6)
    volume = open_volume(tmp_path / "v.h5")
    assert volume.path == f"{tmp_path / 'v.h5'}:deep/raw"
    assert volume.voxel_size_nm == (50, 4, 4)


def test_chunks_never_written_are_the_fill_value(tmp_path):
    import zarr

    with h5py.File(tmp_path / "v.h5", "w") as file:
        chunked = file.create_dataset("chunked", (8, 8, 8), "u1", chunks=(4, 4, 4), fillvalue=7, compression="gzip")
        chunked[0, 0, 0] = 1
        plain = file.create_dataset("plain", (8, 8, 8), "u1", fillvalue=9)
        plain[0, 0, 0] = 1
    zarr.create_array(tmp_path / "v.zarr", shape=(8, 8, 8), chunks=(4, 4, 4), dtype="u1", fill_value=5)[0, 0, 0] = 1
    for path, fill in ((tmp_path / "v.h5:chunked", 7), (tmp_path / "v.zarr", 5)):
        volume = open_volume(path)
        assert volume[0, 0, :2].tolist() == [1, fill]
        assert (volume[4:] == fill).all()
        assert volume.remarks() == [f"7 of 8 chunks were never written and read as {fill}"]
    plain = open_volume(f"{tmp_path / 'v.h5'}:plain")
    assert plain.remarks() == []
    assert plain[0, 0, :2].tolist() == [1, 9]


def test_an_array_in_memory_has_the_same_face(voxels):
    volume = ArrayVolume(voxels.astype(">u2"), voxel_size_nm=(30, 6, 6))
    assert (volume.shape, volume.dtype, volume.voxel_size_nm) == (voxels.shape, np.uint16, (30.0, 6.0, 6.0))
    crop = volume[1:3, ::-2, 4]
    assert np.array_equal(crop, voxels[1:3, ::-2, 4])
    crop[:] = 0
    assert np.array_equal(volume[:], voxels)


@pytest.mark.skipif("SEM_DATA_DIR" not in os.environ, reason="SEM_DATA_DIR names no folder with real volumes")
def test_boxes_of_a_real_volume_are_what_h5py_reads():
    path = os.path.join(os.environ["SEM_DATA_DIR"], "snemi3d_ac4_train.h5")
    random = np.random.default_rng(0)
    with h5py.File(path, "r") as file, open_volume(f"{path}:raw") as raw, open_volume(f"{path}:labels") as labels:
        assert raw.voxel_size_nm == (30, 6, 6)
        for _ in range(25):
            corner = random.integers(0, (94, 928, 928))
            box = tuple(slice(low, low + size) for low, size in zip(corner, (6, 96, 96), strict=True))
            assert np.array_equal(raw[box], file["raw"][box])
            assert np.array_equal(labels[box], file["labels"][box])


_open: dict = {}


def _kept_open(path: str):
    return _open.setdefault(path, open_volume(path))
