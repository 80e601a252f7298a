"""A prediction of inference, NAME.ome.zarr, has coarser levels that are means of the maps."""

import numpy as np
import pytest
import zarr

from scripts.data.export import prediction_levels
from scripts.data.files.partial_prediction import PartialPrediction
from scripts.data.files.predictions import read_prediction
from scripts.data.volumes.ome_zarr import level_at, multiscales

SIZE = (30.0, 6.0, 6.0)
MAPS = np.random.default_rng(0).random((2, 6, 40, 50)).astype(np.float32)


def partial(out, **options):
    return PartialPrediction(
        out, MAPS.shape[1:], "float32", {}, chunks=(2, 16, 16), voxel_size_nm=SIZE, corner=(4, 0, 8), **options
    )


def written(out, version="0.5"):
    made = partial(out, ome_version=version)
    made.write(0, 0, MAPS)
    made.done(6)
    return made


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_coarser_levels_are_means_at_their_place_and_the_finest_is_as_without_them(tmp_path, version):
    written(tmp_path / "maps.ome.zarr", version).finish()
    written(tmp_path / "plain.zarr", version).finish()
    group, plain = zarr.open_group(tmp_path / "maps.ome.zarr"), zarr.open_group(tmp_path / "plain.zarr")
    assert sorted(group) == ["0", "1", "2"]
    assert sorted(plain) == ["0"]
    assert np.array_equal(group["1"][:], MAPS.reshape(2, 6, 20, 2, 25, 2).mean((3, 5), dtype=np.float64).astype("f4"))
    image = multiscales(group.attrs)
    level = level_at(image, 1, "maps")
    assert (level.voxel_size_nm, level.offset_nm) == ((30, 12, 12), (4 * 30, 3, 8 * 6 + 3))
    assert level_at(image, 0, "maps") == level_at(multiscales(plain.attrs), 0, "plain")
    assert group.metadata.zarr_format == {"0.4": 2, "0.5": 3}[version]
    assert {key: value for key, value in group.attrs.items() if key not in ("ome", "multiscales")} == {
        key: value for key, value in plain.attrs.items() if key not in ("ome", "multiscales")
    }
    files = [path.relative_to(tmp_path / "plain.zarr/0") for path in (tmp_path / "plain.zarr/0").rglob("*")]
    for path in files:
        if (tmp_path / "plain.zarr/0" / path).is_file():
            assert (tmp_path / "plain.zarr/0" / path).read_bytes() == (tmp_path / "maps.ome.zarr/0" / path).read_bytes()
    assert np.array_equal(read_prediction(tmp_path / "maps.ome.zarr")[0], MAPS)


def test_levels_that_were_interrupted_are_made_again(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(prediction_levels, "copy_volume", interrupted)
        made = written(tmp_path / "maps.ome.zarr")
        with pytest.raises(KeyboardInterrupt):
            made.finish()
        made.close()
    assert not (tmp_path / "maps.ome.zarr").exists()
    partial(tmp_path / "maps.ome.zarr", resume=True).finish()
    group = zarr.open_group(tmp_path / "maps.ome.zarr")
    assert len(multiscales(group.attrs)["datasets"]) == 3
    assert group["2"][:].mean() == pytest.approx(MAPS.mean(), abs=0.01)
