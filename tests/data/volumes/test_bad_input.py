"""Input that cannot be read is refused with its path, what is wrong, and what to do."""

import json
import os
from pathlib import Path

import h5py
import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr

from scripts.data.volumes import ArrayVolume, open_volume

VOXELS = np.random.default_rng(1).integers(0, 255, (6, 24, 40)).astype(np.uint8)
MENDED = "copy|download|export|write|wait"


def _cut(path: str, share: float) -> str:
    file = path.removesuffix(":raw")
    os.truncate(file, int(os.path.getsize(file) * share))
    return path


def test_a_missing_file_is_named_with_one_of_a_similar_name(tmp_path):
    np.save(tmp_path / "cortex.npy", VOXELS)
    with pytest.raises(FileNotFoundError, match=r"no volume '.*cortx\.npy'; did you mean 'cortex\.npy'"):
        open_volume(tmp_path / "cortx.npy")
    with pytest.raises(FileNotFoundError, match=r"no volume '.*far/v\.h5'; its folder '.*far' does not exist"):
        open_volume(tmp_path / "far" / "v.h5:raw")


@pytest.mark.parametrize("name", ["v.mrc", "v", "v.npz", "v.zarr"])
def test_an_unknown_format_is_answered_with_the_known_ones(tmp_path, name):
    (tmp_path / name).write_bytes(b"something")
    with pytest.raises(
        ValueError, match=rf"'.*{name}' is of an unknown format; known are: HDF5 .*Zarr.*TIFF.*NIfTI.*npy"
    ):
        open_volume(tmp_path / name)


def test_an_address_of_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match=r"'ftp://host/v\.zarr' is an address of a kind that is not read; .* http"):
        open_volume("ftp://host/v.zarr")


def test_datasets_there_are_are_listed(tmp_path):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["raw"], file["deep/labels"], file["ids"] = VOXELS, VOXELS, np.arange(3)
    with pytest.raises(
        ValueError, match=r"no dataset 'image'; there are: deep/labels \(6, 24, 40\) uint8, ids .*, raw"
    ):
        open_volume(tmp_path / "v.h5:image")
    assert open_volume(tmp_path / "v.h5:deep").path.endswith(":deep/labels")
    with pytest.raises(ValueError, match=r"no dataset 'dee'; there are"):
        open_volume(tmp_path / "v.h5:dee")
    with pytest.raises(ValueError, match=r"has 2 3D datasets; there are: .*; name one, such as '.*v\.h5:deep/labels'"):
        open_volume(tmp_path / "v.h5")


def test_zarr_arrays_there_are_are_listed(tmp_path):
    group = zarr.open_group(tmp_path / "v.zarr", mode="w")
    for name in ("raw", "deep/labels"):
        group.create_array(name, shape=VOXELS.shape, chunks=(6, 8, 8), dtype="u1")[:] = VOXELS
    assert open_volume(tmp_path / "v.zarr:deep").path.endswith(":deep/labels")
    with pytest.raises(ValueError, match=r"no array 'image'; there are: deep/labels \(6, 24, 40\) uint8, raw"):
        open_volume(tmp_path / "v.zarr:image")
    with pytest.raises(ValueError, match=r"has 2 3D arrays; .* name one, such as '.*v\.zarr:raw'"):
        open_volume(tmp_path / "v.zarr")
    with pytest.raises(ValueError, match=r"scale 1 was requested of .*raw'"):
        open_volume(tmp_path / "v.zarr:raw", scale=1)


@pytest.mark.parametrize(
    "kind", ["npy", "hdf5 contiguous", "hdf5 gzip", "zarr 2 default", "zarr 3 default", "tiff zlib"]
)
@pytest.mark.parametrize("shape", [(24, 40), (2, 3, 24, 40)])
def test_two_or_four_axes_are_refused(tmp_path, kind, shape):
    array = np.zeros(shape, np.uint8)
    if kind == "npy":
        np.save(tmp_path / "v.npy", array)
    elif kind.startswith("hdf5"):
        with h5py.File(tmp_path / "v.h5", "w") as file:
            file.create_dataset("raw", data=array, chunks=True if "gzip" in kind else None)
    elif kind.startswith("zarr"):
        zarr.create_array(tmp_path / "v.zarr", shape=shape, chunks=shape, dtype="u1", zarr_format=int(kind[5]))
    else:
        axes = "YX" if len(shape) == 2 else "TZYX"
        tifffile.imwrite(tmp_path / "v.tif", array, metadata={"axes": axes}, ome=True, compression="zlib")
    path = next(tmp_path.iterdir())
    with pytest.raises(ValueError, match=rf"'{path}.*axes.*(2, )?.*24, 40\)"):
        open_volume(f"{path}:raw" if path.suffix == ".h5" else path)


def test_voxels_that_are_no_numbers_are_refused(tmp_path):
    np.save(tmp_path / "c.npy", np.zeros((2, 2, 2), complex))
    with pytest.raises(ValueError, match="complex128, not whole or real numbers; save it as uint8"):
        open_volume(tmp_path / "c.npy")
    with pytest.raises(ValueError, match="the array' has no voxels"):
        ArrayVolume(np.zeros((0, 4, 4)))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.7, 0.97])
@pytest.mark.parametrize(
    "kind",
    ["npy", "hdf5 contiguous", "hdf5 gzip", "tiff", "tiff zlib", "tiff pages apart", "imagej", "nifti", "nifti gz"],
)
def test_a_file_that_is_cut_off_is_refused_when_it_is_opened(kind, share, write):
    path = _cut(write(kind, VOXELS), share)
    with pytest.raises((ValueError, OSError), match=rf"'{path.removesuffix(':raw')}.*({MENDED})"):
        open_volume(path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.97])
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_a_section_that_is_cut_off_is_named_when_the_folder_is_opened(tmp_path, suffix, share):
    for z in range(3):
        encode = imagecodecs.png_encode if suffix == "png" else imagecodecs.jpeg8_encode
        if suffix == "tif":
            tifffile.imwrite(tmp_path / f"{z}.tif", VOXELS[z])
        else:
            (tmp_path / f"{z}.{suffix}").write_bytes(encode(VOXELS[z]))
    _cut(str(tmp_path / f"1.{suffix}"), share)
    with pytest.raises((ValueError, OSError), match=rf"1\.{suffix}'.*(copy|export)"):
        open_volume(tmp_path)


@pytest.mark.parametrize(
    "kind", ["npy", "hdf5 gzip", "zarr 3 default", "tiff zlib", "nifti", "nifti gz", "png sections"]
)
def test_a_file_of_another_content_is_refused(kind, write):
    path = Path(write(kind, VOXELS).removesuffix(":raw"))
    file = {"v.zarr": path / "zarr.json", "sections": path / "s9.png"}.get(path.name, path)
    file.write_bytes(b"<html>404 not found, but saved all the same</html>" * 20)
    with pytest.raises((ValueError, OSError), match=rf"'{file if path.name == 'sections' else path}.*({MENDED})"):
        open_volume(path)


@pytest.mark.parametrize("kind", ["hdf5 gzip", "tiff zlib", "png sections"])
def test_a_damaged_chunk_is_named_when_it_is_read(kind, write):
    path = write(kind, VOXELS)
    file = Path(path.removesuffix(":raw"))
    if file.suffix == ".h5":
        with h5py.File(file) as opened:
            start = opened["raw"].id.get_chunk_info(0).byte_offset
    elif file.suffix == ".tif":
        with tifffile.TiffFile(file) as opened:
            start = opened.pages[0].dataoffsets[0]
    else:
        file, start = file / "s9.png", 80
    content = bytearray(file.read_bytes())
    content[start + 8 : start + 40] = bytes(32)
    file.write_bytes(content)
    volume = open_volume(path)
    with pytest.raises(
        OSError, match=rf"'{file.parent}.*(page|chunk|corrupt).*corrupt.*(copy|export)|section '{file}'"
    ):
        volume[:]


@pytest.mark.parametrize(
    "kind",
    ["zarr 2 default", "zarr 2 big-endian, plain", "zarr 3 default", "zarr 3 gzip", "zarr 3 blosc", "zarr 3 sharded"],
)
def test_a_zarr_chunk_that_is_cut_off_is_named_when_it_is_read(kind, write):
    path = write(kind, VOXELS)
    chunk = next(Path(path).rglob("0.0.0"), Path(path) / "c" / "0" / "0" / "0")
    os.truncate(chunk, chunk.stat().st_size // 2)
    volume = open_volume(path)
    assert np.array_equal(volume[:, 16:, 32:], VOXELS[:, 16:, 32:])
    with pytest.raises(OSError, match=rf"'{path}': the chunk at voxel \(0, 0, 0\) .*corrupt or cut off .*copy"):
        volume[:]


def test_a_section_of_another_size_or_type_is_named_with_what_was_expected(tmp_path):
    for z in range(4):
        section = VOXELS[z, :20] if z == 2 else VOXELS[z]
        (tmp_path / f"{z}.png").write_bytes(imagecodecs.png_encode(np.ascontiguousarray(section)))
    with pytest.raises(ValueError, match=r"2\.png' is 20 x 40 uint8, but '0\.png' is 24 x 40 uint8"):
        open_volume(tmp_path)
    (tmp_path / "2.png").write_bytes(imagecodecs.png_encode(VOXELS[2].astype(np.uint16)))
    with pytest.raises(ValueError, match=r"2\.png' is 24 x 40 uint16, but '0\.png' is 24 x 40 uint8"):
        open_volume(tmp_path)


def test_pages_of_several_sizes_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "v.tif") as writer:
        for z in range(4):
            writer.write(VOXELS[z, : 20 if z == 2 else None], contiguous=False, metadata=None)
    with pytest.raises(ValueError, match=r"page 2 is \(20, 40\) uint8, but page 0 is \(24, 40\) uint8"):
        open_volume(tmp_path / "v.tif")


def test_colour_is_refused(tmp_path):
    colour = np.zeros((24, 40, 3), np.uint8)
    for name, encode in (("png", imagecodecs.png_encode), ("jpg", imagecodecs.jpeg8_encode)):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"0.{name}").write_bytes(encode(colour))
        with pytest.raises(ValueError, match=rf"0\.{name}' is (RGB|in 3 colour channels), where a section is grey"):
            open_volume(tmp_path / name)
    tifffile.imwrite(tmp_path / "v.tif", np.stack([colour] * 4), photometric="rgb")
    with pytest.raises(ValueError, match=r"v\.tif' is in colour .*convert it to 8-bit"):
        open_volume(tmp_path / "v.tif")
    tifffile.imwrite(tmp_path / "c.tif", VOXELS[:3], ome=True, metadata={"axes": "CYX"})
    with pytest.raises(ValueError, match=r"c\.tif' has the axes CYX"):
        open_volume(tmp_path / "c.tif")


def test_a_folder_without_sections_states_where_some_may_be(tmp_path):
    with pytest.raises(ValueError, match=r"has no sections \(\.png, "):
        open_volume(tmp_path)
    (tmp_path / "im").mkdir()
    (tmp_path / "notes.txt").write_text("no section")
    with pytest.raises(ValueError, match="it has the folders im: name the one with the sections"):
        open_volume(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "a.tif").write_bytes(b"")
    with pytest.raises(ValueError, match="mixes sections of several kinds \\(1 PNG, 1 TIFF\\)"):
        open_volume(tmp_path)


def test_one_section_is_not_a_volume(tmp_path):
    (tmp_path / "0.png").write_bytes(imagecodecs.png_encode(VOXELS[0]))
    with pytest.raises(ValueError, match=r"0\.png' is one 2D section; give the folder"):
        open_volume(tmp_path / "0.png")


def test_a_folder_that_loses_a_section_while_it_is_open_is_noticed(write):
    path = write("png sections", VOXELS)
    volume = open_volume(path)
    (Path(path) / "s9.png").unlink()
    with pytest.raises(OSError, match="had 6 sections when it was opened and has 5 now"):
        volume[0]


@pytest.mark.parametrize(
    ("axes", "shape", "message"),
    [
        ("xyz", (6, 24, 40), "has the axes x, y, z where a volume ends in z, y, x"),
        ("czyx", (2, 6, 24, 40), "has 2 steps on axis c"),
        ("zyx", (1, 6, 24, 40), "has the axes z, y, x"),
    ],
)
def test_ome_zarr_of_other_axes_is_refused(tmp_path, axes, shape, message):
    group = zarr.open_group(tmp_path / "v.zarr", mode="w", zarr_format=2)
    group.create_array("0", shape=shape, chunks=shape, dtype="u1")
    group.attrs["multiscales"] = [{"axes": [{"name": name} for name in axes], "datasets": [{"path": "0"}]}]
    with pytest.raises(ValueError, match=message):
        open_volume(tmp_path / "v.zarr")


def test_damaged_ome_metadata_are_reported_as_damaged(tmp_path):
    group = zarr.open_group(tmp_path / "v.zarr", mode="w", zarr_format=2)
    for image in ({"datasets": []}, {"datasets": [{}]}, {"datasets": [{"path": "missing"}]}):
        group.attrs["multiscales"] = [image]
        with pytest.raises(ValueError, match=r"v\.zarr.*(damaged|no array 'missing')"):
            open_volume(tmp_path / "v.zarr")


def test_a_voxel_size_that_is_none_is_refused(tmp_path, write):
    path = write("hdf5 gzip", VOXELS)
    with pytest.raises(ValueError, match=r"\(30, 6\) of the argument voxel_size_nm is not three positive numbers"):
        open_volume(path, voxel_size_nm=(30, 6))
    with h5py.File(path.removesuffix(":raw"), "a") as file:
        file.attrs["resolution"] = (0, 6, 6)
    with pytest.raises(ValueError, match=r"v\.h5:raw, attribute 'resolution' is not three positive numbers"):
        open_volume(path)
    assert open_volume(path, voxel_size_nm=(30, 6, 6)).voxel_size_nm == (30, 6, 6)


def test_what_a_format_has_not_is_not_ignored(write):
    path = write("npy", VOXELS)
    with pytest.raises(ValueError, match="'raw' after the colon means nothing; leave ':raw' out"):
        open_volume(f"{path}:raw")
    with pytest.raises(ValueError, match="only OME-Zarr, N5 and precomputed have levels"):
        open_volume(path, scale=1)
    with pytest.raises(ValueError, match="cache_mib -1 is negative"):
        open_volume(path, cache_mib=-1)


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        (6, IndexError, r"z=6 is outside the volume of shape \(6, 24, 40\)"),
        ((0, -25), IndexError, "y=-25 is outside"),
        ((0, 0, 0, 0), IndexError, "4 indices .* use volume\\[z, y, x\\]"),
        ((0, None), TypeError, "index None on y is neither"),
        (([1, 2],), TypeError, r"index \[1, 2\] on z is neither"),
        (True, TypeError, "index True on z is neither"),
        (1.0, TypeError, "index 1.0 on z is neither"),
    ],
)
def test_an_index_that_means_nothing_is_refused(key, error, message, write):
    for volume in (ArrayVolume(VOXELS), open_volume(write("npy", VOXELS))):
        with pytest.raises(error, match=message):
            volume[key]


def test_zarr_metadata_that_are_cut_off_are_reported_as_damaged(write):
    path = Path(write("zarr 3 default", VOXELS))
    metadata = json.loads((path / "zarr.json").read_text())
    del metadata["shape"]
    (path / "zarr.json").write_text(json.dumps(metadata))
    with pytest.raises(ValueError, match=r"v\.zarr' has unreadable Zarr metadata"):
        open_volume(path)
