"""A misspelt option is an error; a right one never is."""

import json

import pytest

from scripts.engines.switches import switch
from scripts.workflow.overrides import check_overrides, given_options, refuse_unknown
from scripts.workflow.short_errors import own_words, root_cause


def test_options_are_read_as_the_command_line_does():
    words = ["run", "--config_file", "a.json", "--mask-ratio=0.9", "-seed", "3", "--train#x", "1", "--corner", "-5"]
    assert given_options(words) == {
        "config_file": "a.json",
        "mask_ratio": "0.9",
        "seed": "3",
        "train#x": "1",
        "corner": "-5",
    }


@pytest.mark.parametrize(
    ("option", "near"), [("iteratons", "iterations"), ("outputdir", "output_dir"), ("config_fil", "config_file")]
)
def test_the_nearest_name_is_told(option, near):
    with pytest.raises(ValueError, match=f"--{option}; did you mean --{near}"):
        refuse_unknown([option], {"iterations", "output_dir", "_desc_"})


def test_known_nested_added_and_monais_own_options_pass():
    refuse_unknown(
        ["iterations", "train#trainer#amp", "+run", "config_file", "tracking"], {"iterations", "train", "run"}
    )


def test_files_named_on_the_command_line_and_in_an_arguments_file_are_read(tmp_path):
    config, more, arguments = (tmp_path / f"{name}.json" for name in ("config", "more", "arguments"))
    config.write_text(json.dumps({"seed": 0}))
    more.write_text(json.dumps({"batch": 8}))
    check_overrides(["run", "--config_file", f"['{config}','{more}']", "--batch", "4", "--seed", "1"])
    with pytest.raises(ValueError, match="--sed"):
        check_overrides(["run", "--config_file", str(config), "--sed", "1"])
    arguments.write_text(json.dumps({"config_file": str(config), "bach": 8}))
    with pytest.raises(ValueError, match="--bach"):
        check_overrides(["run", "--args_file", str(arguments)])


def test_the_words_of_the_mendable_cause_are_what_is_said():
    wrapped = RuntimeError("Failed to instantiate")
    wrapped.__cause__ = ValueError("crop 5 is no multiple of 2")
    assert own_words(root_cause(wrapped)) == "crop 5 is no multiple of 2"
    bug = RuntimeError("shape mismatch")
    assert root_cause(bug) is bug
    worker = ValueError(
        "Caught ValueError\nOriginal Traceback (most recent call last):\n  File\nValueError: bad section 7\n"
    )
    assert own_words(worker).strip() == "bad section 7"


def test_a_switch_is_a_word_or_a_value():
    assert [switch(value) for value in (True, False, "true", "False")] == [True, False, True, False]
    with pytest.raises(ValueError, match="--resume true or --resume false"):
        switch("yes", "resume")
