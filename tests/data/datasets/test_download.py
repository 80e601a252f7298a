"""Downloads: faults of a server or a disk, against a real HTTP server on the loopback."""

import hashlib
import http.server
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from scripts.data.datasets.download import Patience, download

CONTENT = np.random.default_rng(0).bytes(3_000_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
QUICK = Patience(tries=3, first_wait=0.001, silence=5)


@dataclass
class Server:
    """What the server does, and what it was asked."""

    content: bytes = CONTENT
    break_after: int | None = None
    breaks: int = 10**6
    ranges: bool = True
    etag: str | None = '"one"'
    status: int = 200
    busy: int = 0
    announces: int | str | None = None
    location: str | None = None
    asked: list[str | None] = field(default_factory=list)
    url: str = ""


class Handler(http.server.BaseHTTPRequestHandler):
    state: Server

    def do_GET(self):
        state, wanted = self.state, self.headers["Range"]
        state.asked.append(wanted)
        if state.busy or state.status != 200:
            self.send_error(503 if state.busy else state.status)
            state.busy = max(0, state.busy - 1)
            return
        if state.location is not None:
            self.send_response(302)
            self.send_header("Location", state.location or self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and state.ranges else 0
        if self.headers["If-Range"] not in (None, state.etag):
            start = 0
        size = len(state.content)
        if start >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        if state.etag:
            self.send_header("ETag", state.etag)
        self.send_header("Content-Length", str(state.announces or size - start))
        self.end_headers()
        stop = size
        if state.break_after is not None and state.breaks:
            stop, state.breaks = min(size, start + state.break_after), state.breaks - 1
        self.wfile.write(state.content[start:stop])
        self.close_connection = True

    def log_message(self, *words):
        pass


class LogSink(http.server.ThreadingHTTPServer):
    def handle_error(self, *request):
        """A client that hangs up is part of these tests."""


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    state = Server()
    listening = LogSink(("127.0.0.1", 0), type("Bound", (Handler,), {"state": state}))
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{listening.server_port}/data.zip"
    yield state
    listening.shutdown()
    thread.join()
    listening.server_close()


def test_a_file_arrives_whole_and_nothing_else_is_left(server, tmp_path):
    target = download(server.url, tmp_path / "new" / "data.zip", size=len(CONTENT), md5=MD5, sha256=SHA256)
    assert target.read_bytes() == CONTENT
    assert os.listdir(target.parent) == ["data.zip"]


def test_a_file_that_is_there_is_not_downloaded_again(server, tmp_path):
    (tmp_path / "data.zip").write_bytes(CONTENT)
    download(server.url, tmp_path / "data.zip", md5=MD5)
    assert server.asked == []


def test_a_file_that_is_there_and_wrong_is_left_alone_and_named(server, tmp_path):
    (tmp_path / "data.zip").write_bytes(b"mine")
    with pytest.raises(ValueError, match=rf"data\.zip has md5 {hashlib.md5(b'mine').hexdigest()} .*remove it"):
        download(server.url, tmp_path / "data.zip", md5=MD5)
    assert (tmp_path / "data.zip").read_bytes() == b"mine"


def test_a_connection_that_breaks_half_way_is_taken_up_at_the_byte_it_broke(server, tmp_path):
    server.break_after, server.breaks = 1_200_000, 1
    target = download(server.url, tmp_path / "data.zip", md5=MD5, patience=QUICK)
    assert target.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1200000-"]


def test_many_breaks_do_not_matter_while_bytes_arrive(server, tmp_path):
    server.break_after = 200_000
    assert download(server.url, tmp_path / "data.zip", md5=MD5, patience=QUICK).read_bytes() == CONTENT
    assert len(server.asked) == 15


def test_a_part_is_kept_for_the_next_call(server, tmp_path):
    target = tmp_path / "data.zip"
    server.break_after, server.breaks = 1_000_000, 1
    server.content = CONTENT
    once = Patience(tries=1, first_wait=0.001, silence=5)
    with pytest.raises(OSError, match=r"broke at 1000000 of 3000000 bytes.*kept in .*data\.zip\.part"):
        download(server.url, target, md5=MD5, patience=once)
    assert not target.exists()
    assert (tmp_path / "data.zip.part").stat().st_size == 1_000_000
    download(server.url, target, md5=MD5)
    assert target.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000000-"]
    assert os.listdir(tmp_path) == ["data.zip"]


def test_a_part_that_is_complete_is_only_checked(server, tmp_path):
    (tmp_path / "data.zip.part").write_bytes(CONTENT)
    (tmp_path / "data.zip.part.json").write_text(f'{{"url": "{server.url}", "validator": null, "total": 3000000}}')
    assert download(server.url, tmp_path / "data.zip", md5=MD5).read_bytes() == CONTENT
    assert server.asked == ["bytes=3000000-"]


def test_a_server_that_ignores_ranges_starts_over(server, tmp_path):
    server.ranges, server.break_after, server.breaks = False, 2_000_000, 1
    assert download(server.url, tmp_path / "data.zip", md5=MD5, patience=QUICK).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=2000000-"]


def test_a_file_that_changed_on_the_server_is_never_mixed_with_the_old_part(server, tmp_path):
    server.break_after, server.breaks = 1_000_000, 1
    with pytest.raises(OSError, match="broke"):
        download(server.url, tmp_path / "data.zip", patience=Patience(tries=1, silence=5))
    server.content, server.etag = CONTENT[::-1], '"two"'
    assert download(server.url, tmp_path / "data.zip").read_bytes() == CONTENT[::-1]


def test_a_part_of_another_address_is_not_used(server, tmp_path):
    (tmp_path / "data.zip.part").write_bytes(b"another file")
    assert download(server.url, tmp_path / "data.zip").read_bytes() == CONTENT
    assert server.asked == [None]


def test_a_wrong_checksum_leaves_nothing_under_the_final_name(server, tmp_path):
    with pytest.raises(
        ValueError, match=rf"has md5 {MD5} where {'0' * 32} is expected.*set aside as .*data\.zip\.wrong"
    ):
        download(server.url, tmp_path / "data.zip", md5="0" * 32)
    assert os.listdir(tmp_path) == ["data.zip.wrong"]


def test_a_size_other_than_announced_stops_before_the_download(server, tmp_path):
    with pytest.raises(ValueError, match="announces 3000000 bytes, the manifest 12"):
        download(server.url, tmp_path / "data.zip", size=12)


@pytest.mark.parametrize("announced", ["many", "-5", "3e6", "9" * 30])
def test_a_length_that_is_no_number_is_as_good_as_none(server, tmp_path, announced):
    server.announces = announced
    assert download(server.url, tmp_path / "data.zip", size=len(CONTENT), md5=MD5).read_bytes() == CONTENT


def test_a_server_that_sends_more_than_stated_is_stopped(server, tmp_path):
    server.announces = "many"
    with pytest.raises(ValueError, match="sends more than the 1000 bytes of the manifest; nothing is kept"):
        download(server.url, tmp_path / "data.zip", size=1000)
    assert not (tmp_path / "data.zip.part").exists()


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("file:///etc/hostname", "Redirection to url 'file:///etc/hostname' is not allowed"),
        ("ftp://127.0.0.1/data.zip", "redirection to ftp://127"),
        ("http://[::1/data.zip", "an address that is none"),
        ("", "infinite loop"),
    ],
)
def test_a_redirect_that_is_not_followed_is_not_tried_again(server, tmp_path, location, reason):
    server.location = location
    with pytest.raises(OSError, match=rf"data\.zip: the server redirects .*{reason}"):
        download(server.url, tmp_path / "data.zip", patience=Patience(tries=3, first_wait=60, silence=5))
    assert len(server.asked) == (1 if location else 5)  # the loop is that of one request
    assert os.listdir(tmp_path) == []


def test_a_missing_address_is_not_tried_again(server, tmp_path):
    server.status = 404
    with pytest.raises(OSError, match=r"/data\.zip: the server answers 404 .*check the address"):
        download(server.url, tmp_path / "data.zip", patience=QUICK)
    assert len(server.asked) == 1
    assert os.listdir(tmp_path) == []


def test_a_busy_server_is_tried_again_and_then_given_up(server, tmp_path):
    server.busy = 2
    assert download(server.url, tmp_path / "data.zip", md5=MD5, patience=QUICK).exists()
    server.busy = 3
    with pytest.raises(OSError, match=r"503.*gave up after 3 tries"):
        download(server.url, tmp_path / "other.zip", patience=QUICK)


def test_no_server_at_all_is_reported(server, tmp_path):
    with pytest.raises(OSError, match="no connection"):
        download("http://127.0.0.1:9/data.zip", tmp_path / "data.zip", patience=QUICK)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, a disk that is always full")
def test_a_full_disk_is_reported_and_nothing_is_under_the_final_name(server, tmp_path):
    (tmp_path / "data.zip.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"data\.zip\.part: No space left on device.*free some space"):
        download(server.url, tmp_path / "data.zip", md5=MD5)
    assert not (tmp_path / "data.zip").exists()


def test_too_little_space_is_reported_before_the_download(server, tmp_path):
    server.announces = 10**18
    with pytest.raises(OSError, match=r"953,674,316,406 MiB are still to come, .* free; free some space or choose"):
        download(server.url, tmp_path / "data.zip")
    assert not (tmp_path / "data.zip.part").exists()
