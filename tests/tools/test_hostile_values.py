"""Every file that the verbs read: a hostile or wrong value executes nothing, and ends in one line or has no effect."""

import json
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest

from scripts.data.datasets.manifest import load_manifest
from scripts.ops.targets.affinities import label_affinities
from scripts.tools.cli import main

CELLS = np.ones((2, 12, 12), np.uint16)
CELLS[:, 6:] = 2
CODE = "__import__('pathlib').Path('{}').touch()"
STRANGE = (
    f"${CODE}",
    CODE,
    "@recipe",
    "%train.json",
    "",
    "zwatershed; touch {}",
    "{{",
    "[" * 10_000,
    "{{'a': " * 500,
    "null",
    "NaN",
    "1e999",
    "[[1e9, 0, 0], [0, 1, 0], [0, 0, 1]]",
    '{{"_target_": "os.system", "command": "touch {}"}}',
    '{{"name": "zwatershed", "settings": {{"low": "{}"}}}}',
    '{{"name": "zwatershed", "settings": {{"low": -5}}}}',
    '{{"name": ["zwatershed"], "settings": []}}',
    '{{"name": "zwatershed", "settings": {{"offsets": [[0, 0, 99999999999999999999]]}}}}',
    b"\xff\xfe",
    -1,
    np.float64("nan"),
    np.arange(6).reshape(2, 3),
    np.zeros((0,)),
    2**62,
)
KEYS = ("decoder", "decoder_settings", "offsets", "neighborhood", "affinity", "settings", "volume", "prediction", "box")


@pytest.fixture
def canary(tmp_path, monkeypatch):
    """A file that code of a value would make."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "canary"
    assert not (tmp_path / "canary").exists()


def filled(value, canary):
    return value.replace("{}", str(canary)).replace("{{", "{").replace("}}", "}") if isinstance(value, str) else value


def outcome(capsys, words):
    """`usable` or `refused`; a refusal is one line."""
    code = 0
    try:
        main([str(word) for word in words])
    except SystemExit as stop:
        code = stop.code
    line = capsys.readouterr().err.strip()
    if code == 0:
        return "usable"
    assert code == 2, words
    assert line.startswith("error: "), line
    assert "\n" not in line, line
    assert len(line) < 2000, line[:200]
    return "refused"


def test_attributes_of_a_prediction_are_data(tmp_path, canary, capsys, campaign):
    counted = Counter()
    affinities = label_affinities(CELLS).astype(np.float32)
    for key in KEYS:
        for value in STRANGE:
            with h5py.File(tmp_path / "p.h5", "w") as file:
                file["maps"] = affinities
                file.attrs.update({"decoder": "zwatershed", "decoder_settings": "{}"})
                file.attrs[key] = filled(value, canary)
            counted[outcome(capsys, ["decode", "p.h5", "--out", "s.h5", "--overwrite", "--mask", "nonzero"])] += 1
            counted[outcome(capsys, ["decode", "p.h5", "--out", "s.h5", "--overwrite"])] += 1
    campaign("hostile values", counted)
    assert counted["refused"] > len(KEYS) * len(STRANGE)


def test_edits_are_data(tmp_path, canary, capsys, campaign):
    affinities = label_affinities(CELLS).astype(np.float32)
    np.save(tmp_path / "p.npy", affinities)
    counted = Counter()
    for value in STRANGE:
        text = filled(value, canary)
        plain = text if isinstance(text, str) else repr(text)
        for content in (plain, json.dumps({"edits": plain}), json.dumps({"edits": [{"merge": [plain, 1]}]})):
            Path("e.json").write_text(content)
            words = ["decode", "p.npy", "zwatershed", "--out", "s.h5", "--overwrite", "--edits", "e.json"]
            counted[outcome(capsys, words)] += 1
    campaign("hostile values", counted)
    assert counted["refused"] == 3 * len(STRANGE)


def test_manifests_are_data(tmp_path, canary, campaign):
    whole = {
        "name": "mine",
        "description": "a test",
        "licence": "CC-BY-4.0",
        "citation": "nobody",
        "voxel_size_nm": [30, 6, 6],
        "training": [{"image": "v.h5:raw", "box": "0:8,:,:"}],
        "validation": [{"image": "v.h5:raw", "box": "8:10,:,:"}],
    }
    counted = Counter()
    for key in ("name", "licence", "voxel_size_nm", "training", "validation", "files", "new"):
        for value in STRANGE:
            text = filled(value, canary)
            content = json.dumps({**whole, key: text if isinstance(text, str | int) else repr(text)})
            for written in (content, text if isinstance(text, str) else content[:-20]):
                Path("m.json").write_text(written)
                message = ""
                try:
                    load_manifest("./m.json")
                except ValueError as error:
                    message = str(error)
                counted["refused" if message else "usable"] += 1
                assert "\n" not in message
                assert not message or "m.json" in message
    campaign("hostile values", counted)
    assert counted["refused"] > counted["usable"]
