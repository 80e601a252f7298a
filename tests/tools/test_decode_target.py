"""`decode` writes by itself what decode and convert write one after the other, in memory and block by block."""

import hashlib

import h5py
import numpy as np
import pytest
import zarr

from scripts.data.files.open_store import open_store
from scripts.data.volumes import open_volume
from scripts.ops.targets.affinities import label_affinities
from scripts.tools.cli import main
from scripts.tools.decode_target import DecodeTarget
from scripts.tools.viewer_sources import decode_of

SIZE = (30.0, 6.0, 6.0)
CORNER = (2, 0, 10)
"""First voxel of the prediction in the image."""
BLOCKS = "--blocks=4,128,128"
FORMS = {
    "ome": ("seg.ome.zarr", [], []),
    "ome of version 0.4, in blocks": ("seg.ome.zarr", ["--version=0.4"], [BLOCKS]),
    "labels, in blocks": ("image.zarr:labels/cells", [], [BLOCKS]),
    "tiff": ("seg.tif", [], []),
}
"""Target, options of decode and convert, options of decode."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """maps.zarr as inference writes it, of a box of image.h5."""
    folder = tmp_path_factory.mktemp("maps")
    cells = np.zeros((6, 150, 160), np.uint16)
    cells[:, 4:140, 4:70], cells[:, 4:140, 72:150] = 1, 2
    maps = label_affinities(cells).astype(np.float16)
    store = open_store(folder / "maps.zarr", "OME-Zarr", maps.shape, "float16", (4, 64, 64), SIZE, CORNER)
    store.write(0, 0, maps)
    store.close()
    with h5py.File(folder / "image.h5", "w") as file:
        file["raw"] = np.zeros((10, 160, 180), np.uint8)
        file.attrs["resolution"] = SIZE
    return folder


def decode(folder, out, *options):
    main(["decode", f"{folder}/maps.zarr", "zwatershed", f"--out={out}", "--box=1:6,:,:", *options])


def content(folder):
    """SHA-256 of every file of a folder, by name."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def error_of(capsys, *words):
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    assert stop.value.code == 2
    return capsys.readouterr().err.strip()


@pytest.mark.parametrize("form", FORMS)
def test_decode_writes_the_bytes_of_decode_and_convert(folder, tmp_path, form):
    target, options, blocks = FORMS[form]
    for name in ("once", "twice"):
        (tmp_path / name).mkdir()
        if target.startswith("image"):
            main(["convert", f"{folder}/image.h5:raw", f"{tmp_path}/{name}/image.zarr"])
    decode(folder, f"{tmp_path}/once/{target}", *options, *blocks)
    decode(folder, tmp_path / "seg.h5")
    main(["convert", f"{tmp_path}/seg.h5:labels", f"{tmp_path}/twice/{target}", "--labels", *options])
    if form != "tiff":  # an OME-TIFF has a name of its own, a UUID
        assert content(tmp_path / "once") == content(tmp_path / "twice")
    volume = open_volume(f"{tmp_path}/once/{target}")
    assert np.array_equal(volume[:], open_volume(f"{tmp_path}/seg.h5:labels")[:])
    assert volume.voxel_size_nm == SIZE
    with h5py.File(tmp_path / "seg.h5") as file:
        noted = decode_of(f"{tmp_path}/once/{target}")  # edits by ids in the viewer need it
        assert noted == (None if form == "tiff" else file.attrs["decode"])


def test_the_instances_of_a_box_of_a_prediction_of_a_box_are_at_their_place_in_the_image(folder, tmp_path):
    decode(folder, tmp_path / "seg.ome.zarr")
    assert open_volume(tmp_path / "seg.ome.zarr").offset_nm == (3 * 30, 0, 10 * 6)
    decode(folder, tmp_path / "seg.h5")
    assert open_volume(tmp_path / "seg.h5").offset == (3, 0, 10)
    decode(folder, tmp_path / "seg.zarr", BLOCKS)
    assert open_volume(tmp_path / "seg.zarr").offset == (3, 0, 10)


def test_precomputed_has_the_properties_and_meshes_of_decode_and_convert(folder, tmp_path):
    pytest.importorskip("tensorstore", reason="the extra cloud is not installed")
    (tmp_path / "once").mkdir()
    drawn = ["--meshes", "--skeletons"]
    decode(folder, f"precomputed://{tmp_path}/once/cells", *drawn, "--drawn=30000")
    decode(folder, tmp_path / "seg.h5")
    command = ["convert", f"{tmp_path}/seg.h5:labels", f"precomputed://{tmp_path}/twice", "--labels", *drawn]
    main([*command, "--smallest=30000", f"--prediction={folder}/maps.zarr"])
    assert content(tmp_path / "once/cells") == content(tmp_path / "twice")
    with h5py.File(tmp_path / "seg.h5") as file:
        for path in (f"precomputed://{tmp_path}/twice", f"{tmp_path}/twice:0", f"{tmp_path}/seg.h5:labels"):
            assert decode_of(path) == file.attrs["decode"]
    assert decode_of("s3://bucket/cells") is None
    assert {"mesh/1:0", "swc/2.swc", "properties/info"} <= set(content(tmp_path / "twice"))


def test_a_conversion_that_was_interrupted_resumes_without_decoding_again(folder, tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(DecodeTarget, "convert", interrupted)
        with pytest.raises(SystemExit):
            decode(folder, tmp_path / "seg.ome.zarr")
    assert [path.name for path in tmp_path.iterdir()] == [".seg.ome.zarr.decoded.zarr"]
    command = ["decode", f"{folder}/maps.zarr", "zwatershed", f"--out={tmp_path}/seg.ome.zarr"]
    assert "continue with --resume, or --overwrite" in error_of(capsys, *command, "--box=1:6,:,:")
    assert "was decoded with other settings" in error_of(capsys, *command, "--resume")
    decode(folder, tmp_path / "seg.ome.zarr", "--resume")
    assert "decoded by an earlier run" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["seg.ome.zarr"]
    assert zarr.open(tmp_path / "seg.ome.zarr")["1"].shape == (5, 75, 80)


def test_what_a_form_cannot_hold_is_refused_before_decoding(folder, tmp_path, capsys):
    command = ["decode", f"{folder}/maps.zarr", "agglomeration"]
    wrong = error_of(capsys, *command, f"--out={tmp_path}/s.ome.zarr", "--threshold=0.2,0.5")
    assert "holds one volume; give one --threshold, or --out NAME.zarr" in wrong
    assert "--meshes and --skeletons are files of precomputed://FOLDER" in error_of(
        capsys, *command, f"--out={tmp_path}/s.h5", "--meshes"
    )
    assert "is no OME-Zarr image, so no labels can be added" in error_of(
        capsys, *command, f"--out={tmp_path}/none.zarr:labels/cells"
    )
    (tmp_path / "s.tif").touch()
    assert "exists and is left as it is" in error_of(capsys, *command, f"--out={tmp_path}/s.tif")
