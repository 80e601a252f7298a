"""A file is complete or absent; slabs may be of any depth."""

import h5py
import numpy as np
import pytest

from scripts.data.files.replacing import replacing
from scripts.data.files.writing import write_hdf5
from scripts.data.volumes import ArrayVolume, open_volume

VOXELS = np.random.default_rng(0).integers(0, 60000, (21, 30, 45)).astype(np.uint16)


def _in_slabs(*depths):
    stops = np.cumsum(depths)
    return (VOXELS[stop - depth : stop] for depth, stop in zip(depths, stops, strict=True))


@pytest.mark.parametrize("depths", [(21,), (1,) * 21, (3, 9, 9), (8, 8, 5), (20, 1)])
def test_slabs_of_any_depth_come_back_whole(tmp_path, depths):
    path = write_hdf5(tmp_path / "new" / "v.h5", {"image": _in_slabs(*depths)}, (30, 6, 6), chunks=(8, 16, 16))
    with h5py.File(path) as file:
        assert np.array_equal(file["image"][:], VOXELS)
        assert (file["image"].compression, file["image"].chunks) == ("gzip", (8, 16, 16))
    volume = open_volume(f"{path}:image")
    assert volume.voxel_size_nm == (30, 6, 6)
    assert np.array_equal(volume[:], VOXELS)


def test_arrays_and_volumes_are_written_chunked_or_contiguous(tmp_path):
    volume = ArrayVolume(VOXELS.astype(">u2"))
    sources = {"image": volume, "label": VOXELS > 9}
    for chunks in ((4, 128, 128), None):
        path = write_hdf5(tmp_path / f"{chunks}.h5", sources, chunks=chunks, attributes={"source": "a test"})
        assert np.array_equal(open_volume(f"{path}:image")[:], VOXELS)
        assert np.array_equal(open_volume(f"{path}:label")[:], VOXELS > 9)
        with h5py.File(path) as file:
            assert (file["image"].chunks is None) == (chunks is None)
            assert file.attrs["source"] == "a test"


def test_datasets_made_together_are_written_together(tmp_path):
    pairs = ({"image": slab, "label": slab.astype(np.uint32) * 3} for slab in _in_slabs(5, 5, 5, 6))
    path = write_hdf5(tmp_path / "v.h5", pairs)
    assert np.array_equal(open_volume(f"{path}:label")[:], VOXELS.astype(np.uint32) * 3)
    assert np.array_equal(open_volume(f"{path}:image")[:], VOXELS)


def test_a_file_that_fails_half_way_is_not_there_and_an_earlier_one_is_kept(tmp_path):
    def breaks():
        yield VOXELS[:16]
        raise RuntimeError("the source broke")

    path = tmp_path / "v.h5"
    with pytest.raises(RuntimeError, match="the source broke"):
        write_hdf5(path, {"image": breaks()})
    assert list(tmp_path.iterdir()) == []
    write_hdf5(path, {"image": VOXELS})
    with pytest.raises(RuntimeError, match="the source broke"):
        write_hdf5(path, {"image": breaks()}, overwrite=True)
    assert list(tmp_path.iterdir()) == [path]
    assert np.array_equal(open_volume(path)[:], VOXELS)


def test_an_earlier_file_is_replaced_only_when_asked(tmp_path):
    path = write_hdf5(tmp_path / "v.h5", {"image": VOXELS})
    with pytest.raises(FileExistsError, match=r"v\.h5' exists and is left as it is; .*--overwrite"):
        write_hdf5(path, {"image": VOXELS[:3]})
    assert open_volume(path).shape == VOXELS.shape
    write_hdf5(path, {"image": VOXELS[:3]}, overwrite=True)
    assert open_volume(path).shape == (3, 30, 45)


@pytest.mark.parametrize(
    ("datasets", "options", "message"),
    [
        ({"image": iter([VOXELS[:2], VOXELS[:2, :9]])}, {}, r"slab of shape \(2, 9, 45\) uint16 after .* \(30, 45\)"),
        ({"image": iter([VOXELS[:2], VOXELS[:2] / 2])}, {}, "float64 after"),
        ({"image": VOXELS[0]}, {}, r"shape \(30, 45\) has not three axes"),
        ({"image": iter(())}, {}, "'image' has no slabs"),
        ({}, {}, "no datasets were given"),
        ({"image": iter([VOXELS])}, {"chunks": None}, "comes in slabs"),
        ({"image": VOXELS}, {"chunks": (8, 0, 8)}, "not three whole numbers"),
        ({"image": VOXELS}, {"voxel_size_nm": (6, 6)}, "voxel size"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path, datasets, options, message):
    with pytest.raises(ValueError, match=message):
        write_hdf5(tmp_path / "v.h5", datasets, **options)
    assert list(tmp_path.iterdir()) == []


def test_any_file_can_be_written_whole_or_not_at_all(tmp_path):
    with replacing(tmp_path / "a.txt") as partial:
        partial.write_text("whole")
        assert not (tmp_path / "a.txt").exists()
    assert (tmp_path / "a.txt").read_text() == "whole"


@pytest.mark.skipif(not __import__("os").path.exists("/dev/full"), reason="this system has no /dev/full")
def test_no_space_left_is_reported_with_the_place_and_the_free_bytes(tmp_path):
    with pytest.raises(OSError, match=r"no space left for '.*a\.txt': .* free; make space"):  # noqa: SIM117
        with replacing(tmp_path / "a.txt"), open("/dev/full", "w") as full:
            full.write("too much")
    assert list(tmp_path.iterdir()) == []
