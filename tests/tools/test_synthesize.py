"""`synthesize` writes a complete file or none, and reports what it wrote."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from scripts.data.synthetic import synthesize_volume
from scripts.tools.cli import main
from scripts.tools.synthesize import synthesize

ROOT = Path(__file__).parents[2]


def run(*words):
    command = [sys.executable, "-m", "scripts", "synthesize", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_the_command_writes_the_volume_of_its_seed_and_prints_its_speed(tmp_path):
    path = tmp_path / "new folder" / "block.h5"
    done = run("--out", path, "--shape", "16,64,96", "--seed", 7)
    assert done.returncode == 0, done.stderr
    for word in (str(path), "16 x 64 x 96", "Mvoxel/s", "missing"):
        assert word in done.stdout
    expected = synthesize_volume((16, 64, 96), seed=7)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["raw"], expected.image)
        np.testing.assert_array_equal(file["labels"], expected.labels)
        np.testing.assert_array_equal(file["mitochondria"], expected.mitochondria)
        assert file.attrs["resolution"].tolist() == [30.0, 6.0, 6.0]
    assert [entry.name for entry in path.parent.iterdir()] == ["block.h5"]


def test_a_file_that_is_there_is_kept_unless_overwritten(tmp_path):
    path = tmp_path / "block.h5"
    path.write_text("mine")
    done = run("--out", path, "--shape", "6,64,64")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--overwrite" in done.stderr
    assert path.read_text() == "mine"
    assert "64" in synthesize(str(path), (6, 64, 64), overwrite=True)
    with h5py.File(path) as file:
        assert file["raw"].shape == (6, 64, 64)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shape", "64"], "--shape '64' is not 3 whole numbers"),
        (["--shape", "6,64.5,64"], "--shape '6,64.5,64' is not 3 whole numbers"),
        (["--shape", "6,8,64"], "(6, 8, 64) is too small"),
        (["--shape", "6,64,64", "--seed", "1.5"], "--seed '1.5' is not a whole number"),
        (["--out", "block.tif"], "--out 'block.tif' is not a name that ends in .h5 or .hdf5"),
    ],
)
def test_wrong_input_is_an_error_and_writes_nothing(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["synthesize", *arguments, *([] if "--out" in arguments else ["--out", "block.h5"])])
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
