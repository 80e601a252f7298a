"""Metadata of any content end in one line that names the file, or mean what their format says."""

import json
import struct
from pathlib import Path
from typing import Any

import h5py
import imagecodecs
import nibabel
import numpy as np
import pytest
import tifffile
import zarr

from scripts.data.volumes import open_volume
from scripts.data.volumes.n5 import open_n5
from scripts.data.volumes.precomputed import open_precomputed

VOXELS = np.random.default_rng(3).integers(60, 255, (6, 24, 40)).astype(np.uint8)


def ome(folder: Path, transformations: Any = None, unit: Any = "nanometer", image: dict | None = None) -> str:
    """An OME-Zarr image of one level with these coordinate transformations."""
    group = zarr.open_group(folder / "v.zarr", mode="w")
    group.create_array("0", shape=VOXELS.shape, chunks=(3, 24, 40), dtype="u1")[:] = VOXELS
    level = {"path": "0"} if transformations is None else {"path": "0", "coordinateTransformations": transformations}
    axes = [{"name": name, "type": "space", "unit": unit} for name in "zyx"]
    group.attrs["ome"] = {"multiscales": [{"axes": axes, "datasets": [level], **(image or {})}]}
    return str(folder / "v.zarr")


def scale(*numbers: Any) -> dict[str, Any]:
    return {"type": "scale", "scale": list(numbers)}


@pytest.mark.parametrize(
    ("transformations", "message"),
    [
        ([scale(30, 6)], r"the scale \[30, 6\] is not 3 numbers"),
        ([scale("a", 6, 6)], r"the scale \['a', 6, 6\] is not 3 numbers"),
        ([scale(None, 6, 6)], r"the scale \[None, 6, 6\] is not 3 numbers"),
        ([scale(0, 6, 6)], r"is not three positive numbers"),
        ([scale(30, 6, 6), {"type": "translation", "translation": [float("nan"), 0, 0]}], "the translation .nan, 0, 0"),
        ([scale(30, 6, 6), scale(2, 2, 2)], "states a second transformation 'scale', which is not applied"),
        ([{"type": "rotation", "rotation": [[0, 1], [1, 0]]}], "states the transformation 'rotation'"),
        (["scale"], r"coordinateTransformations is \['scale'\]"),
        (5, "coordinateTransformations is 5"),
    ],
)
def test_transformations_that_are_not_applied_are_refused_by_name(tmp_path, transformations, message):
    with pytest.raises(ValueError, match=rf"v\.zarr.*{message}"):
        open_volume(ome(tmp_path, transformations))


@pytest.mark.parametrize("image", [{"axes": 5}, {"axes": None}, {"datasets": {"path": "0"}}, {"datasets": ["0"]}])
def test_an_image_without_its_lists_is_damaged(tmp_path, image):
    with pytest.raises(ValueError, match=r"v\.zarr'.* metadata are damaged"):
        open_volume(ome(tmp_path, image=image))


@pytest.mark.parametrize("path", ["../other.zarr", "/etc", "a/../../other.zarr"])
def test_an_image_cannot_lead_out_of_its_folder(tmp_path, path):
    array = zarr.create_array(tmp_path / "other.zarr", shape=VOXELS.shape, chunks=(3, 24, 40), dtype="u1")
    array[:] = VOXELS
    with pytest.raises(ValueError, match=r"v\.zarr'.* lists no arrays of this folder"):
        open_volume(ome(tmp_path, image={"datasets": [{"path": path}]}))


def test_transformations_of_the_image_apply_to_its_levels(tmp_path):
    moved = {"type": "translation", "translation": [60, 0, 0]}
    volume = open_volume(ome(tmp_path, image={"coordinateTransformations": [scale(30, 6, 6), moved]}))
    assert (volume.voxel_size_nm, volume.position) == ((30, 6, 6), (2, 0, 0))
    both = open_volume(ome(tmp_path, [scale(15, 3, 3)], image={"coordinateTransformations": [scale(2, 2, 2), moved]}))
    assert (both.voxel_size_nm, both.position) == ((30, 6, 6), (2, 0, 0))


@pytest.mark.parametrize(("unit", "problem"), [("yard", "the unit 'yard', which is no length"), (None, "no unit")])
def test_a_unit_that_is_not_known_is_remarked(tmp_path, unit, problem):
    path = ome(tmp_path, [scale(30, 6, 6)], unit)
    (remark,) = open_volume(path).remarks()
    assert remark.startswith(f"its voxels of 30 x 6 x 6 (z, y, x) have {problem}")
    assert open_volume(path, voxel_size_nm=(30, 6, 6)).remarks() == []
    assert open_volume(ome(tmp_path, [scale(1, 1, 1)], None)).remarks() == []


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"scale_factor": "two"}, "has the attribute scale_factor two"),
        ({"offset": [10**400, 0, 0]}, "attribute offset .* is not three numbers"),
        ({"resolution": [30, 6, 6], "voxel_size": [60, 6, 6]}, "states two voxel sizes, resolution .* and voxel_size"),
        ({"offset": [1, 0, 0], "unit": "pixel", "resolution": [30, 6, 6]}, "in the units .* no lengths"),
        ({"axes": "xyz"}, "has the axes x, y, z"),
        ({"axes": "x, y, z"}, "has the axes x, y, z"),
        ({"axes": [{"name": name} for name in "xyz"]}, "has the axes x, y, z"),
        ({"axes": ["c", "y", "x"]}, "axis c is longer than 1"),
        ({"axes": ["depth", "x", "y"]}, "a volume is stored as z, y, x"),
    ],
)
def test_attributes_of_other_forms_are_not_ignored(tmp_path, attributes, message):
    array = zarr.create_array(tmp_path / "v.zarr", shape=VOXELS.shape, chunks=(3, 24, 40), dtype="u1")
    array[:] = VOXELS
    array.attrs.update(attributes)
    with pytest.raises(ValueError, match=rf"v\.zarr.*{message}"):
        open_volume(tmp_path / "v.zarr")


def test_unit_is_read_as_units_is(tmp_path):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["raw"] = VOXELS
        file["raw"].attrs.update({"resolution": (0.03, 0.006, 0.006), "unit": np.bytes_("um"), "offset": (0.06, 0, 0)})
    volume = open_volume(tmp_path / "v.h5")
    assert (volume.voxel_size_nm, volume.position) == ((30, 6, 6), (2, 0, 0))


def test_bits_that_hdf5_keeps_elsewhere_in_a_voxel_are_its_value(tmp_path):
    values = VOXELS.astype("u2") * 8
    kind = h5py.h5t.STD_U16LE.copy()
    kind.set_precision(12)
    kind.set_offset(4)
    with h5py.File(tmp_path / "v.h5", "w") as file:
        dataset = h5py.h5d.create(file.id, b"raw", kind, h5py.h5s.create_simple(values.shape))
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, values)
    assert np.array_equal(open_volume(tmp_path / "v.h5")[:], values)


@pytest.mark.parametrize(
    "change",
    [
        {"resolution": [6, 6]},
        {"resolution": None},
        {"units": ["um"]},
        {"offset": "x"},
        {"offset": [None, 0, 0]},
        {"pixelResolution": {"unit": "nm"}},
        {"transform": {"scale": [30]}},
        {"axes": 5},
    ],
)
def test_damaged_attributes_of_n5_are_one_line(tmp_path, change):
    tensorstore = pytest.importorskip("tensorstore")
    store = {"driver": "file", "path": f"{tmp_path}/v.n5/"}
    metadata = {"dataType": "uint8", "dimensions": [40, 24, 6], "blockSize": [40, 24, 3]}
    metadata |= {"compression": {"type": "raw"}}
    tensorstore.open({"driver": "n5", "kvstore": store, "metadata": metadata}, create=True).result()[:] = VOXELS.T
    attributes = tmp_path / "v.n5" / "attributes.json"
    stored = json.loads(attributes.read_text()) | {"resolution": [6, 6, 30], "offset": [0, 0, 0.06]}
    attributes.write_text(json.dumps(stored | {"units": ["um"] * 3, "resolution": [0.006, 0.006, 0.03]}))
    assert open_n5(f"{tmp_path}/v.n5", None, 0, None, 1).position == (2, 0, 0)
    attributes.write_text(json.dumps(stored | change))
    with pytest.raises(OSError, match=r"v\.n5' is a damaged N5 container \(.+\); correct its metadata"):
        open_volume(tmp_path / "v.n5")


@pytest.mark.parametrize(
    "change", [{"resolution": None}, {"size": "abc"}, {"voxel_offset": [1]}, {"voxel_offset": ["a", 0, 0]}]
)
def test_a_damaged_info_is_one_line(tmp_path, change):
    tensorstore = pytest.importorskip("tensorstore")
    store = {"driver": "file", "path": f"{tmp_path}/v/"}
    spec = {"driver": "neuroglancer_precomputed", "kvstore": store}
    spec |= {"multiscale_metadata": {"data_type": "uint8", "num_channels": 1, "type": "image"}}
    level = {"size": [40, 24, 6], "chunk_size": [40, 24, 3], "resolution": [6, 6, 30], "encoding": "raw"}
    tensorstore.open(spec | {"scale_metadata": level}, create=True).result()[:] = VOXELS.T[..., None]
    info = json.loads((tmp_path / "v" / "info").read_text())
    assert open_precomputed(f"{tmp_path}/v", None, 0, None, 1).voxel_size_nm == (30, 6, 6)
    info["scales"][0] |= change
    (tmp_path / "v" / "info").write_text(json.dumps(info))
    with pytest.raises(OSError, match=r"v' is a damaged precomputed volume \(.+\); correct its metadata"):
        open_volume(tmp_path / "v")


def test_a_mask_that_tifffile_writes_is_the_mask_that_it_reads(tmp_path):
    mask = VOXELS > 100
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    assert np.array_equal(open_volume(tmp_path / "mask.tif")[:], mask)


def test_a_packed_nifti_may_not_unpack_to_more_than_it_promises(tmp_path):
    image = nibabel.Nifti1Image(VOXELS.T, np.diag([6e-6, 6e-6, 30e-6, 1]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "v.nii")
    assert open_volume(tmp_path / "v.nii").voxel_size_nm == (30, 6, 6)
    stored = (tmp_path / "v.nii").read_bytes()
    (tmp_path / "v.nii.gz").write_bytes(imagecodecs.gzip_encode(stored + bytes(2**23)))
    with pytest.raises(ValueError, match=r"v\.nii\.gz' unpacks to more than the 6,112 bytes its header promises"):
        open_volume(tmp_path / "v.nii.gz")


def test_a_png_with_a_transparent_value_and_sections_of_two_series_are_named(tmp_path):
    png = imagecodecs.png_encode(VOXELS[0])
    for name in ("raw_0", "raw_1", "seg_0"):
        (tmp_path / f"{name}.png").write_bytes(png)
    (tmp_path / "²").mkdir()
    (remark,) = open_volume(tmp_path).remarks()
    assert remark.startswith("its sections have names of 2 series (raw_#.png, seg_#.png)")
    chunk = struct.pack(">I4sHI", 2, b"tRNS", 100, 0)
    (tmp_path / "raw_1.png").write_bytes(png[:33] + chunk + png[33:])
    with pytest.raises(ValueError, match=r"raw_1\.png' is grey with a transparent value"):
        open_volume(tmp_path)
