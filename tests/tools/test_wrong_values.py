"""Every wrong value of every option of every verb is one line that names the option, before any file is opened."""

import ast
import importlib
import inspect
import io
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from scripts.ops.decoding.decoders import DECODERS
from scripts.tools import cli
from scripts.workflow.knobs import KNOBS
from scripts.workflow.overrides import RUN_OPTIONS

VALUES = {
    "a word": "blue",
    "nothing": "",
    "null": "null",
    "a list": "[1,2,3,4,5]",
    "a nested list": "[[1,2],[3]]",
    "an open bracket": "[1,2",
    "a mapping": "{'a': 1}",
    "negative": "-7",
    "a fraction": "0.37",
    "far too large": "99999999999999999999",
    "far too large a float": "1e400",
    "not a number": "nan",
    "infinite": "inf",
    "other digits": "٣",
    "grouped": "1_000",
    "code": "__import__('os').getcwd()",
    "a reversed box": "9:3,:,:",
    "two ranges": "0:4,:",
}
NEEDED = {
    "inspect": ["nowhere.h5"],
    "synthesize": ["nowhere.h5"],
    "augmentations": [],
    "fetch": ["nowhere"],
    "refresh": ["nowhere.pt", "nowhere.h5", "--out=nowhere_new.pt"],
    "decode": ["nowhere.h5", "--out=nowhere_seg.h5"],
    "tune": ["nowhere.h5", "nowhere.h5", "zwatershed", "nowhere", "--box=0:1,:,:", "--low=0.1"],
    "score": ["nowhere.h5", "nowhere.h5"],
    "compare": ["nowhere.json"],
    "experiment": [
        *("--kind=architecture", "--out=nowhere", "--volumes=nowhere.h5", "--labels=nowhere.h5"),
        *("--train_box=0:1,:,:", "--validation_box=1:2,:,:", "--test_box=2:3,:,:"),
    ],
    "report": ["nowhere", "--out=nowhere.html"],
    "convert": ["nowhere.h5", "nowhere.zarr"],
    "view": ["nowhere.h5"],
    "export_labels": ["nowhere.h5", "nowhere.h5", "--out=nowhere_labels.h5"],
    "serve": ["nowhere"],
    "package": ["nowhere", "nowhere_out"],
    "doctor": [],
}
"""The words that a verb needs; none of these files exists, so a verb that opens one first names it instead."""
SETTINGS = {
    "decode": dict.fromkeys(("low", "size", "join", "threshold", "percent", "strides", "offsets"), "--decoder={}"),
    "tune": dict.fromkeys(("low", "dust", "join", "offsets"), ""),
}
DECODER_OF = {"threshold": "agglomeration", "percent": "agglomeration-quantile", "strides": "mutex"}
FREE_TEXT = {"path", "out", "name", "pred", "gt", "mask", "skeletons", "runs", "title", "folder", "bind", "bundle"}
FREE_TEXT |= {
    "titles",
    "weights",
    "weights_url",
    "source",
    "target",
    "prediction",
    "decoder",
    "scheduler",
    "scheduler_file",
}
FREE_TEXT |= {"titles", "image", "edits", "instances", "truth", "scores", "state", "url", "root"}
FREE_TEXT |= {
    "checkpoint",
    "volume",
    "volumes",
    "labels",
    "values",
    "methods",
    "overlays",
    "pretrain_overlays",
    "pretrained",
    "pretrained_trunk",
}
"""Options that take any text; a wrong path is found when it is opened."""


def function_of(verb):
    module, function = cli.VERBS[verb][0].split(":")
    return getattr(importlib.import_module(module), function)


def options(verb):
    parameters = inspect.signature(function_of(verb)).parameters.values()
    named = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return [name for name in [*named, *SETTINGS.get(verb, ())] if name not in FREE_TEXT]


def outcome(verb, words):
    """Exit code and last line of a call of the command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            cli.main([verb, *words])
    except SystemExit as ended:
        return ended.code, err.getvalue()
    return 0, err.getvalue()


@pytest.mark.parametrize("verb", sorted(set(cli.VERBS) - {"serve", "doctor", "augmentations"}))
def test_a_wrong_value_is_one_line_that_names_the_option(verb, tmp_path, monkeypatch, campaign):
    monkeypatch.chdir(tmp_path)
    accepted, tried = [], 0
    for name in options(verb):
        decoder = [f"--decoder={DECODER_OF.get(name, 'zwatershed')}"] if verb == "decode" else []
        others = [word for word in NEEDED[verb] if not word.startswith(f"--{name}=")]
        for kind, value in VALUES.items():
            code, error = outcome(verb, [*others, *decoder, f"--{name}={value}"])
            tried += 1
            assert code == 2, (name, kind)
            assert error.startswith("error: "), (name, kind, error)
            assert error.count("\n") == 1, (name, kind, error)
            if "nowhere" in error:  # the value was accepted, and the missing file is what is wrong
                accepted.append((name, kind))
            else:
                assert name in error, (name, kind, error)
                assert value[:50] in error or kind == "nothing", (name, kind, error)
    numeric = {"a fraction", "null", "a list", "negative"}
    assert {kind for _, kind in accepted} <= numeric, accepted
    assert list(tmp_path.iterdir()) == []
    campaign("wrong values of verbs", {"refused": tried - len(accepted), "usable": len(accepted)})


def test_a_count_that_no_machine_has_is_refused_at_once():
    code, error = outcome("score", ["a.h5", "b.h5", "--threads", "99999999999999999999"])
    assert (code, error) == (2, "error: --threads '99999999999999999999' is not a whole number from 1 to 1024\n")


def test_a_size_that_is_no_number_is_refused_before_the_prediction_is_opened():
    code, error = outcome("decode", ["absent.h5", "zwatershed", "--out=seg.h5", "--smallest", "x"])
    assert (code, error) == (2, "error: --smallest 'x' is not a whole number of 0 or more\n")


OPTION = re.compile(r"(?<![\w-])--([a-z][a-z0-9_]*)")
OF_OTHER_PROGRAMS = {"logdir", "help", "no"}  # TensorBoard's, and those of the command line itself


def messages(file):
    """The texts of a file that are no docstrings, with {} for what is put into them."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    left_out = {id(node.body[0].value) for node in nodes
                if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)}  # fmt: skip
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            left_out |= {id(part) for part in node.values}
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    texts = (node for node in nodes if isinstance(node, ast.Constant) and id(node) not in left_out)
    yield from (node.value for node in texts if isinstance(node.value, str))


def test_messages_advise_only_options_that_exist_and_those_of_a_verb_its_own():
    decoders = {name for kind in DECODERS.values() for name in inspect.signature(kind).parameters}
    options = {verb: {*inspect.signature(function_of(verb)).parameters} for verb in cli.VERBS}
    options |= {verb: options[verb] | decoders for verb in ("decode", "tune")}
    every = {*KNOBS, *RUN_OPTIONS, *OF_OTHER_PROGRAMS}.union(*options.values())
    root = Path(cli.__file__).parents[1]
    skipped = {root / "tools" / "packaging", root / "tools" / "reporting"}  # options of other programs, colours
    found = 0
    for file in sorted(root.rglob("*.py")):
        own = options.get(file.stem) if file.parent == root / "tools" and file.stem != "doctor" else None
        for text in () if file.parent in skipped else messages(file):
            named = set(OPTION.findall(text))
            found += len(named)
            assert named <= every, (file, text)
            if own is not None and "python -m" not in text and "`" not in text:
                assert named - OF_OTHER_PROGRAMS <= own, (file, text)
    assert found > 150
