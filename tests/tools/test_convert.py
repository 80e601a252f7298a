"""`python -m scripts convert` and `serve`: files that viewers open, and their bytes."""

import json
import threading
import urllib.error
import urllib.request

import h5py
import numpy as np
import pytest
import tensorstore
import tifffile
import zarr

from scripts.data.files.open_store import open_store
from scripts.data.files.predictions import open_prediction
from scripts.data.files.swc import read_swc
from scripts.data.volumes import open_volume
from scripts.tools.cli import main
from scripts.tools.decoder_metadata import decoder_metadata
from scripts.tools.serve import FileServer, byte_range


@pytest.fixture
def files(tmp_path):
    """Image, labels of two touching cells, and affinities that are 0.25 at their border."""
    image = np.random.default_rng(0).integers(0, 256, (6, 60, 80), dtype=np.uint8)
    labels = np.zeros(image.shape, np.uint16)
    labels[:, 5:50, 10:40], labels[:, 5:50, 40:70] = 3, 8
    affinities = np.ones((3, *image.shape), np.float32)
    affinities[2, :, :, 40] = 0.25
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["raw"], file["labels"], file["affinities"] = image, labels, affinities
        file.attrs["resolution"] = (30, 6, 6)
    return tmp_path, image, labels


def test_an_image_and_its_labels_become_one_ome_zarr(files, capsys):
    folder, image, labels = files
    main(["convert", f"{folder}/v.h5:raw", f"{folder}/v.zarr", "--version", "0.4"])
    assert "v.zarr: 6 x 60 x 80 voxels (z, y, x), uint8\nOME-Zarr 0.4, 1 level" in capsys.readouterr().out
    main(["convert", f"{folder}/v.h5:labels", f"{folder}/v.zarr:labels/cells"])
    assert np.array_equal(open_volume(folder / "v.zarr")[:], image)
    assert np.array_equal(open_volume(f"{folder}/v.zarr:labels/cells")[:], labels)
    main(["convert", f"{folder}/v.zarr:labels/cells", f"{folder}/part.tif", "--box", "1:4,:,20:"])
    assert np.array_equal(open_volume(folder / "part.tif")[:], labels[1:4, :, 20:])


def test_labels_become_precomputed_with_properties_meshes_and_skeletons(files, capsys):
    folder, _, labels = files
    command = ["convert", f"{folder}/v.h5:labels", f"precomputed://{folder}/seg", "--prediction"]
    main([*command, f"{folder}/v.h5:affinities", "--meshes", "--skeletons", "--ids=8"])
    assert "properties of 2 segments\nmeshes of 1 segments\nskeletons of 1 segments" in capsys.readouterr().out
    assert np.array_equal(open_volume(folder / "seg")[:], labels)
    info = json.loads((folder / "seg/info").read_text())
    assert [info[name] for name in ("segment_properties", "mesh", "skeletons")] == ["properties", "mesh", "skeletons"]
    inline = json.loads((folder / "seg/properties/info").read_text())["inline"]
    assert inline["ids"] == ["3", "8"]
    voxels, box, tags, affinity = inline["properties"]
    assert voxels["values"] == [6 * 45 * 30] * 2
    assert box["values"] == ["0:6,5:50,10:40", "0:6,5:50,40:70"]
    assert tags["values"] == [[0], [0]]  # both reach the first and the last section
    assert affinity["values"] == [0.25, 0.25]
    assert sorted(path.name for path in (folder / "seg/mesh").iterdir()) == ["8:0", "8:0:mesh", "info"]
    nodes = read_swc(folder / "seg/swc/8.swc").nodes_nm
    assert np.all((nodes >= np.array([0, 5, 40]) * (30, 6, 6)) & (nodes <= np.array([6, 50, 70]) * (30, 6, 6)))
    content = (folder / "seg/skeletons/8").read_bytes()
    count, edges = np.frombuffer(content, "<u4", 2)
    assert np.allclose(np.frombuffer(content, "<f4", 3 * count, 8).reshape(-1, 3), nodes[:, ::-1], rtol=1e-4)
    assert len(content) == 8 + 12 * count + 8 * edges


def test_what_cannot_be_converted_is_one_line(files, error_of):
    folder, _, _ = files
    image = f"{folder}/v.h5:raw"
    assert "are for labels that go to precomputed://FOLDER" in error_of(
        "convert", image, f"{folder}/v.zarr", "--meshes"
    )
    assert "target 'v.abc' is of an unknown format" in error_of("convert", image, "v.abc")
    main(["convert", image, f"{folder}/v.zarr"])
    assert "v.zarr' exists and is left as it is" in error_of("convert", image, f"{folder}/v.zarr")
    main(["convert", image, f"{folder}/v.zarr", "--overwrite"])
    labels = f"{folder}/v.h5:labels"
    wrong = error_of("convert", labels, f"precomputed://{folder}/s", "--meshes", "--ids=4")
    assert "no voxel has the id 4; there are 2 ids" in wrong


MAPS = np.random.default_rng(0).random((3, 6, 60, 80)).astype(np.float16)


@pytest.fixture
def maps(tmp_path):
    """A prediction as inference writes it, of a box that begins at (2, 0, 10)."""
    notes = {"decoder": "agglomeration", "decoder_settings": '{"threshold": 0.7}', "channels": "z, y, x"}
    sizes = (MAPS.shape, "float16", (4, 32, 32), (30, 6, 6), (2, 0, 10), notes)
    for name, kind in (("maps.h5", "HDF5"), ("maps.zarr", "OME-Zarr")):
        store = open_store(tmp_path / name, kind, *sizes)
        store.write(0, 0, MAPS)
        store.close()
    return tmp_path


def read_by_reference(path, version="0.5"):
    """Voxels by the format's own library."""
    if path.suffix == ".zarr":
        driver = "zarr" if version == "0.4" else "zarr3"
        return tensorstore.open({"driver": driver, "kvstore": f"file://{path}/0/"}).result().read().result()
    if path.suffix == ".tif":
        return tifffile.imread(path)
    with h5py.File(path) as file:
        return file["prediction"][:]


@pytest.mark.parametrize("source", ["maps.h5", "maps.zarr"])
@pytest.mark.parametrize(("out", "version"), [("n.zarr", "0.5"), ("n.zarr", "0.4"), ("n.h5", "0.5"), ("n.tif", "0.5")])
def test_a_prediction_keeps_its_channels_position_and_decoder(maps, source, out, version, capsys):
    main(["convert", f"{maps}/{source}", f"{maps}/{out}", "--box=1:5,:,20:", f"--version={version}"])
    assert f"{out}: 3 x 4 x 60 x 60 (channels, z, y, x), float16" in capsys.readouterr().out
    expected = MAPS[:, 1:5, :, 20:]
    assert np.array_equal(read_by_reference(maps / out, version), expected)
    if out.endswith(".tif"):
        with tifffile.TiffFile(maps / out) as stack:
            assert (stack.series[0].axes, stack.series[0].dtype) == ("CZYX", np.float32)
        return
    with open_prediction(maps / out) as prediction:
        assert (prediction.shape, prediction.dtype, prediction.offset) == (expected.shape, np.float16, (3, 0, 30))
        assert prediction.voxel_size_nm == (30, 6, 6)
    assert decoder_metadata(f"{maps}/{out}") == ("agglomeration", {"threshold": 0.7})


def test_coarser_levels_of_a_prediction_are_means_of_each_channel_in_both_versions(maps):
    large = np.arange(2 * 4 * 150 * 140, dtype=np.uint16).reshape(2, 4, 150, 140)
    np.save(maps / "large.npy", large)
    for version in ("0.4", "0.5"):
        name = f"{maps}/v{version[-1]}.zarr"
        main(["convert", f"{maps}/large.npy", name, f"--version={version}", "--voxel_size_nm=30,6,6"])
        group = zarr.open_group(name, mode="r", zarr_format=2 if version == "0.4" else 3)
        assert np.array_equal(group["0"][:], large)
        means = large.reshape(2, 4, 75, 2, 70, 2).mean((3, 5))
        assert np.array_equal(group["1"][:], np.floor(means + 0.5))
        holder = group.attrs.asdict() if version == "0.4" else group.attrs.asdict()["ome"]
        assert [axis["name"] for axis in holder["multiscales"][0]["axes"]] == ["c", "z", "y", "x"]


@pytest.mark.parametrize(
    ("target", "options", "words"),
    [
        (
            "precomputed://seg",
            [],
            "is a prediction of 3 channels, which 'precomputed://seg' does not hold; give",
        ),
        ("v.zarr:labels/cells", [], "is a prediction of 3 channels"),
        ("v.zarr", ["--labels"], "is a prediction of several channels, no labels"),
        ("v.zarr", ["--scale=1"], "name the level of a prediction in its path, such as maps.zarr:1"),
    ],
)
def test_what_holds_no_prediction_is_refused_by_one_line(maps, error_of, target, options, words):
    assert words in error_of("convert", maps / "maps.h5", target, *options)
    assert sorted(path.name for path in maps.iterdir()) == ["maps.h5", "maps.zarr"]


@pytest.fixture
def server(tmp_path):
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "0:0").write_bytes(bytes(range(100)))
    with FileServer(tmp_path) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(url, method="GET", **headers):
    with urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers)) as answer:
        return answer.status, answer.read(), answer.headers


def test_files_are_served_complete_and_in_ranges_to_pages_of_any_origin(server):
    url = f"{server.url}/v/0:0"
    status, content, headers = ask(url)
    assert (status, content, headers["Access-Control-Allow-Origin"]) == (200, bytes(range(100)), "*")
    status, content, headers = ask(url, Range="bytes=10-19")
    assert (status, content, headers["Content-Range"]) == (206, bytes(range(10, 20)), "bytes 10-19/100")
    assert ask(url, Range="bytes=-5")[1] == bytes(range(95, 100))
    assert ask(url, Range="bytes=90-")[1] == bytes(range(90, 100))
    status, content, headers = ask(url, "HEAD")
    assert (status, content, headers["Content-Length"]) == (200, b"", "100")
    status, content, headers = ask(url, "OPTIONS", Origin="https://viewer")
    assert (status, headers["Access-Control-Allow-Headers"]) == (204, "Range")
    for wrong in (f"{server.url}/v", f"{server.url}/none", f"{server.url}/../v/0:0x"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            ask(wrong)
    with pytest.raises(urllib.error.HTTPError, match="416"):
        ask(url, Range="bytes=100-")


@pytest.mark.parametrize(
    ("asked", "span"),
    [("bytes=0-0", (0, 1)), ("bytes=5-500", (5, 10)), ("bytes=-50", (0, 10)), ("bytes=-0", None), ("bytes=-", None),
     ("bytes=7-3", None), ("bytes=0-1,4-5", None), ("lines=0-1", None)],
)  # fmt: skip
def test_a_range_is_cut_at_the_end_of_the_file(asked, span):
    assert byte_range(asked, 10) == span


def test_a_port_in_use_and_a_missing_folder_are_one_line(server, tmp_path, error_of):
    port = server.server_address[1]
    line = error_of("serve", tmp_path, "--port", port)
    assert f"port {port} of 127.0.0.1 cannot be used" in line
    assert "give another --port" in line
    assert "none' is no folder" in error_of("serve", tmp_path / "none")
