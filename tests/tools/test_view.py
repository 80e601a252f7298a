"""The state of the viewer and the bytes it is served, without a browser."""

import io
import json
import socket
import urllib.request
import zlib
from contextlib import ExitStack

import h5py
import numpy as np
import pytest
import zarr

from scripts.data.volumes import ArrayVolume
from scripts.tools.cli import main
from scripts.tools.view import prepare_view
from scripts.tools.viewer_sources import viewer_url
from scripts.visualize.local_viewer import ReadArray, Viewed, local_volume, open_viewer
from scripts.visualize.neuroglancer_state import LayerSource, viewer_state

SIZE = (30.0, 6.0, 6.0)


@pytest.fixture
def files(tmp_path):
    """An OME-Zarr image with true labels, maps of the whole, and instances of a box that merge two cells."""
    image = np.random.default_rng(0).integers(0, 256, (6, 60, 80), dtype=np.uint8)
    truth = np.zeros(image.shape, np.uint16)
    truth[:, 5:50, 10:40], truth[:, 5:50, 40:70] = 3, 8
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["raw"], file["labels"] = image, truth
        file.attrs["resolution"] = SIZE
    with h5py.File(tmp_path / "seg.h5", "w") as file:
        file["labels"] = (truth[1:5, :, 20:] > 0).astype(np.uint8) * 7
        file.attrs["offset"] = (1, 0, 20)
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file["prediction"] = np.full((3, *image.shape), 0.5, np.float16)
    main(["convert", f"{tmp_path}/v.h5:raw", f"{tmp_path}/v.zarr"])
    main(["convert", f"{tmp_path}/v.h5:labels", f"{tmp_path}/v.zarr:labels/truth"])
    main(["convert", f"{tmp_path}/v.h5:labels", f"precomputed://{tmp_path}/cells"])
    return tmp_path


def test_a_section_is_what_is_seen_first():
    state = viewer_state([LayerSource("image", "image", "zarr3://u")], SIZE, (3, 30, 40))
    assert list(state["dimensions"].items()) == [("x", [6e-9, "m"]), ("y", [6e-9, "m"]), ("z", [3e-8, "m"])]
    assert (state["layout"], state["position"]) == ("xy", [40, 30, 3])


def test_a_state_has_the_layers_by_address_and_the_worst_error_in_the_middle(files, capsys, error_of):
    labels = ["--instances", f"{files}/cells", "--truth", f"{files}/v.zarr:labels/truth"]
    command = ["view", f"{files}/v.zarr", *labels, "--state", f"{files}/s.json", "--root", str(files)]
    main(command)
    assert "load it in Neuroglancer" in capsys.readouterr().out
    state = json.loads((files / "s.json").read_text())
    assert [(layer["name"], layer["type"], layer["source"]) for layer in state["layers"][:3]] == [
        ("image", "image", "zarr3://http://127.0.0.1:9000/v.zarr"),
        ("instances", "segmentation", "precomputed://http://127.0.0.1:9000/cells"),
        ("truth", "segmentation", "zarr3://http://127.0.0.1:9000/v.zarr/labels/truth"),
    ]
    assert "exists and is left as it is" in error_of(*command)


def test_errors_of_instances_of_a_box_are_annotations_at_their_place(files):
    paths = {"image": "v.h5:raw", "instances": "seg.h5", "truth": "v.h5:labels", "prediction": "maps.h5"}
    with ExitStack() as opened:
        state, data, count = prepare_view(opened, {name: f"{files}/{path}" for name, path in paths.items()})
    assert [layer["name"] for layer in state["layers"]] == [
        *("image", "prediction", "instances", "truth", "errors", "merges", "splits")
    ]
    (point,) = state["layers"][4]["annotations"]
    assert point["description"].startswith("1. id 7 merges truth 8 and 3: ")
    x, y, z = point["point"]
    assert x in (39.5, 40.5)
    assert 5 < y < 50
    assert 1 < z < 5
    assert state["position"] == point["point"]
    assert (data["instances"].offset, count) == ((1, 0, 20), 1)


def test_an_evaluation_is_shown_at_its_box_and_what_is_not_known_as_background(files):
    with h5py.File(files / "evaluation.h5", "w") as file:
        truth = np.full((2, 20, 20), -1, np.int64)
        truth[:, :, 2:10], truth[:, :, 10:] = 4, 6
        file["labels"], file["instances"] = truth, np.full((2, 20, 20), 5, np.uint32)
        file["prediction"] = np.zeros((3, 2, 20, 20), np.uint8)
        file.attrs["box"] = "1:3,10:30,40:60"
    names = {"instances": "instances", "truth": "labels", "prediction": "prediction"}
    paths = {"image": f"{files}/v.h5:raw"} | {key: f"{files}/evaluation.h5:{name}" for key, name in names.items()}
    with ExitStack() as opened:
        state, data, _ = prepare_view(opened, paths)
        assert {data[name].offset for name in names} == {(1, 10, 40)}
        assert data["truth"].array[0, 0].tolist() == [0, 0, *[4] * 8, *[6] * 10]
    (point,) = state["layers"][4]["annotations"]
    assert point["description"].startswith("1. id 5 merges truth 6 and 4: ")
    x, y, _ = point["point"]
    assert 48 < x < 52
    assert 10 < y < 30


def test_labels_with_unknown_voxels_are_shown_at_the_position_that_their_dataset_states(files):
    with h5py.File(files / "part.h5", "w") as file:
        file["labels"] = np.full((2, 20, 20), -1, np.int32)
        file["labels"].attrs["offset"] = (1, 10, 40)
    with ExitStack() as opened:
        _, data, _ = prepare_view(opened, {"image": f"{files}/v.h5:raw", "truth": f"{files}/part.h5:labels"})
    assert data["truth"].offset == (1, 10, 40)


@pytest.fixture
def downsampled(files):
    """Maps and instances of half the resolution in plane, of a part of the image; true labels beside them."""
    with h5py.File(files / "coarse.h5", "w") as file:
        file["labels"] = np.full((4, 30, 20), 7, np.uint8)
        file["prediction"] = np.full((3, 4, 30, 20), 0.5, np.float16)
        file["truth"] = np.repeat([[[3] * 10 + [8] * 10]], 30, axis=1).repeat(4, axis=0).astype(np.uint8)
        file.attrs["resolution"], file.attrs["offset"] = (30.0, 12.0, 12.0), (1, 0, 20)
    return files


def test_instances_of_larger_voxels_cover_the_image_that_they_were_made_of(downsampled):
    paths = {"image": "v.h5:raw", "prediction": "coarse.h5", "instances": "coarse.h5:labels"}
    with ExitStack() as opened:
        state, data, _ = prepare_view(opened, {name: f"{downsampled}/{path}" for name, path in paths.items()})
    assert data["image"].voxel_size_nm == SIZE
    assert data["prediction"][1:3] == data["instances"][1:3] == ((1, 0, 20), (30.0, 12.0, 12.0))
    assert state["dimensions"] == {"x": [1.2e-8, "m"], "y": [1.2e-8, "m"], "z": [3e-8, "m"]}  # edits count these voxels
    assert state["position"] == [20, 15, 3]  # the middle of the image


def test_errors_are_located_between_volumes_of_one_voxel_size(downsampled, error_of):
    paths = {"image": "v.h5:raw", "instances": "coarse.h5:labels", "truth": "coarse.h5:truth"}
    with ExitStack() as opened:
        state, _, _ = prepare_view(opened, {name: f"{downsampled}/{path}" for name, path in paths.items()})
    assert state["position"][0] in (29.5, 30.5)
    line = error_of(
        *("view", f"{downsampled}/v.h5:raw", "--instances", f"{downsampled}/coarse.h5:labels"),
        *("--truth", f"{downsampled}/v.h5:labels", "--state", f"{downsampled}/s.json"),
    )
    assert "have voxels of (30.0, 12.0, 12.0) nm (z, y, x), the truth of (30.0, 6.0, 6.0); give truth" in line


def fetch(viewer, path):
    base = str(viewer).split("/v/")[0]
    with urllib.request.urlopen(base + path) as answer:
        return answer.read()


def array_of(content):
    return np.load(io.BytesIO(zlib.decompress(content)))


def test_the_viewer_serves_the_voxels_of_a_volume_as_they_are():
    pytest.importorskip("neuroglancer", reason="the extra view is not installed")
    voxels = np.random.default_rng(0).integers(0, 256, (6, 40, 50), dtype=np.uint8)
    maps = np.random.default_rng(0).random((3, 6, 40, 50)).astype(np.float16)
    layers = [LayerSource("image", "image"), LayerSource("prediction", "prediction", channels=3, real=True)]
    data = {
        "image": Viewed(ArrayVolume(voxels), (1, 2, 3), SIZE, False),
        "prediction": Viewed(maps, (0, 0, 0), SIZE, False),
    }
    viewer = open_viewer(viewer_state(layers, SIZE, (3, 20, 25)), data)
    urls = [layer.layer.source[0].url for layer in viewer.state.layers]
    tokens = [str(url).removeprefix("python://volume/") for url in urls]
    info = json.loads(fetch(viewer, f"/neuroglancer/info/{tokens[0]}"))
    assert (info["shape"], list(map(int, info["voxelOffset"]))) == ([6, 40, 50], [1, 2, 3])
    assert info["coordinateSpace"] == {"z": [3e-8, "m"], "y": [6e-9, "m"], "x": [6e-9, "m"]}
    part = array_of(fetch(viewer, f"/neuroglancer/npz/{tokens[0]}/1,1,1/2,5,7/4,9,20"))
    assert np.array_equal(part, voxels[2:4, 5:9, 7:20])
    part = array_of(fetch(viewer, f"/neuroglancer/npz/{tokens[1]}/1,1,1,1/0,2,5,7/3,4,9,20"))
    assert np.array_equal(part, maps[:, 2:4, 5:9, 7:20].astype(np.float32))
    assert viewer.state.layout.type == "xy"


def test_a_port_in_use_is_one_line():
    neuroglancer = pytest.importorskip("neuroglancer", reason="the extra view is not installed")
    neuroglancer.stop()
    state = viewer_state([LayerSource("image", "image")], SIZE, (0, 0, 0))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"port {port} of 127.0.0.1 cannot be used .*; give another --port, or 0"):
            open_viewer(state, {}, port=port)


def test_a_segmentation_too_large_for_memory_has_no_meshes_made_here():
    neuroglancer = pytest.importorskip("neuroglancer", reason="the extra view is not installed")
    small = local_volume(neuroglancer, Viewed(np.ones((2, 3, 4), np.uint8), (0, 0, 0), SIZE, True))
    assert small.data.transpose().shape == (4, 3, 2)
    with pytest.raises(ValueError, match="too many to make meshes of; convert with --meshes"):
        ReadArray(np.broadcast_to(np.uint8(1), (2**11, 2**10, 2**10))).transpose()


def test_without_the_extra_the_error_names_the_pip_line(files, error_of, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "neuroglancer", None)
    line = error_of("view", f"{files}/v.h5:raw")
    assert line == "error: the viewer is Neuroglancer, which is not installed; pip install 'sem-mae[view]'"


def test_an_address_is_made_for_what_a_browser_reads(files):
    base = "http://127.0.0.1:9000"
    assert viewer_url(f"{files}/cells", str(files.parent), base) == f"precomputed://{base}/{files.name}/cells"
    assert viewer_url("https://host/x.zarr", ".", base) == "zarr://https://host/x.zarr"
    assert viewer_url("precomputed://gs://b/x", ".", base) == "precomputed://gs://b/x"
    with pytest.raises(ValueError, match=r"is of no format that a browser reads; convert it first: python -m scripts"):
        viewer_url(f"{files}/v.h5:raw", str(files), base)
    with pytest.raises(ValueError, match=r"is outside the folder .* that is served; give --root"):
        viewer_url(f"{files}/cells", f"{files}/v.zarr", base)


def test_an_address_has_the_form_of_the_part_that_is_named(files, tmp_path):
    base = "http://127.0.0.1:9000"
    whole = viewer_url(f"{files}/cells", str(files), base)  # of precomputed, a viewer takes all scales
    names = (f"{files}/cells:0", f"precomputed://{files}/cells", f"file://{files}/cells:0")
    assert {viewer_url(name, str(files), base) for name in names} == {whole}
    zarr.create_array(tmp_path / "v.zarr" / "raw", shape=(2, 4, 5), chunks=(2, 4, 5), dtype="u1", zarr_format=2)
    image = zarr.open_group(tmp_path / "v.zarr" / "em", mode="w", zarr_format=3)
    image.create_array("s0", shape=(2, 4, 5), chunks=(2, 4, 5), dtype="u1")
    assert viewer_url(f"{tmp_path}/v.zarr:raw", str(tmp_path), base) == f"zarr2://{base}/v.zarr/raw"
    for name in ("em", "em/0"):  # the number of a level stands for its image
        assert viewer_url(f"{tmp_path}/v.zarr:{name}", str(tmp_path), base) == f"zarr3://{base}/v.zarr/em"
    assert viewer_url(f"{tmp_path}/v.zarr/em/s0", str(tmp_path), base) == f"zarr3://{base}/v.zarr/em/s0"
    (tmp_path / "v.n5" / "em" / "s0").mkdir(parents=True)
    assert viewer_url(f"{tmp_path}/v.n5/em/s0", str(tmp_path), base) == f"n5://{base}/v.n5/em/s0"


def test_what_cannot_be_shown_is_one_line(files, error_of):
    line = error_of("view", f"{files}/v.h5:raw", "--prediction", "s3://user:secret@bucket/maps.zarr")
    assert line == "error: prediction 's3://bucket/maps.zarr' is at an address; copy it, it is read from a file"
    assert "--scores needs --instances and --truth" in error_of(
        "view", f"{files}/v.h5:raw", "--scores", f"{files}/none.json"
    )
    assert "prediction 'none.h5' does not exist" in error_of("view", f"{files}/v.h5:raw", "--prediction", "none.h5")
    assert "names no single array" in error_of("view", f"{files}/v.h5:raw", "--prediction", f"{files}/seg.h5")
