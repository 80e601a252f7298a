"""N5, precomputed and Zarr at an address: each written by tensorstore or zarr itself, and read back."""

import json
import multiprocessing
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import tensorstore
import zarr

from scripts.data.volumes import open_volume
from scripts.data.volumes.cloud import without_secrets
from scripts.tools.serve import FileServer

SHARDING = {
    "@type": "neuroglancer_uint64_sharded_v1",
    "preshift_bits": 1,
    "minishard_bits": 1,
    "shard_bits": 1,
    "hash": "identity",
    "minishard_index_encoding": "gzip",
    "data_encoding": "gzip",
}


class Forbidding(BaseHTTPRequestHandler):
    """A server that lets nobody read."""

    def do_GET(self):
        self.send_response(403)
        content = b"Access denied for the key secret"
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_):
        """Say nothing."""


def write_n5(folder, voxels, **metadata):
    """(z, y, x) voxels as an N5 array x, y, z."""
    spec = {
        "driver": "n5",
        "kvstore": {"driver": "file", "path": f"{folder}/"},
        "metadata": {
            "dimensions": voxels.shape[::-1],
            "blockSize": [16, 8, 3],
            "dataType": str(voxels.dtype),
            "compression": {"type": "gzip"},
            **metadata,
        },
    }
    tensorstore.open(spec, create=True).result()[...] = voxels.T
    return str(folder)


def add_attributes(folder, **attributes):
    """What other programs write into attributes.json beside N5's own."""
    path = folder / "attributes.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known | attributes))


def write_precomputed(folder, voxels, encoding="raw", resolution=(6, 6, 30), offset=(0, 0, 0), **scale):
    """(z, y, x) voxels as a scale of a precomputed volume; a further call adds a scale."""
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{folder}/"},
        "multiscale_metadata": {"type": "image", "data_type": str(voxels.dtype), "num_channels": 1},
        "scale_metadata": {
            "size": voxels.shape[::-1],
            "encoding": encoding,
            "chunk_size": [16, 8, 4],
            "resolution": resolution,
            "voxel_offset": offset,
            **scale,
        },
    }
    tensorstore.open(spec, create=True).result()[...] = voxels.T[..., None]
    return str(folder)


@pytest.fixture
def served(tmp_path):
    """The address of tmp_path on this machine."""
    with FileServer(tmp_path) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.url
        server.shutdown()
        thread.join()


def check(path, voxels, size=(30.0, 6.0, 6.0), offset=None):
    with open_volume(path) as volume:
        assert (volume.shape, volume.dtype) == (voxels.shape, voxels.dtype)
        assert volume.voxel_size_nm == (None if size is None else pytest.approx(size))
        assert volume.offset_nm == (None if offset is None else pytest.approx(offset))
        assert np.array_equal(volume[1:5, 3:20, 30:], voxels[1:5, 3:20, 30:])
        assert np.array_equal(volume[:], voxels)
        assert volume[2].flags.c_contiguous


@pytest.mark.parametrize("compression", ["raw", "gzip", "bzip2", "xz", "blosc", "zstd"])
def test_n5_of_every_compression_has_the_voxels_that_were_written(tmp_path, voxels, compression):
    extra = {"cname": "lz4", "clevel": 5, "shuffle": 1} if compression == "blosc" else {}
    units = {"axes": ["x", "y", "z"], "resolution": [0.006, 0.006, 0.03], "units": ["um"] * 3}
    path = write_n5(tmp_path / "v.n5", voxels, compression={"type": compression, **extra}, **units)
    check(path, voxels)


def test_n5_axes_are_taken_by_name(tmp_path, voxels):
    write_n5(tmp_path / "v.n5", voxels.transpose(2, 1, 0), axes=["z", "y", "x"], blockSize=[4, 8, 8])
    check(tmp_path / "v.n5", voxels, size=None)


def test_levels_of_cosem_n5_have_their_own_size_and_place(tmp_path, voxels):
    levels = []
    for level, factor in enumerate((1, 2)):
        write_n5(tmp_path / "v.n5" / "em" / f"s{level}", np.ascontiguousarray(voxels[:, ::factor, ::factor]))
        scale, moved = [0.03, 0.006 * factor, 0.006 * factor], [0.3, 0.003 * (factor - 1), 0.003 * (factor - 1)]
        transform = {"axes": ["z", "y", "x"], "scale": scale, "translate": moved, "units": ["um"] * 3}
        levels.append({"path": f"s{level}", "transform": transform})
    add_attributes(tmp_path / "v.n5" / "em", multiscales=[{"datasets": levels}])
    check(f"{tmp_path / 'v.n5'}:em", voxels, offset=(300, 0, 0))
    half = open_volume(f"{tmp_path / 'v.n5'}:em/s1")
    assert (half.voxel_size_nm, half.offset_nm) == ((30, 12, 12), pytest.approx((300, 3, 3)))
    assert open_volume(f"{tmp_path / 'v.n5'}:em", scale=1).path == half.path
    with pytest.raises(ValueError, match="has no scale 2; there are: s0, s1"):
        open_volume(f"{tmp_path / 'v.n5'}:em", scale=2)


def test_levels_of_n5_viewer_multiply_the_resolution_of_the_group(tmp_path, voxels):
    group = tmp_path / "v.n5" / "em"
    write_n5(group / "s0", voxels)
    write_n5(group / "s1", np.ascontiguousarray(voxels[:, ::2, ::2]))
    add_attributes(group, pixelResolution={"dimensions": [0.006, 0.006, 0.03], "unit": "um"})
    add_attributes(group / "s1", downsamplingFactors=[2, 2, 1])
    check(f"{tmp_path / 'v.n5'}:em", voxels)
    assert open_volume(f"{tmp_path / 'v.n5'}:em", scale=1).voxel_size_nm == (30, 12, 12)


@pytest.mark.parametrize("place", ["dataset", "group"])
@pytest.mark.parametrize("listed", [False, True])
def test_the_resolution_of_n5_viewer_is_that_of_the_finest_level_on_each_level(tmp_path, voxels, place, listed):
    group = tmp_path / "v.n5" / "em"
    for level, factor in enumerate((1, 2)):
        write_n5(group / f"s{level}", np.ascontiguousarray(voxels[:, ::factor, ::factor]))
        if not listed:
            add_attributes(group / f"s{level}", downsamplingFactors=[factor, factor, 1])
    for holder in [group / "s0", group / "s1"] if place == "dataset" else [group]:
        add_attributes(holder, pixelResolution={"dimensions": [6, 6, 30], "unit": "nm"})
    if listed:
        add_attributes(group, scales=[[1, 1, 1], [2, 2, 1]])
    assert open_volume(f"{tmp_path / 'v.n5'}:em").voxel_size_nm == (30, 6, 6)
    assert open_volume(f"{tmp_path / 'v.n5'}:em/s1").voxel_size_nm == (30, 12, 12)


def test_a_level_of_n5_without_factors_has_an_unknown_voxel_size(tmp_path, voxels):
    group = tmp_path / "v.n5" / "em"
    write_n5(group / "s1", voxels)
    add_attributes(group, pixelResolution={"dimensions": [6, 6, 30], "unit": "nm"})
    assert open_volume(f"{tmp_path / 'v.n5'}:em/s1").voxel_size_nm is None


def test_paintera_n5_has_resolution_and_offset_in_nm(tmp_path, voxels):
    write_n5(tmp_path / "v.n5" / "raw", voxels)
    add_attributes(tmp_path / "v.n5" / "raw", resolution=[6, 6, 30], offset=[60, 12, 300])
    check(f"{tmp_path / 'v.n5'}:raw", voxels, offset=(300, 12, 60))


def test_big_data_viewer_n5_takes_size_and_unit_from_its_xml(tmp_path, voxels):
    write_n5(tmp_path / "v.n5" / "setup0" / "timepoint0" / "s0", voxels)
    add_attributes(tmp_path / "v.n5" / "setup0" / "timepoint0", resolution=[1.0, 1.0, 5.0], multiScale=True)
    path = f"{tmp_path / 'v.n5'}:setup0/timepoint0"
    check(path, voxels, size=None)  # its `resolution` has no unit
    voxel = "<voxelSize><unit>um</unit><size>0.006 0.006 0.03</size></voxelSize>"
    views = f"<ViewSetups><ViewSetup><id>0</id>{voxel}</ViewSetup></ViewSetups>"
    (tmp_path / "v.xml").write_text(f"<SpimData><SequenceDescription>{views}</SequenceDescription></SpimData>")
    check(path, voxels)


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("encoding", ["raw", "compressed_segmentation", "png"])
def test_precomputed_of_every_lossless_encoding_has_the_voxels_that_were_written(tmp_path, voxels, encoding, sharded):
    array = voxels.astype(np.uint64) + 2**40 if encoding == "compressed_segmentation" else voxels
    scale = {"compressed_segmentation_block_size": [8, 8, 8]} if encoding == "compressed_segmentation" else {}
    scale |= {"sharding": SHARDING} if sharded else {}
    write_precomputed(tmp_path / "v", array, encoding, offset=(5, 6, 7), **scale)
    check(tmp_path / "v", array, offset=(210, 36, 30))


def test_jpeg_chunks_decode_to_nearly_what_was_written(tmp_path):
    ramp = np.tile(np.arange(0, 64, dtype=np.uint8), (5, 24, 1))
    path = write_precomputed(tmp_path / "v", ramp, "jpeg", jpeg_quality=95)
    assert np.abs(open_volume(path)[:].astype(int) - ramp).max() <= 4


def test_scales_of_precomputed_are_named_by_number_and_key(tmp_path, voxels):
    path = write_precomputed(tmp_path / "v", voxels)
    write_precomputed(tmp_path / "v", np.ascontiguousarray(voxels[:, ::2, ::2]), resolution=(12, 12, 30))
    for half in (open_volume(path, scale=1), open_volume(f"{path}:1"), open_volume(f"{path}:12_12_30")):
        assert half.voxel_size_nm == (30, 12, 12)
        assert np.array_equal(half[:], voxels[:, ::2, ::2])
    with pytest.raises(ValueError, match=r"has no scale 2; there are: 0 \('6_6_30'\), 1 \('12_12_30'\)"):
        open_volume(f"{path}:2")
    with pytest.raises(ValueError, match=r"has no scale '24_24_30'; there are"):
        open_volume(f"{path}:24_24_30")


@pytest.mark.parametrize("version", [2, 3])
def test_an_ome_zarr_is_read_at_an_address_by_image_and_level(tmp_path, voxels, served, version):
    group = zarr.open_group(tmp_path / "v.zarr", mode="w", zarr_format=version)
    for level, array in enumerate((voxels, voxels[:, ::2, ::2])):
        stored = group.create_array(f"s{level}", shape=(1, *array.shape), chunks=(1, 3, 8, 16), dtype=array.dtype)
        stored[:] = array[None]
    levels = [
        {
            "path": f"s{level}",
            "coordinateTransformations": [
                {"type": "scale", "scale": [1, 0.03, 0.006 * step, 0.006 * step]},
                {"type": "translation", "translation": [0, 0.3, 0, 0]},
            ],
        }
        for level, step in enumerate((1, 2))
    ]
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    image = {"version": "0.4", "axes": axes, "datasets": levels}
    group.attrs.update({"multiscales": [image]} if version == 2 else {"ome": {"multiscales": [image]}})
    for root in (f"{served}/v.zarr", str(tmp_path / "v.zarr")):
        check(root, voxels, offset=(300, 0, 0))
        for half in (open_volume(f"{root}:1"), open_volume(f"{root}:s1"), open_volume(root, scale=1)):
            assert half.voxel_size_nm == pytest.approx((30, 12, 12))
            assert np.array_equal(half[:], voxels[:, ::2, ::2])
        with pytest.raises(ValueError, match=r"v\.zarr(:2)?' has no scale 2; there are: 0 \('s0'\), 1 \('s1'\)"):
            open_volume(f"{root}:2")


def test_the_name_that_convert_writes_to_is_read(tmp_path, voxels):
    path = write_precomputed(tmp_path / "v", voxels)
    for name in (f"precomputed://{path}", f"precomputed://file://{path}", f"file://{path}", f"precomputed://{path}:0"):
        with open_volume(name) as volume:
            assert np.array_equal(volume[2], voxels[2])
            assert np.array_equal(open_volume(volume.path)[2], voxels[2])


def test_every_format_is_found_at_an_address_with_ranges_of_shards(tmp_path, voxels, served):
    array = zarr.create_array(tmp_path / "s.zarr", shape=voxels.shape, chunks=(3, 4, 8), shards=(6, 8, 16), dtype="u2")
    array[:] = voxels
    array.attrs["voxel_size_nm"] = [30, 6, 6]
    write_precomputed(tmp_path / "pre", voxels, sharding=SHARDING)
    write_n5(tmp_path / "plain", voxels, axes=["x", "y", "z"], resolution=[6, 6, 30], units=["nm"] * 3)
    check(f"{served}/s.zarr", voxels)
    check(f"{served}/pre", voxels, offset=(0, 0, 0))
    check(f"{served}/plain", voxels)
    for prefix in ("precomputed", "n5", "zarr3"):
        name = {"precomputed": "pre", "n5": "plain", "zarr3": "s.zarr"}[prefix]
        assert np.array_equal(open_volume(f"{prefix}://{served}/{name}")[3], voxels[3])
    assert np.array_equal(open_volume(open_volume(f"{served}/pre").path)[:], voxels)


def test_labels_of_an_ome_zarr_are_a_volume(tmp_path, voxels, write):
    path = write("ome-zarr", voxels)
    group = zarr.open_group(path, mode="r+")
    labels = group.create_group("labels/cells")
    labels.create_array("0", shape=voxels.shape, chunks=(7, 20, 33), dtype="u4")[:] = voxels
    group["labels"].attrs["labels"] = ["cells"]
    axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
    scale = [{"type": "scale", "scale": [30, 6, 6]}]
    image = {"version": "0.4", "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    labels.attrs.update({"multiscales": [image], "image-label": {"version": "0.4"}})
    check(f"{path}:labels/cells", voxels.astype(np.uint32))


@pytest.mark.parametrize("kind", ["hdf5 contiguous", "hdf5 gzip", "zarr 2 default", "zarr 3 default", "npy"])
@pytest.mark.parametrize("shape", [(1, 7, 20, 33), (1, 1, 7, 20, 33), (7, 20, 33, 1)])
def test_axes_of_length_one_are_left_out(tmp_path, voxels, kind, shape):
    array = voxels.reshape(shape)
    if kind == "npy":
        np.save(tmp_path / "v.npy", array)
        path = tmp_path / "v.npy"
    elif kind.startswith("hdf5"):
        import h5py

        path = tmp_path / "v.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("raw", data=array, compression="gzip" if "gzip" in kind else None)
    else:
        path = tmp_path / "v.zarr"
        zarr.create_array(path, shape=shape, chunks=(4,) * len(shape), dtype="u2", zarr_format=int(kind[5]))[:] = array
    volume = open_volume(path)
    assert volume.shape == voxels.shape
    assert np.array_equal(volume[1:4, 3:], voxels[1:4, 3:])


def test_a_volume_of_one_section_keeps_its_z(tmp_path, voxels):
    np.save(tmp_path / "v.npy", voxels[None, :1])
    assert open_volume(tmp_path / "v.npy").shape == (1, 20, 33)


def _read_forked(volume, answers):
    try:
        volume[0]
    except RuntimeError as error:
        answers.put(str(error))


def test_a_forked_process_is_refused_with_the_advice_to_spawn(tmp_path, voxels):
    volume = open_volume(write_precomputed(tmp_path / "v", voxels))
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    process = context.Process(target=_read_forked, args=(volume, answers))
    process.start()
    process.join(20)
    assert "does not survive a fork; start worker processes with multiprocessing_context='spawn'" in answers.get()


class TestBadInput:
    def test_without_the_extra_the_error_names_the_pip_line(self, tmp_path, voxels, monkeypatch):
        path = write_precomputed(tmp_path / "v", voxels)
        monkeypatch.setitem(__import__("sys").modules, "tensorstore", None)
        with pytest.raises(ImportError, match=r"v' is read by tensorstore, .*; pip install 'sem-mae\[cloud\]'"):
            open_volume(path)

    def test_a_server_that_is_gone_is_an_error_without_secrets(self):
        with pytest.raises(OSError, match="cannot be read") as error:
            open_volume("http://user:secret@127.0.0.1:9/v.zarr?key=secret")
        assert "secret" not in str(error.value)
        assert re.search(
            r"'http://127\.0\.0\.1:9/v\.zarr' cannot be read .*connect.*; check the address", str(error.value)
        )

    def test_an_address_is_shown_without_user_password_and_query(self):
        for prefix in ("", "precomputed://", "zarr3://"):
            for tail in ("", "?key=secret", "#secret", "?at=https://secret@x"):
                shown = without_secrets(f"{prefix}https://user:secret@host:80/a/v.zarr{tail}")
                assert shown == f"{prefix}https://host:80/a/v.zarr"
        assert without_secrets("folder/v.zarr:raw") == "folder/v.zarr:raw"

    def test_an_address_with_nothing_is_an_error(self, served):
        with pytest.raises(ValueError, match="holds neither a precomputed volume nor N5 nor Zarr"):
            open_volume(f"{served}/nothing")
        with pytest.raises(
            ValueError, match=r"nothing\.zarr' has no zarr\.json and no \.zarray: .*; check the address"
        ):
            open_volume(f"{served}/nothing.zarr")
        with pytest.raises(ValueError, match="has no Zarr array 'raw'"):
            open_volume(f"{served}/nothing.zarr:raw")

    def test_a_bucket_without_credentials_is_an_error_without_secrets(self, tmp_path):
        """In a process of its own: where the store of Google is, is read once."""
        key = tmp_path / "key.json"
        key.write_text('{"type": "service_account", "private_key": "secret"}')
        with ThreadingHTTPServer(("127.0.0.1", 0), Forbidding) as server:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
            host = f"127.0.0.1:{server.server_address[1]}"
            settings = {"TENSORSTORE_GCS_HTTP_URL": f"http://{host}", "GCE_METADATA_ROOT": host}
            program = "import sys; from scripts.data.volumes import open_volume; open_volume(sys.argv[1])"
            lines = []
            for more in ({}, {"GOOGLE_APPLICATION_CREDENTIALS": str(key)}):
                ended = subprocess.run(
                    [sys.executable, "-c", program, "gs://bucket/v.zarr"],
                    env={**os.environ, **settings, **more}, capture_output=True, text=True, check=False, timeout=60,
                )  # fmt: skip
                lines.append(next(line for line in ended.stderr.splitlines() if line.startswith("OSError")))
                assert "secret" not in ended.stderr
            server.shutdown()
        for line in lines:
            assert "'gs://bucket/v.zarr' cannot be read (" in line
            assert "check the bucket, and set GOOGLE_APPLICATION_CREDENTIALS where it is not public" in line

    def test_a_scale_that_info_has_not_is_answered_with_those_there_are(self, tmp_path, voxels):
        path = write_precomputed(tmp_path / "v", voxels)
        with pytest.raises(ValueError, match=r"v' has no scale '12_12_30'; there are: 0 \('6_6_30'\)"):
            open_volume(f"{path}:12_12_30")
        with pytest.raises(ValueError, match=r"v' has no scale 2; there are: 0 \('6_6_30'\)"):
            open_volume(path, scale=2)

    def test_a_half_written_chunk_of_precomputed_names_the_box(self, tmp_path, voxels):
        path = write_precomputed(tmp_path / "v", voxels)
        for chunk in (tmp_path / "v" / "6_6_30").iterdir():
            os.truncate(chunk, chunk.stat().st_size // 2)
        with pytest.raises(OSError, match=r"v': the chunks of box 0:2,8:10,16:20 \(z, y, x\) cannot be read"):
            open_volume(path)[:2, 8:10, 16:20]

    def test_a_half_written_chunk_names_the_box(self, tmp_path, voxels):
        path = write_n5(tmp_path / "v.n5", voxels)
        chunk = tmp_path / "v.n5" / "1" / "1" / "0"
        os.truncate(chunk, chunk.stat().st_size // 2)
        with pytest.raises(OSError, match=r"v\.n5': the chunks of box 0:2,8:10,16:20 \(z, y, x\) cannot be read"):
            open_volume(path)[:2, 8:10, 16:20]

    def test_damaged_metadata_are_an_error(self, tmp_path, voxels):
        write_precomputed(tmp_path / "v", voxels)
        (tmp_path / "v" / "info").write_text('{"scales": [')
        with pytest.raises(ValueError, match="info is not a JSON object, it is corrupt or cut off"):
            open_volume(tmp_path / "v")
        (tmp_path / "v" / "info").write_text('{"@type": "neuroglancer_legacy_mesh"}')
        with pytest.raises(ValueError, match="its info is of type 'neuroglancer_legacy_mesh', not that of a volume"):
            open_volume(tmp_path / "v")

    def test_a_compression_that_is_not_read_is_named(self, tmp_path, voxels):
        path = write_n5(tmp_path / "v.n5", voxels)
        add_attributes(tmp_path / "v.n5", compression={"type": "jpeg"})
        with pytest.raises(ValueError, match=r"v\.n5' is compressed as 'jpeg'; read are raw, gzip"):
            open_volume(path)

    def test_several_channels_are_refused(self, tmp_path, voxels):
        write_n5(tmp_path / "v.n5", np.stack([voxels] * 2), blockSize=[16, 8, 3, 1])
        with pytest.raises(ValueError, match=r"has the axes x, y, z, c of sizes \[33, 20, 7, 2\] where a volume has"):
            open_volume(tmp_path / "v.n5")

    def test_a_group_without_levels_asks_for_a_name(self, tmp_path, voxels):
        write_n5(tmp_path / "v.n5" / "raw", voxels)
        with pytest.raises(ValueError, match=r"v\.n5' is no N5 dataset and has no levels .*; name one as '.*:DATASET'"):
            open_volume(tmp_path / "v.n5")


def test_what_a_zarr_array_states_is_applied_or_refused_at_an_address_too(tmp_path, voxels, served):
    zarr.create_array(tmp_path / "v.zarr", shape=voxels.shape, chunks=voxels.shape, dtype=voxels.dtype)[:] = voxels
    array = zarr.open_array(tmp_path / "v.zarr", mode="a")
    array.attrs.update({"voxel_size": [30, 6, 6], "offset": [60, 6, 0]})
    with open_volume(f"{served}/v.zarr") as volume:
        assert volume.position == (2, 1, 0)
        assert np.array_equal(volume[:], voxels)
    array.attrs["scale_factor"] = 2
    with pytest.raises(ValueError, match=r"v\.zarr' has the attribute scale_factor 2"):
        open_volume(f"{served}/v.zarr")


@pytest.mark.parametrize("version", [2, 3])
def test_what_the_groups_of_an_array_state_counts_at_an_address_as_in_a_folder(tmp_path, voxels, served, version):
    root = zarr.open_group(tmp_path / "v.zarr", mode="w", zarr_format=version)
    group = root.create_group("volumes")
    group.create_array("raw", shape=voxels.shape, chunks=voxels.shape, dtype=voxels.dtype)[:] = voxels
    root.attrs["resolution"], group.attrs["offset"] = [30, 6, 6], [2, 1, 0]
    for path in (f"{tmp_path}/v.zarr:volumes/raw", f"{served}/v.zarr:volumes/raw"):
        with open_volume(path) as volume:
            assert (volume.voxel_size_nm, volume.position) == ((30, 6, 6), (2, 1, 0))


@pytest.mark.parametrize("stated", [None, ".", "/"])
def test_nested_chunks_at_an_address_are_read_or_refused(tmp_path, voxels, served, stated):
    """Chunks 0/1/2 of Zarr 2, where the metadata mention no separator, another one, or the right one."""
    array = zarr.create_array(
        tmp_path / "v.zarr",
        shape=voxels.shape,
        chunks=(3, 8, 16),
        dtype=voxels.dtype,
        zarr_format=2,
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )
    array[:] = voxels
    path = tmp_path / "v.zarr" / ".zarray"
    metadata = {name: value for name, value in json.loads(path.read_text()).items() if name != "dimension_separator"}
    path.write_text(json.dumps(metadata | ({} if stated is None else {"dimension_separator": stated})))
    if stated == ".":
        with pytest.raises(ValueError, match=r"v\.zarr' states the dimension_separator '\.' and its chunks are named"):
            open_volume(f"{served}/v.zarr")
    else:
        with open_volume(f"{served}/v.zarr") as volume:
            assert np.array_equal(volume[:], voxels)
            assert volume.remarks() == []


@pytest.mark.parametrize("kind", ["zarr 2", "zarr 3", "sharded", "n5"])
def test_an_array_at_an_address_without_a_stored_chunk_is_refused(tmp_path, voxels, served, kind):
    if kind == "n5":
        write_n5(tmp_path / "v.n5", voxels)
        for chunk in [path for path in (tmp_path / "v.n5").rglob("*") if path.is_file() and path.name.isdigit()]:
            chunk.unlink()
    else:
        options = {"shards": (6, 16, 16)} if kind == "sharded" else {}
        zarr.create_array(
            tmp_path / "v.zarr",
            shape=voxels.shape,
            chunks=(3, 8, 8),
            dtype=voxels.dtype,
            zarr_format=2 if kind == "zarr 2" else 3,
            **options,
        )
    with pytest.raises(ValueError, match=r"v\.(zarr|n5)' has no stored chunk: all of its .* would read as the fill"):
        open_volume(f"{served}/v.{'n5' if kind == 'n5' else 'zarr'}")


@pytest.mark.parametrize("door", ["folder", "address"])
@pytest.mark.parametrize("kind", ["n5", "chunks", "shards"])
def test_n5_and_precomputed_without_a_stored_chunk_are_refused_and_with_holes_are_counted(
    tmp_path, voxels, served, kind, door
):
    folder = tmp_path / "v"
    if kind == "n5":
        write_n5(folder, voxels)
        chunks = [path for path in folder.rglob("*") if path.is_file() and path.name.isdigit()]
    else:
        scale = {"sharding": SHARDING} if kind == "shards" else {}
        write_precomputed(folder, voxels, offset=(5, 6, 7), **scale)
        chunks = sorted((folder / "6_6_30").iterdir())
    path = str(folder) if door == "folder" else f"{served}/v"
    assert open_volume(path).remarks() == []
    for chunk in chunks[1:]:
        chunk.unlink()
    counted = door == "folder" and kind != "shards"
    lacks = [f"{len(chunks) - 1} of {len(chunks)} chunks were never written and read as 0"] if counted else []
    assert open_volume(path).remarks() == lacks
    chunks[0].unlink()
    with pytest.raises(ValueError, match=r"v' has no stored chunk: all of its .* would read as the fill value 0; copy"):
        open_volume(path)


def test_packed_chunks_in_a_folder_are_named(tmp_path, voxels):
    path = write_precomputed(tmp_path / "v", voxels)
    for chunk in list((tmp_path / "v" / "6_6_30").iterdir()):
        chunk.rename(f"{chunk}.gz")
    with pytest.raises(ValueError, match=r"packed once more \('.*\.gz'\).*unpack its files \*\.gz in place"):
        open_volume(path)


def test_one_stored_chunk_of_many_is_enough_and_none_found_is_remarked(tmp_path, served):
    array = zarr.create_array(tmp_path / "v.zarr", shape=(8, 40, 40), chunks=(1, 8, 8), dtype="uint8")
    array[7, 39, 39] = 5
    with open_volume(f"{served}/v.zarr") as volume:
        assert volume.remarks() == [
            "none of 64 requested chunks is stored: most of its (8, 40, 40) voxels may read as 0"
        ]
        assert volume[7, 39, 39] == 5
    array[0, 0, 0] = 1
    assert open_volume(f"{served}/v.zarr").remarks() == []
