"""The command line: verbs are listed, errors are one line with exit code 2."""

import importlib
import inspect
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from scripts.tools import cli
from scripts.tools.command_line.arguments import help_text, parse_arguments

ROOT = Path(__file__).parents[2]
OTHER_WORDS = {
    "output",
    "output_dir",
    "outdir",
    "dest",
    "target",
    "force",
    "replace",
    "region",
    "roi",
    "bbox",
    "continue",
}
"""What --out, --overwrite, --box and --resume are called elsewhere; here every verb has the one name."""


def loaded(verb: str):
    module, function = cli.VERBS[verb][0].split(":")
    return getattr(importlib.import_module(module), function)


def options(verb: str) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(loaded(verb)).parameters)


@pytest.mark.parametrize("verb", cli.VERBS)
def test_the_same_thing_has_the_same_name_in_every_verb(verb):
    names = options(verb)
    assert not OTHER_WORDS & names.keys()
    for switch in ("overwrite", "resume"):
        if switch in names:
            assert names[switch].default is False
    if "out" in names and verb != "doctor":  # which only tests whether it could write there
        assert "overwrite" in names
    for box in (name for name in names if name.endswith("box")):
        text = inspect.getdoc(loaded(verb)) or ""
        assert f"{box}: " in text
        assert "z0:z1,y0:y1,x0:x1" in text


@pytest.mark.parametrize("verb", cli.VERBS)
def test_the_help_of_a_verb_has_every_option_and_an_example_that_runs_it(verb):
    text = help_text(verb, loaded(verb))
    for name, parameter in options(verb).items():
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            assert f"\n    --{name}" in text, name
    after = text.split(f"Example: python -m scripts {verb}", 1)
    assert len(after) == 2, "no example"
    example = after[1].split("\n\n")[0].split()
    parse_arguments(verb, loaded(verb), example)


def test_a_debug_word_is_no_option_of_a_verb(capsys):
    with pytest.raises(FileNotFoundError):
        cli.main(["inspect", "nowhere/volume.h5", "--debug"])


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["skore"], "did you mean 'score'?"),
        (["score", "a", "b", "--bx", "0:1,:,:"], "unknown option --bx of 'score'; did you mean --box?"),
        (["score", "a"], "'score' needs --gt"),
        (["decode", "a", "--decoder=mutex"], "'decode' needs --out"),
        (["fetch", "snemi3d", "folder", "true", "d"], "'d' is one word too many for 'fetch'"),
        (["tune", "p", "g", "d", "o", "--low", "-1"], "'tune' needs --box"),
    ],
)
def test_a_wrong_command_is_one_line_with_the_remedy(words, printed, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(words)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert printed in error
    assert error.count("\n") == 1


def verb(first: str, *, low: float, flag: bool = False, other_size: Sequence[int] | None = None) -> None: ...


def test_options_come_in_every_usual_form():
    assert parse_arguments("verb", verb, ["a", "--low", "-1", "--flag"]) == (
        [],
        {"first": "a", "low": -1.0, "flag": True},
    )
    assert parse_arguments("verb", verb, ["--first=a", "--low=-1", "--other-size", "[3, 4]"])[1]["other_size"] == (3, 4)
    assert parse_arguments("verb", verb, ["--noflag", "a", "-l", "2"])[1] == {"first": "a", "low": 2.0, "flag": False}
    assert parse_arguments("verb", verb, ["--flag", "a", "--low=2"])[1]["first"] == "a"


def test_true_false_and_null_mean_what_they_mean_in_json():
    words = ["a", "--low=0", "--flag", "false", "--other_size", "null"]
    assert parse_arguments("verb", verb, words)[1] == {"first": "a", "low": 0.0, "flag": False, "other_size": None}


@pytest.mark.parametrize("path", ["20260101_120000", "1e5", "null", "true", "[1]", "0x10", "volume.h5:raw"])
def test_a_path_stays_the_text_that_was_typed(path):
    assert parse_arguments("verb", verb, [path, "--low=0"])[1]["first"] == path


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["a", "--low", "x"], "--low 'x' is not a number"),
        (["a", "--low", "nan"], "--low 'nan' is not a number"),
        (["a", "--low", "[1]"], "--low '[1]' is not a number"),
        (["a", "--low"], "--low needs a value: a number"),
        (["a", "--low=1", "--low=2"], "--low is given twice; give it once"),
        (["a", "--low=1", "--flag=yes"], "--flag 'yes' is not true or false"),
        (
            ["a", "--low=1", "--other_size=1.5"],
            "--other_size '1.5' is not whole numbers 0 or more, with commas or null",
        ),
        (["", "--low=1"], "--first '' is not a text"),
        (["--low=1"], "'verb' needs --first; `python -m scripts verb --help` has an example"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(words, error):
    with pytest.raises(ValueError, match="--") as raised:
        parse_arguments("verb", verb, words)
    assert str(raised.value) == error


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


def test_a_verb_ends_quietly_when_nobody_reads_its_output(tmp_path):
    np.save(tmp_path / "volume.npy", np.zeros((2, 8, 8), np.uint8))
    command = [sys.executable, "-m", "scripts", "inspect", str(tmp_path / "volume.npy")]
    command += ["--out", str(tmp_path / "sheet.png")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        printed = process.stderr.read()
    assert process.returncode == 141
    assert printed == ""
