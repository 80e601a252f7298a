"""What a file states about its voxels is applied, or refused by name."""

import json
import os
from pathlib import Path

import h5py
import imagecodecs
import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from scripts.data.files.predictions import read_prediction
from scripts.data.volumes import open_volume
from scripts.data.volumes.images.tiff_chain import PageTags
from scripts.data.volumes.images.tiff_tags import check_pages

VOXELS = np.random.default_rng(3).integers(1, 255, (6, 24, 40)).astype(np.uint8)
CHUNKS = (3, 8, 16)


def nest(folder: Path) -> None:
    """Move the chunks `0.1.2` of a Zarr 2 array to `0/1/2`, as NestedDirectoryStore wrote them."""
    for chunk in [path for path in folder.iterdir() if path.name[0].isdigit()]:
        target = folder / chunk.name.replace(".", "/")
        target.parent.mkdir(parents=True, exist_ok=True)
        os.rename(chunk, target)


# chunks


@pytest.mark.parametrize("order", ["C", "F"])
def test_nested_chunks_are_read_where_the_metadata_do_not_mention_them(tmp_path, order):
    array = zarr.create_array(
        tmp_path / "v.zarr", shape=VOXELS.shape, chunks=CHUNKS, dtype="u1", zarr_format=2, order=order
    )
    array[:] = VOXELS
    nest(tmp_path / "v.zarr")
    metadata = json.loads((tmp_path / "v.zarr" / ".zarray").read_text())
    metadata.pop("dimension_separator", None)
    (tmp_path / "v.zarr" / ".zarray").write_text(json.dumps(metadata))
    assert np.array_equal(open_volume(tmp_path / "v.zarr")[:], VOXELS)
    assert np.array_equal(read_prediction(tmp_path / "v.zarr")[0][0], VOXELS)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_array_without_a_stored_chunk_is_refused(tmp_path, zarr_format):
    zarr.create_array(tmp_path / "v.zarr", shape=VOXELS.shape, chunks=CHUNKS, dtype="u1", zarr_format=zarr_format)
    for read in (open_volume, read_prediction):
        with pytest.raises(ValueError, match=r"v\.zarr' has no stored chunk: .* would read as the fill value 0"):
            read(tmp_path / "v.zarr")


@pytest.mark.parametrize("chunks", [None, CHUNKS])
def test_a_dataset_without_a_stored_voxel_is_refused(tmp_path, chunks):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_dataset("raw", VOXELS.shape, "u1", chunks=chunks, fillvalue=7)
    with pytest.raises(ValueError, match=r"v\.h5:raw' has no stored voxels: .* would read as the fill value 7"):
        open_volume(tmp_path / "v.h5")


# grey values


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_a_tiff_in_which_0_is_white_is_inverted(tmp_path, dtype, compression):
    expected = VOXELS.astype(dtype)
    stored = np.iinfo(dtype).max - expected
    tifffile.imwrite(tmp_path / "v.tif", stored, photometric="miniswhite", compression=compression)
    (tmp_path / "s").mkdir()
    for z in range(3):
        tifffile.imwrite(tmp_path / "s" / f"{z}.tif", stored[z], photometric="miniswhite", compression=compression)
    volume = open_volume(tmp_path / "v.tif")
    assert np.array_equal(volume[:], expected)
    assert volume.remarks() == ["0 is white in this TIFF (photometric 0): its values are inverted"]
    assert np.array_equal(open_volume(tmp_path / "s")[:], expected[:3])


def test_a_tiff_that_states_what_is_not_applied_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "turned.tif", VOXELS, photometric="minisblack", extratags=[(274, "H", 1, 3, True)])
    with pytest.raises(ValueError, match=r"turned\.tif' states the orientation 3, so its rows are not stored from top"):
        open_volume(tmp_path / "turned.tif")
    metadata = {"axes": "ZYX", "cf": 0, "c0": -32768, "c1": 1}
    tifffile.imwrite(tmp_path / "calibrated.tif", VOXELS.astype(np.uint16), imagej=True, metadata=metadata)
    with pytest.raises(ValueError, match=r"calibrated\.tif' has an ImageJ calibration of its grey values \(c0 -32768"):
        open_volume(tmp_path / "calibrated.tif")
    floats = np.zeros((2, 8, 8), np.float32)
    tifffile.imwrite(tmp_path / "float.tif", floats, photometric="miniswhite")
    with pytest.raises(ValueError, match=r"float\.tif' states that 0 is white and holds float32 values"):
        open_volume(tmp_path / "float.tif")


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"scale_factor": 0.5}, r"has the attribute scale_factor 0\.5, by which its values are to be changed"),
        ({"add_offset": [-3.0]}, r"has the attribute add_offset \[-3\.0\]"),
        ({"IMAGE_SUBCLASS": np.bytes_("IMAGE_INDEXED")}, "holds indices into a palette"),
        ({"IMAGE_WHITE_IS_ZERO": 1}, "states IMAGE_WHITE_IS_ZERO, so it is inverted"),
        ({"resolution": (30, 6, 6), "units": "parsec"}, "is in the units .* which are no lengths"),
        ({"offset": (1, 2)}, r"attribute offset \[1, 2\] is not three numbers"),
        ({"offset_nm": (30, 6, 6)}, r"states the offset \[30, 6, 6\] in nm and no size of a voxel"),
    ],
)
def test_attributes_that_change_the_voxels_are_refused_by_name(tmp_path, attributes, message):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["raw"] = VOXELS
        file["raw"].attrs.update(attributes)
    with pytest.raises(ValueError, match=rf"v\.h5:raw.*{message}"):
        open_volume(tmp_path / "v.h5")


def test_attributes_that_change_nothing_are_left_alone(tmp_path):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["raw"] = VOXELS
        file["raw"].attrs.update({"scale_factor": 1.0, "add_offset": 0, "IMAGE_WHITE_IS_ZERO": 0})
    assert np.array_equal(open_volume(tmp_path / "v.h5")[:], VOXELS)


# axes and orientation


@pytest.mark.parametrize("kind", ["hdf5 labels", "ilastik", "zarr 2", "zarr 3"])
@pytest.mark.parametrize(("axes", "refused"), [("zyx", False), ("xyz", True)])
def test_the_order_of_axes_that_a_file_states_is_not_ignored(tmp_path, kind, axes, refused):
    path = tmp_path / ("v.zarr" if "zarr" in kind else "v.h5")
    if "zarr" in kind:
        named: dict = {"dimension_names": tuple(axes)} if kind == "zarr 3" else {}
        array = zarr.create_array(
            path, shape=VOXELS.shape, chunks=CHUNKS, dtype="u1", zarr_format=int(kind[5]), **named
        )
        array[:] = VOXELS
        if kind == "zarr 2":
            array.attrs["_ARRAY_DIMENSIONS"] = list(axes)
    else:
        with h5py.File(path, "w") as file:
            raw = file.create_dataset("raw", data=VOXELS)
            if kind == "ilastik":
                raw.attrs["axistags"] = json.dumps({"axes": [{"key": axis} for axis in axes]})
            else:
                for dimension, axis in zip(raw.dims, axes, strict=True):
                    dimension.label = axis
    if refused:
        with pytest.raises(ValueError, match=r"has the axes x, y, z of shape .* a volume is stored as z, y, x"):
            open_volume(path)
    else:
        assert np.array_equal(open_volume(path)[:], VOXELS)


def test_a_named_axis_of_length_one_is_the_one_left_out(tmp_path):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        raw = file.create_dataset("raw", data=VOXELS[:1, :, :, None])
        raw.attrs["axistags"] = json.dumps({"axes": [{"key": axis} for axis in "zyxc"]})
        two = file.create_dataset("two", data=np.stack([VOXELS, VOXELS]))
        two.attrs["axistags"] = json.dumps({"axes": [{"key": axis} for axis in "czyx"]})
    assert open_volume(tmp_path / "v.h5:raw").shape == (1, 24, 40)
    with pytest.raises(ValueError, match="axis c is longer than 1"):
        open_volume(tmp_path / "v.h5:two")


def test_a_nifti_file_keeps_its_orientation_and_refuses_swapped_axes(tmp_path):
    mirrored = nibabel.Nifti1Image(VOXELS.T, np.diag([-6e-6, -6e-6, 30e-6, 1]))
    nibabel.save(mirrored, tmp_path / "v.nii")
    assert open_volume(tmp_path / "v.nii").orientation == "SPL"
    swapped = np.array([[0, 0, 6e-6, 0], [0, 6e-6, 0, 0], [30e-6, 0, 0, 0], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(VOXELS.T, swapped), tmp_path / "w.nii")
    with pytest.raises(ValueError, match=r"w\.nii' states an orientation \(SAR\) by which its axes are not x, y, z"):
        open_volume(tmp_path / "w.nii")


# voxel size and position


def ome_zarr(folder: Path) -> str:
    """Three levels, `s0` to `s2`, of 30 x 6 x 6 nm and its doubles in plane, moved by 300, 60, 0 nm."""
    group = zarr.open_group(folder / "three.ome.zarr", mode="w", zarr_format=2)
    datasets = []
    for k, step in enumerate((1, 2, 4)):
        level = VOXELS[:, ::step, ::step]
        group.create_array(f"s{k}", shape=level.shape, chunks=CHUNKS, dtype="u1")[:] = level
        moved = [{"type": "translation", "translation": [0.3, 0.06, 0]}]
        scale = [{"type": "scale", "scale": [0.03, 0.006 * step, 0.006 * step]}]
        datasets.append({"path": f"s{k}", "coordinateTransformations": scale + moved})
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    return str(folder / "three.ome.zarr")


def test_one_level_has_one_answer_however_it_is_named(tmp_path):
    path = ome_zarr(tmp_path)
    for volume in (open_volume(path, scale=1), open_volume(f"{path}:s1"), open_volume(f"{path}/s1")):
        assert volume.voxel_size_nm == (30, 12, 12)
        assert volume.offset_nm == (300, 60, 0)
        assert volume.position == (10, 5, 0)
        assert np.array_equal(volume[:], VOXELS[:, ::2, ::2])
    assert open_volume(f"{path}/s1").path == open_volume(f"{path}:s1").path


def test_a_dataset_may_be_named_after_a_slash(tmp_path):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["volumes/raw"], file["other"] = VOXELS, VOXELS
        file.attrs["resolution"] = (30, 6, 6)
    for path in ("v.h5/volumes/raw", "v.h5:volumes/raw", "v.h5:/volumes/raw/", "v.h5:volumes", "v.h5/volumes"):
        volume = open_volume(tmp_path / path)
        assert volume.path == f"{tmp_path}/v.h5:volumes/raw"
        assert volume.voxel_size_nm == (30, 6, 6)
        assert np.array_equal(read_prediction(tmp_path / path)[0][0], VOXELS)
    for read in (open_volume, read_prediction):
        with pytest.raises(ValueError, match=r"v\.h5' has no dataset 'volumes/nope'; there are: other .*, volumes/raw"):
            read(tmp_path / "v.h5/volumes/nope")


def test_a_nested_array_is_found_by_volumes_and_predictions_alike(tmp_path):
    group = zarr.open_group(tmp_path / "p.zarr", mode="w")
    maps = np.random.default_rng(0).random((1, 3, 4, 8, 8), np.float32)
    group.create_array("volumes/affs", shape=maps.shape, chunks=maps.shape, dtype="f4")[:] = maps
    group.create_array("ids", shape=(3,), chunks=(3,), dtype="u1")[:] = 1
    for path in ("p.zarr", "p.zarr:volumes/affs", "p.zarr:volumes", "p.zarr/volumes/affs"):
        assert np.array_equal(read_prediction(tmp_path / path)[0], maps[0])
    for read in (open_volume, read_prediction):
        with pytest.raises(ValueError, match=r"p\.zarr' has no array 'volumes/nope'; there are: ids .*, volumes/affs"):
            read(f"{tmp_path}/p.zarr:volumes/nope")
        with pytest.raises(ValueError, match=r"affs' has no array 'x': it is one array|no array 'volumes/affs/x'"):
            read(f"{tmp_path}/p.zarr:volumes/affs/x")


@pytest.mark.parametrize(
    ("attributes", "size", "position"),
    [
        ({"resolution": (30, 6, 6), "offset": (1, 2, 3)}, (30, 6, 6), (1, 2, 3)),
        ({"resolution": (0.03, 0.006, 0.006), "units": ["um"] * 3}, (30, 6, 6), None),
        ({"voxel_size": (30, 6, 6), "offset": (60, 6, 0)}, (30, 6, 6), (2, 1, 0)),
        ({"voxel_size_nm": (30, 6, 6), "offset_nm": (60, 3, 0)}, (30, 6, 6), (2, 0.5, 0)),
        ({"element_size_um": (0.03, 0.006, 0.006)}, (30, 6, 6), None),
        ({"offset": (4, 0, 0)}, None, (4, 0, 0)),
    ],
)
@pytest.mark.parametrize("kind", ["hdf5", "zarr"])
def test_sizes_and_positions_are_read_in_their_units(tmp_path, kind, attributes, size, position):
    if kind == "zarr":
        array = zarr.create_array(tmp_path / "v.zarr", shape=VOXELS.shape, chunks=CHUNKS, dtype="u1")
        array[:] = VOXELS
        array.attrs.update(
            {name: value if isinstance(value, str) else list(value) for name, value in attributes.items()}
        )
    else:
        with h5py.File(tmp_path / "v.h5", "w") as file:
            file["raw"] = VOXELS
            file.attrs.update(attributes)
    volume = open_volume(tmp_path / ("v.zarr" if kind == "zarr" else "v.h5"))
    assert (volume.voxel_size_nm, volume.position) == (size, position)


def test_a_nifti_file_without_a_unit_has_an_unknown_voxel_size(tmp_path):
    nibabel.save(nibabel.Nifti1Image(VOXELS.T, np.diag([6, 6, 30, 1])), tmp_path / "v.nii")
    volume = open_volume(tmp_path / "v.nii")
    assert volume.voxel_size_nm is None
    (remark,) = volume.remarks()
    assert remark.startswith("it states voxels of 30 x 6 x 6 (z, y, x) without a unit")


# what is absent


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["s000", "s001", "s003", "s006"], [2, 4, 5]),
        (["s1", "s2", "s3"], []),
        (["a_2_z010", "a_2_z020", "a_2_z040"], [30]),
        (["x1_y1", "x1_y2", "x2_y4"], []),
        (["20240101120000", "20240101120359", "20240102094512"], []),
        (["first", "second", "third"], []),
    ],
)
def test_numbers_missing_from_a_series_of_sections_are_named(tmp_path, names, missing):
    for name in names:
        (tmp_path / f"{name}.png").write_bytes(imagecodecs.png_encode(VOXELS[0]))
    remarks = open_volume(tmp_path).remarks()
    assert len(remarks) == bool(missing)
    if missing:
        shown = ", ".join(map(str, missing))
        assert remarks[0].startswith(f"{len(missing)} numbers are missing from its series of sections ({shown}): ")


# what leads out of a file, and what needs a filter


def test_voxels_in_other_files_are_not_followed(tmp_path):
    (tmp_path / "voxels").write_bytes(VOXELS.tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["raw"] = VOXELS
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_dataset("outside", VOXELS.shape, "u1", external=[(str(tmp_path / "voxels"), 0, VOXELS.nbytes)])
        file["link"] = h5py.ExternalLink("other.h5", "raw")
        layout = h5py.VirtualLayout(VOXELS.shape, "u1")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "raw", VOXELS.shape)
        file.create_virtual_dataset("virtual", layout)
    for name in ("outside", "virtual"):
        with pytest.raises(ValueError, match=rf"v\.h5:{name}' keeps its voxels in other files"):
            open_volume(tmp_path / f"v.h5:{name}")
    with pytest.raises(ValueError, match=r"v\.h5:link' is a link to the file 'other\.h5', which is not followed"):
        open_volume(tmp_path / "v.h5:link")


def test_a_filter_that_is_not_installed_is_named_with_its_remedy(tmp_path):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk(CHUNKS)
        properties.set_filter(32026, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple(VOXELS.shape)
        dataset = h5py.h5d.create(file.id, b"raw", h5py.h5t.NATIVE_UINT8, space, properties)
        dataset.write_direct_chunk((0, 0, 0), b"some bytes of Blosc2")
    if h5py.h5z.filter_avail(32026):
        pytest.skip("hdf5plugin is installed")
    with pytest.raises(
        ImportError, match=r"v\.h5:raw' is compressed by the HDF5 filter Blosc2, .*pip install hdf5plugin"
    ):
        open_volume(tmp_path / "v.h5")


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        (
            {"photometric": "miniswhite"},
            r"pages differ in how they are stored|page 2 states the photometric 0, page 0 1",
        ),
        ({"extratags": [(274, "H", 1, 3, True)]}, r"page 2 states the orientation 3, page 0 1"),
    ],
)
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("big", [False, True])
def test_a_page_that_states_other_things_than_the_first_is_refused(tmp_path, tag, message, compression, big):
    with tifffile.TiffWriter(tmp_path / "v.tif", bigtiff=big) as file:
        for number, section in enumerate(VOXELS):
            options = {"photometric": "minisblack"} | (tag if number == 2 else {})
            file.write(section, compression=compression, contiguous=False, metadata=None, **options)
    with pytest.raises(ValueError, match=rf"v\.tif': .*({message})"):
        open_volume(tmp_path / "v.tif")


def test_the_resolution_of_an_imagej_stack_is_that_of_all_pages(tmp_path):
    tifffile.imwrite(tmp_path / "v.tif", VOXELS, imagej=True, resolution=(100, 100), metadata={"axes": "ZYX"})
    assert open_volume(tmp_path / "v.tif").shape == VOXELS.shape
    pages = [PageTags(resolution=(100, 100)), PageTags(resolution=(50, 100))]
    check_pages(pages, "v.tif")
    with pytest.raises(ValueError, match=r"page 1 states the resolution \(50, 100\), page 0 \(100, 100\)"):
        check_pages(pages, "v.tif", calibrated=True)


@pytest.mark.parametrize(
    ("stated", "size"),
    [
        ({"spacing": 30, "unit": "micron", "zunit": "nm"}, (30, 8, 4)),
        ({"spacing": 0.03, "unit": "micron", "yunit": "nm"}, (30, 0.008, 4)),
        ({"spacing": -0.03, "unit": "micron"}, (30, 8, 4)),  # ImageJ leaves the sign out
    ],
)
def test_the_voxel_size_of_an_imagej_stack_is_in_the_unit_of_each_axis(tmp_path, stated, size):
    pitch = 1 / 0.004, 1 / 0.008  # along x and y
    tifffile.imwrite(tmp_path / "v.tif", VOXELS, imagej=True, resolution=pitch, metadata={"axes": "ZYX", **stated})
    assert open_volume(tmp_path / "v.tif").voxel_size_nm == pytest.approx(size, rel=1e-4)


@pytest.mark.parametrize(("axes", "read"), [("ZYX", True), ("TYX", True), ("XYZ", False), ("ZXY", False)])
def test_the_order_of_axes_that_a_tiff_states_is_not_ignored(tmp_path, axes, read):
    tifffile.imwrite(tmp_path / "v.tif", VOXELS, photometric="minisblack", metadata={"axes": axes})
    if read:
        assert np.array_equal(open_volume(tmp_path / "v.tif")[:], VOXELS)
    else:
        with pytest.raises(ValueError, match=f"has the axes {axes} of shape .* where a volume has z, y, x"):
            open_volume(tmp_path / "v.tif")


def test_several_images_of_one_ome_tiff_are_not_left_out(tmp_path):
    with tifffile.TiffWriter(tmp_path / "v.tif", ome=True) as file:
        for name in ("raw", "labels"):
            file.write(VOXELS, photometric="minisblack", metadata={"axes": "ZYX", "Name": name})
    with pytest.raises(ValueError, match=r"v\.tif' holds 2 OME images \('raw' \(6, 24, 40\), 'labels' "):
        open_volume(tmp_path / "v.tif")


# predictions


@pytest.mark.parametrize("kind", ["hdf5", "zarr", "ome-zarr"])
@pytest.mark.parametrize(("axes", "read"), [("czyx", True), ("zyxc", False), ("zcyx", False), ("cxyz", False)])
def test_the_order_of_axes_that_a_prediction_states_is_not_ignored(tmp_path, kind, axes, read):
    maps = np.zeros((3, 4, 8, 6), np.float32)
    if kind == "hdf5":
        path = tmp_path / "v.h5"
        with h5py.File(path, "w") as file:
            dataset = file.create_dataset("exported_data", data=maps)
            dataset.attrs["axistags"] = json.dumps({"axes": [{"key": axis} for axis in axes]})
    else:
        path = tmp_path / "v.zarr"
        group = zarr.open_group(path, mode="w", zarr_format=2 if kind == "ome-zarr" else 3)
        named = {} if kind == "ome-zarr" else {"dimension_names": tuple(axes)}
        group.create_array("0", shape=maps.shape, chunks=maps.shape, dtype=maps.dtype, **named)[:] = maps + 1
        if kind == "ome-zarr":
            image = {"axes": [{"name": axis} for axis in axes], "datasets": [{"path": "0"}]}
            group.attrs["multiscales"] = [image]
    if read:
        assert read_prediction(path)[0].shape == maps.shape
    else:
        with pytest.raises(ValueError, match=f"has the axes {', '.join(axes)} of shape .* where a prediction has chan"):
            read_prediction(path)


def test_attributes_that_change_the_values_of_a_prediction_are_refused_by_name(tmp_path):
    array = zarr.create_array(tmp_path / "v.zarr", shape=(3, 4, 8, 6), chunks=(3, 4, 8, 6), dtype="u1")
    array[:], array.attrs["scale_factor"] = 128, 1 / 255
    with pytest.raises(ValueError, match=r"v\.zarr' has the attribute scale_factor 0\.0039"):
        read_prediction(tmp_path / "v.zarr")


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("turned", [1, 6])
def test_a_section_that_viewers_turn_is_refused(tmp_path, suffix, turned):
    exif = Image.Exif()
    exif[274] = turned
    for z in range(3):
        image = Image.fromarray(VOXELS[z].astype(np.uint8))
        image.save(tmp_path / f"s{z}.{suffix}", **({"exif": exif} if z == 1 else {}))
    if turned == 1:
        assert open_volume(tmp_path).shape == (3, *VOXELS.shape[1:])
    else:
        with pytest.raises(ValueError, match=rf"s1\.{suffix}' states the Exif orientation 6, by which viewers turn"):
            open_volume(tmp_path)
