"""`fetch`: from an address in a manifest to a chunked file, whatever breaks on the way (a server on the loopback)."""

import hashlib
import http.server
import io
import json
import os
import re
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

from scripts.data.regions.open_regions import open_regions
from scripts.tools.fetch import fetch

ROOT = Path(__file__).parents[2]
RAW = np.random.default_rng(0).integers(0, 256, (10, 24, 32), dtype=np.uint8)
LABELS = np.random.default_rng(1).integers(0, 500, (10, 24, 32)).astype(np.uint16)


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `files`; hangs up after `break_after` bytes, once."""

    files: dict[str, bytes]
    asked: list[str]
    break_after: list[int]

    def do_GET(self):
        content = self.files[self.path]
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        start = int(wanted[1]) if wanted else 0
        self.asked.append(f"{self.path} from {start}")
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", f'"{hashlib.md5(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : self.break_after.pop() if self.break_after else None])
        self.close_connection = True

    def log_message(self, *words):
        pass


def stack(volume: np.ndarray) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, volume, photometric="minisblack")
    return file.getvalue()


def archive(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return file.getvalue()


def picture(section: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(section).save(file, "png")
    return file.getvalue()


STACKS = archive(
    {
        "set/image/": b"",
        "set/image/raw.tif": stack(RAW),
        "set/seg/seg.tif": stack(LABELS),
        "__MACOSX/image/raw.tif": b"x",
    }
)
PICTURES = archive(
    {f"im/im{z:04d}.png": picture(RAW[z]) for z in reversed(range(10))} | {"__MACOSX/im/._im0000.png": b"x"}
)
SECTION_LABELS = archive({f"mito/seg{z:04d}.tif": stack(LABELS[z]) for z in range(6)})


@pytest.fixture
def served(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("SEM_DATA_HOME", str(tmp_path / "home"))
    bound = type("Bound", (Handler,), {"files": {}, "asked": [], "break_after": []})
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), bound)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    bound.url = f"http://127.0.0.1:{listening.server_port}"
    yield bound
    listening.shutdown()
    thread.join()
    listening.server_close()


def manifest(folder: Path, files: list[dict], **more) -> str:
    content = {
        "name": "mine",
        "description": "a test",
        "licence": "CC-BY-4.0",
        "citation": "nobody",
        "voxel_size_nm": [30, 6, 6],
        "training": [{"image": "train.h5:raw", "label": "train.h5:labels", "box": "0:8,:,:"}],
        "validation": [{"image": "train.h5:raw", "label": "train.h5:labels", "box": "8:10,:,:"}],
        "files": files,
    } | more
    path = folder / "mine.json"
    path.write_text(json.dumps(content))
    return str(path)


def stacks_manifest(served, folder: Path, content: bytes = STACKS, **more) -> str:
    served.files["/set.zip"] = content
    file = {
        "url": f"{served.url}/set.zip",
        "name": "set.zip",
        "bytes": len(content),
        "md5": hashlib.md5(content).hexdigest(),
        "convert": [
            {"from": "image/raw.tif", "to": "train.h5:raw", "shape": [10, 24, 32], "dtype": "uint8"},
            {"from": "seg.tif", "to": "train.h5:labels", "shape": [10, 24, 32], "dtype": "uint16"},
        ],
    }
    return manifest(folder, [file | more])


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_stacks_become_one_chunked_file_that_training_reads(served, tmp_path):
    mine = stacks_manifest(served, tmp_path)
    report = fetch(mine)
    with h5py.File(tmp_path / "home/mine/train.h5") as file:
        assert np.array_equal(file["raw"], RAW)
        assert np.array_equal(file["labels"], LABELS)
        assert file["raw"].chunks is not None
        assert file.attrs["licence"] == "CC-BY-4.0"
    assert "train.h5:raw: (10, 24, 32) uint8, 30 x 6 x 6 nm" in report
    assert names(tmp_path / "home/mine") == ["downloads", "downloads/set.zip", "train.h5"]
    (region,) = open_regions(mine, "training")
    assert str(region.box) == "0:8,0:24,0:32"
    assert np.array_equal(region.label[8:10], LABELS[8:10])


def test_a_broken_connection_is_taken_up_and_the_file_comes_out_whole(served, tmp_path):
    mine = stacks_manifest(served, tmp_path)
    served.break_after.append(len(STACKS) // 2)
    fetch(mine)
    assert served.asked == ["/set.zip from 0", f"/set.zip from {len(STACKS) // 2}"]
    with h5py.File(tmp_path / "home/mine/train.h5") as file:
        assert np.array_equal(file["labels"], LABELS)


def test_what_is_there_is_not_fetched_again_even_without_the_downloads(served, tmp_path):
    mine = stacks_manifest(served, tmp_path)
    fetch(mine)
    (tmp_path / "home/mine/downloads/set.zip").unlink()
    assert "was there already" in fetch(mine)
    assert len(served.asked) == 1


def test_numbered_sections_of_two_archives_are_joined_by_number(served, tmp_path):
    served.files |= {"/im.zip": PICTURES, "/seg.zip": SECTION_LABELS}
    shape, rest = [6, 24, 32], [4, 24, 32]
    images = {
        "url": f"{served.url}/im.zip",
        "name": "im.zip",
        "bytes": None,
        "md5": None,
        "sha256": hashlib.sha256(PICTURES).hexdigest(),
        "convert": [
            {"from": "im/im*.png", "sections": "0:6", "to": "train.h5:raw", "shape": shape, "dtype": "uint8"},
            {"from": "im/im*.png", "sections": "6:10", "to": "test.h5:raw", "shape": rest, "dtype": "uint8"},
        ],
    }
    labels = {
        "url": f"{served.url}/seg.zip",
        "name": "seg.zip",
        "bytes": None,
        "md5": None,
        "convert": [
            {"from": "mito/seg*.tif", "sections": "0:6", "to": "train.h5:labels", "shape": shape, "dtype": "uint16"}
        ],
    }
    fetch(manifest(tmp_path, [images, labels]))
    with h5py.File(tmp_path / "home/mine/train.h5") as train, h5py.File(tmp_path / "home/mine/test.h5") as test:
        assert np.array_equal(train["raw"], RAW[:6])
        assert np.array_equal(train["labels"], LABELS[:6])
        assert np.array_equal(test["raw"], RAW[6:])


def test_a_finished_file_is_kept_when_a_later_one_fails(served, tmp_path):
    served.files["/im.zip"] = PICTURES
    steps = [
        {"from": "im/im*.png", "sections": "0:6", "to": "train.h5:raw", "shape": [6, 24, 32], "dtype": "uint8"},
        {"from": "im/im*.png", "sections": "6:12", "to": "test.h5:raw", "shape": [6, 24, 32], "dtype": "uint8"},
    ]
    file = {"url": f"{served.url}/im.zip", "name": "im.zip", "bytes": None, "md5": None, "convert": steps}
    with pytest.raises(ValueError, match=r"im\*\.png has no section 10 of 6:12"):
        fetch(manifest(tmp_path, [file]))
    assert names(tmp_path / "home/mine") == ["downloads", "downloads/im.zip", "train.h5"]


def test_a_wrong_checksum_converts_nothing(served, tmp_path):
    mine = stacks_manifest(served, tmp_path, md5="0" * 32)
    with pytest.raises(ValueError, match=f"where {'0' * 32} is expected"):
        fetch(mine)
    assert names(tmp_path / "home/mine") == ["downloads", "downloads/set.zip.wrong"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (archive({"raw.tif": b"", "seg.tif": b""}), r"0 members end in image/raw\.tif, one should; it holds raw\.tif"),
        (
            archive({"image/raw.tif": stack(RAW[:9]), "seg.tif": stack(LABELS)}),
            r"raw\.tif has shape \(9, 24, 32\) \(z, y, x\), the manifest states \(10, 24, 32\)",
        ),
        (
            archive({"image/raw.tif": stack(RAW[:, :9])}),
            r"raw\.tif has shape \(10, 9, 32\) \(z, y, x\), the manifest states \(10, 24, 32\)",
        ),
        (archive({"image/raw.tif": stack(LABELS)}), r"section 0 is uint16 from \d+ to \d+, which uint8 cannot hold"),
        (STACKS.replace(stack(RAW)[-2000:-1000], bytes(1000)), r"set/image/raw\.tif is damaged .*fetch again"),
        (b"<html>we moved</html>", r"set\.zip is not a zip archive"),
    ],
)
def test_an_archive_that_is_not_as_stated_leaves_no_file(served, tmp_path, content, message):
    mine = stacks_manifest(served, tmp_path, content)
    with pytest.raises((ValueError, OSError), match=message):
        fetch(mine)
    assert names(tmp_path / "home/mine") == ["downloads", "downloads/set.zip"]


@pytest.mark.parametrize(("source", "sections", "shape"), [("raw0.tif", 10, [10, 24, 32]), ("*.tif", 1, [1, 24, 32])])
def test_a_member_that_unpacks_to_more_than_it_can_hold_is_not_unpacked(served, tmp_path, source, sections, shape):
    """64 MiB of zeros in 64 KiB, where the manifest states 24 x 32 voxels a section."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("image/raw0.tif", bytes(2**26))
    assert len(packed.getvalue()) < 2**17
    step = {"from": f"image/{source}", "to": "train.h5:raw", "shape": shape, "dtype": "uint8"}
    with pytest.raises(ValueError, match=rf"raw0\.tif unpacks to 67,108,864 bytes, {sections} sections of \(24, 32\)"):
        fetch(stacks_manifest(served, tmp_path, packed.getvalue(), convert=[step]))


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_the_size_of_a_section_is_read_before_its_voxels(served, tmp_path, kind):
    section = np.zeros((4000, 4000), np.uint8)
    content = archive({f"im/im0000.{kind}": picture(section) if kind == "png" else stack(section)[:300]})
    step = {"from": f"im/*.{kind}", "to": "train.h5:raw", "shape": [1, 24, 32], "dtype": "uint8"}
    with pytest.raises((ValueError, OSError), match=rf"im0000\.{kind} (has shape \(4000, 4000\)|cannot be read)"):
        fetch(stacks_manifest(served, tmp_path, content, convert=[step]))


@pytest.mark.parametrize("name", [".", "..", "a/b", "a\\b", "a\tb", ""])
def test_a_name_that_is_no_plain_file_name_is_refused(served, tmp_path, name):
    with pytest.raises(ValueError, match=r"\$\.files\[0\]\.name: .* is not a plain file name, without folders"):
        fetch(stacks_manifest(served, tmp_path, name=name))
    assert served.asked == []


def test_a_file_of_other_origin_is_not_overwritten_unless_asked(served, tmp_path):
    mine = stacks_manifest(served, tmp_path)
    (tmp_path / "home/mine").mkdir(parents=True)
    (tmp_path / "home/mine/train.h5").write_bytes(b"my own work")
    with pytest.raises(FileExistsError, match=r"train\.h5 exists and was not made from.*--out.*--overwrite"):
        fetch(mine)
    assert served.asked == []
    fetch(mine, overwrite=True)
    with h5py.File(tmp_path / "home/mine/train.h5") as file:
        assert np.array_equal(file["raw"], RAW)


def test_what_a_killed_conversion_left_is_swept_away(served, tmp_path):
    mine = stacks_manifest(served, tmp_path)
    downloads = tmp_path / "home/mine/downloads"
    (downloads / ".unpacked-x").mkdir(parents=True)
    (downloads / ".unpacked-x/raw.tif").write_bytes(b"half")
    for name in (".train.h5.1.partial", ".train.h5.2.partial"):
        (downloads.parent / name).write_bytes(b"half")
    for old in (downloads / ".unpacked-x", downloads.parent / ".train.h5.1.partial"):
        os.utime(old, (0, 0))
    fetch(mine)
    assert names(downloads.parent) == [".train.h5.2.partial", "downloads", "downloads/set.zip", "train.h5"]


def test_another_folder_may_be_chosen(served, tmp_path):
    fetch(stacks_manifest(served, tmp_path), out=str(tmp_path / "elsewhere"))
    assert (tmp_path / "elsewhere/train.h5").exists()


def test_what_cannot_be_fetched_is_reported():
    with pytest.raises(
        ValueError, match=r"synthetic\.json names no files to fetch; it is made with: python -m scripts synth"
    ):
        fetch("synthetic")
    with pytest.raises(FileNotFoundError, match=r"no data set named 'snemi'; there are: .*snemi3d"):
        fetch("snemi")


def test_the_command_line_fetches_in_a_real_process(served, tmp_path):
    command = [sys.executable, "-m", "scripts", "fetch", stacks_manifest(served, tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "train.h5:labels: (10, 24, 32) uint16, 30 x 6 x 6 nm" in ended.stdout
