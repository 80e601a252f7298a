"""What an overwrite would lose is found before anything is written."""

import h5py
import numpy as np
import pytest
import zarr

from scripts.data.files.overwriting import check_overwritten
from scripts.data.files.partial_prediction import PartialPrediction
from scripts.tools.decode import decode


@pytest.fixture
def hdf5(tmp_path):
    """A file with an image and labels."""
    path = tmp_path / "mine.h5"
    with h5py.File(path, "w") as file:
        file["volumes/raw"] = file["labels"] = np.zeros((2, 3, 4), np.uint8)
    return path


@pytest.fixture
def folder(tmp_path):
    """The same as a Zarr folder."""
    group = zarr.open_group(tmp_path / "mine.zarr", mode="w")
    for name in ("raw", "labels"):
        group.create_array(name, shape=(2, 3, 4), dtype="uint8")
    return tmp_path / "mine.zarr"


def test_nothing_is_lost_where_there_is_nothing_or_the_same(tmp_path, hdf5, folder):
    check_overwritten(tmp_path / "new.h5", ["labels"])
    check_overwritten(hdf5, ["labels", "/volumes/raw"])
    check_overwritten(folder, ["labels", "raw"])
    (tmp_path / "empty.zarr").mkdir()
    check_overwritten(tmp_path / "empty.zarr", ["labels"])


def test_other_datasets_and_other_folders_are_named(tmp_path, hdf5, folder):
    with pytest.raises(ValueError, match=r"mine\.h5' also holds volumes/raw, which would be lost: .* another file"):
        check_overwritten(hdf5, ["labels"])
    with pytest.raises(ValueError, match=r"mine\.zarr' also holds raw, which"):
        check_overwritten(folder, ["labels"])
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.pdf").touch()
    with pytest.raises(ValueError, match=r"papers' is a folder of other files \(thesis\.pdf\) and no volume"):
        check_overwritten(tmp_path / "papers")


def test_all_of_an_earlier_run_may_go(hdf5, folder):
    with h5py.File(hdf5, "a") as file:
        file.attrs["decode"] = "a hash"
    zarr.open_group(folder).attrs["decode"] = "a hash"
    for path in (hdf5, folder):
        check_overwritten(path, ["labels"], made_by="decode")


@pytest.mark.parametrize("kind", ["hdf5", "folder"])
def test_neither_decode_nor_a_prediction_replaces_a_volume_that_holds_more(kind, tmp_path, request):
    target = request.getfixturevalue(kind)
    maps = np.full((3, 2, 3, 4), 0.9, np.float32)
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file["prediction"] = maps
    with pytest.raises(ValueError, match=r"also holds .*raw, which would be lost"):
        decode(f"{tmp_path / 'maps.h5'}:prediction", "zwatershed", out=str(target), overwrite=True)
    with pytest.raises(ValueError, match=r"also holds .*raw, which would be lost"):
        PartialPrediction(target, (2, 3, 4), "uint8", {}, overwrite=True)
    assert "labels" in (h5py.File(target) if kind == "hdf5" else zarr.open_group(target, mode="r"))
