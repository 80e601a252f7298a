"""The command line: verbs are listed, errors are one line with exit code 2."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scripts.tools import cli
from scripts.tools.argument_errors import argument_error, help_text

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
    if "out" in names and verb != "doctor":  # which only looks whether it could write there
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
    assert argument_error(verb, loaded(verb), example) is None


def test_a_debug_word_is_no_option_of_a_verb(capsys):
    with pytest.raises(FileNotFoundError):
        cli.main(["inspect", "nowhere/volume.h5", "--debug"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["skore"], "did you mean 'score'?"),
        (["score", "a", "b", "--bx", "0:1,:,:"], "unknown option --bx of 'score'; did you mean --box?"),
        (["score", "a"], "'score' needs --gt"),
        (["decode", "a", "--decoder=mutex"], "'decode' needs --out"),
        (["fetch", "snemi3d", "folder", "true", "d"], "'d' is one word too many for 'fetch'"),
        (["tune", "p", "g", "d", "o", "--low", "-1"], "'tune' needs --box"),
    ],
)
def test_a_wrong_command_is_one_line_with_the_remedy(words, said, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(words)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_options_are_read_as_fire_reads_them():
    def verb(first: str, *, low: float, flag: bool = False, **settings: float) -> None: ...

    assert argument_error("verb", verb, ["a", "--low", "-1", "--flag"]) is None
    assert argument_error("verb", verb, ["--first=a", "--low=-1", "--other", "3"]) is None
    assert argument_error("verb", verb, ["--noflag", "a", "-l", "2"]) == "'verb' needs --first; " + EXAMPLE


EXAMPLE = "`python -m scripts verb --help` has an example"


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


def test_a_reader_that_leaves_ends_a_verb_quietly(tmp_path):
    np.save(tmp_path / "volume.npy", np.zeros((2, 8, 8), np.uint8))
    command = [sys.executable, "-m", "scripts", "inspect", str(tmp_path / "volume.npy")]
    command += ["--out", str(tmp_path / "sheet.png")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 141
    assert said == ""
