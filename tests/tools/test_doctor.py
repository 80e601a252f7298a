"""`doctor` reports what is broken and the remedy, and ends with an exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from scripts.tools.doctor import doctor, packages, processor, tried, writable
from scripts.tools.self_test import a_decode, a_network_learns, formats

ROOT = Path(__file__).parents[2]


def test_every_part_of_the_self_test_works():
    state = torch.random.get_rng_state()
    assert "loss" in a_network_learns()
    assert torch.equal(torch.random.get_rng_state(), state)
    assert "two instances" in a_decode()
    assert ".zarr" in formats()


def test_a_sound_machine_ends_with_zero_and_a_line_a_subject(capsys, tmp_path):
    doctor(str(tmp_path / "runs"), quick=True)
    lines = capsys.readouterr().out.splitlines()
    subjects = [line.split()[1] for line in lines if line.startswith(("ok", "note"))]
    assert {"python", "packages", "extra", "memory", "processor", "gpu", "runs", "cache", "formats"} <= set(subjects)
    assert "all that everything needs is here" in lines[-1]
    assert not (tmp_path / "runs").exists()


def test_something_broken_ends_with_one_and_names_the_remedy(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as stopped:
        doctor(str(tmp_path / "file" / "runs"), quick=True)
    assert stopped.value.code == 1
    broken = [line for line in capsys.readouterr().out.splitlines() if line.startswith("broken  runs")]
    assert len(broken) == 1
    assert "give another folder" in broken[0]


def test_a_package_that_is_missing_or_too_old_is_named_with_the_command(tmp_path):
    project = tmp_path / "pyproject.toml"
    project.write_text(
        "[project]\n"
        """dependencies = ["numpy>=99.0", "not-there-at-all>=1", "torch>=2.0", "torch>=99; python_version < '3'"]\n"""
        '[project.optional-dependencies]\nviewer = ["no-such-viewer>=1"]\n'
    )
    first, second = packages(project)
    assert first.verdict == "broken"
    assert "numpy>=99.0 (2" in first.found
    assert "not-there-at-all>=1 (not there)" in first.found
    assert "torch" not in first.found
    assert "pip install" in first.remedy
    assert (second.verdict, second.found) == ("note", "without no-such-viewer")
    assert "[viewer]" in second.remedy


def test_without_a_clone_versions_are_a_note(tmp_path):
    assert [finding.verdict for finding in packages(tmp_path / "pyproject.toml")] == ["note"]


def test_a_folder_below_a_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    found = writable("runs", tmp_path / "file" / "runs", "broken", "give another folder")
    assert found.verdict == "broken"
    assert "cannot be written" in str(found)
    assert "give another folder" in str(found)


def test_a_folder_that_is_not_there_yet_is_looked_at_where_it_would_be(tmp_path):
    assert writable("runs", tmp_path / "a" / "b", "broken", "").verdict == "ok"
    assert list(tmp_path.iterdir()) == []


def test_more_threads_than_cores_is_a_note():
    threads = torch.get_num_threads()
    torch.set_num_threads((os.cpu_count() or 1) + 3)
    try:
        found = processor()
    finally:
        torch.set_num_threads(threads)
    assert found.verdict == "note"
    assert "OMP_NUM_THREADS=" in found.remedy


def test_a_trial_that_fails_is_a_finding_and_not_a_crash():
    def fails() -> str:
        raise RuntimeError("no kernel image\nmore")

    found = tried("training", "reinstall torch", fails)
    assert str(found) == "broken  training      RuntimeError: no kernel image; reinstall torch"


@pytest.mark.slow
def test_the_verb_runs_from_the_command_line(tmp_path):
    command = [sys.executable, "-m", "scripts", "doctor", "--out", str(tmp_path), "--quick"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.startswith("ok      python")
