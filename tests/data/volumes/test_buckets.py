"""Volumes in buckets: s3:// and gs:// of servers on this machine that answer as those of the published APIs."""

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
import tensorstore
import zarr

from scripts.data.volumes import open_volume
from scripts.tools.serve import byte_range

KEY, SECRET = "the-key-id", "the-secret-key"  # pragma: allowlist secret
GOOGLE = re.compile(r"/storage/v1/b/([^/]+)/o/(.+)")
READ = """import json, sys
from scripts.data.volumes import open_volume
for path in sys.argv[1:]:
    try:
        with open_volume(path) as volume:
            print(json.dumps([volume.path, volume.shape, volume.voxel_size_nm, volume[:].tolist()]))
    except (OSError, ValueError) as error:
        print(json.dumps([path, f"{type(error).__name__}: {error}"]))
"""


class BucketServer(ThreadingHTTPServer):
    """Buckets that are folders, by the REST API of S3 (/bucket/key) and of Google (/storage/v1/b/bucket/o/object).

    Reading needs GET with a range alone. The bucket `closed` is read with `KEY` only.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        self.folder, self.signed = folder, 0
        super().__init__(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Answers(BaseHTTPRequestHandler):
    """GET of an object, whole or one range of its bytes."""

    protocol_version = "HTTP/1.1"
    server: BucketServer

    def do_GET(self):
        path = urlsplit(self.path).path
        google = GOOGLE.match(path)
        bucket, _, key = (google[1], "/", google[2]) if google else unquote(path)[1:].partition("/")
        signed = self.headers.get("Authorization", "")
        self.server.signed += bool(signed)
        if bucket == "closed" and f"Credential={KEY}/" not in signed:
            self.answer(403, f"<Error><Code>AccessDenied</Code><Key>{KEY} {SECRET}</Key></Error>".encode())
            return
        file = self.server.folder / bucket / unquote(key)
        if not file.is_file():
            self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        content, asked = file.read_bytes(), self.headers.get("Range")
        first, end = byte_range(asked, len(content)) if asked else (0, len(content))
        headers = {"ETag": f'"{hashlib.md5(content).hexdigest()}"', "x-goog-generation": "1"}
        if asked:
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(content)}"
        self.answer(206 if asked else 200, content[first:end], headers)

    def answer(self, status, content, headers=None):
        """Send status, headers and bytes."""
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Print nothing."""


def write(folder, voxels):
    """A Zarr, an N5 and a precomputed volume, by zarr and tensorstore."""
    array = zarr.create_array(folder / "v.zarr", shape=voxels.shape, chunks=(3, 4, 8), shards=(6, 8, 16), dtype="u2")
    array[:] = voxels
    array.attrs["voxel_size_nm"] = [30, 6, 6]
    n5 = {
        "driver": "n5",
        "kvstore": {"driver": "file", "path": f"{folder}/v.n5/raw/"},
        "metadata": {"dimensions": voxels.shape[::-1], "blockSize": [16, 8, 3], "dataType": "uint16"},
    }
    tensorstore.open(n5, create=True).result()[...] = voxels.T
    path = folder / "v.n5" / "raw" / "attributes.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "resolution": [6, 6, 30]}))
    scale = {"size": voxels.shape[::-1], "encoding": "raw", "chunk_size": [16, 8, 4], "resolution": [6, 6, 30]}
    precomputed = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{folder}/pre/"},
        "multiscale_metadata": {"type": "image", "data_type": "uint16", "num_channels": 1},
        "scale_metadata": scale,
    }
    tensorstore.open(precomputed, create=True).result()[...] = voxels.T[..., None]


@pytest.fixture(scope="module")
def server(tmp_path_factory, voxels):
    folder = tmp_path_factory.mktemp("buckets")
    for bucket in ("open", "closed"):
        write(folder / bucket / "em", voxels)
    with BucketServer(folder) as found:
        threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02}).start()
        yield found
        found.shutdown()


def read(server, paths, home, **credentials):
    """What a process of its own reads: addresses and credentials are read once in a process."""
    unset = [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "TENSORSTORE_"))]
    clean = {name: value for name, value in os.environ.items() if name not in unset}
    host = server.url.removeprefix("http://")
    settings = {"AWS_ENDPOINT_URL": server.url, "TENSORSTORE_GCS_HTTP_URL": server.url, "GCE_METADATA_ROOT": host}
    ended = subprocess.run(
        [sys.executable, "-c", READ, *paths],
        env={**clean, **settings, "HOME": str(home), **credentials},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert SECRET not in ended.stdout + ended.stderr
    assert "AWS_ERROR" not in ended.stderr
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_every_format_is_read_from_open_buckets_and_a_closed_one_is_one_line(server, tmp_path, voxels):
    names = ("v.zarr", "v.n5:raw", "pre")
    paths = [f"{scheme}://open/em/{name}" for scheme in ("s3", "gs") for name in names]
    found = read(server, [*paths, "precomputed://s3://open/em/pre", "s3://closed/em/v.zarr", "s3://open/no"], tmp_path)
    for _, shape, size, stored in found[:7]:
        assert (tuple(shape), size) == (voxels.shape, [30, 6, 6])
        assert np.array_equal(stored, voxels)
    assert server.signed == 0
    closed, nothing = found[7][1], found[8][1]
    assert re.fullmatch(
        r"OSError: 's3://closed/em/v\.zarr' cannot be read \(PERMISSION_DENIED: AccessDenied\); check bucket, "
        r"AWS_ENDPOINT_URL and region, and set AWS_ACCESS_KEY_ID or AWS_PROFILE where it is not public",
        closed,
    )
    assert "'s3://open/no' holds neither a precomputed volume nor N5 nor Zarr" in nothing


def test_a_closed_bucket_is_read_with_its_key(server, tmp_path, voxels):
    key = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    (right, wrong) = (
        read(server, ["s3://closed/em/v.zarr"], tmp_path, **{**key, "AWS_ACCESS_KEY_ID": name})[0]
        for name in (KEY, "another")
    )
    assert np.array_equal(right[3], voxels)
    assert "cannot be read (" in wrong[1]
    assert "another" not in wrong[1]


def test_the_endpoint_of_s3_alone_goes_first(server, monkeypatch, voxels):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    assert np.array_equal(open_volume("s3://open/em/v.zarr")[:], voxels)
