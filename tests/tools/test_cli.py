"""The command line: verbs are listed, errors are one line with exit code 2."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.tools import cli

ROOT = Path(__file__).parents[2]


def test_every_verb_of_the_table_can_be_loaded():
    for module, function in (place.split(":") for place, _ in cli.VERBS.values()):
        assert callable(getattr(importlib.import_module(module), function))


def test_no_verb_lists_all_verbs(capsys):
    cli.main([])
    listing = capsys.readouterr().out
    assert all(f"  {verb} " in listing for verb in cli.VERBS)


def test_an_unknown_verb_is_one_line_and_exit_code_two(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["skore"])
    assert stopped.value.code == 2
    assert "unknown verb 'skore'" in capsys.readouterr().err


def test_a_wrong_input_is_one_line_and_exit_code_two_in_a_real_process():
    command = [sys.executable, "-m", "scripts", "inspect", "nowhere/volume.h5"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    assert "nowhere/volume.h5" in ended.stderr
