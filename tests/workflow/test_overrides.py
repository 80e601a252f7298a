"""A misspelt option is an error; a right one never is."""

import json

import pytest

from scripts.engines.switches import switch
from scripts.tools.bundle_configs import bundle_files, bundle_names
from scripts.workflow.config_ids import check_overlay, check_replaced
from scripts.workflow.overrides import check_overrides, given_options, refuse_unknown
from scripts.workflow.short_errors import error_text, root_cause


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
def test_the_nearest_name_is_reported(option, near):
    with pytest.raises(ValueError, match=f"--{option}; did you mean --{near}"):
        refuse_unknown([option], {"iterations", "output_dir", "_desc_"})


@pytest.mark.parametrize(
    ("option", "known", "near"),
    [("learning_rate", "lr", "lr"), ("learning_rate", "base_lr", "base_lr"), ("epochs", "iterations", "iterations")],
)
def test_the_name_of_another_program_is_understood(option, known, near):
    with pytest.raises(ValueError, match=rf"--{option}; did you mean --{near}\?"):
        refuse_unknown([option], {known, "output_dir"})


def test_a_name_of_another_program_that_no_knob_has_is_unknown():
    with pytest.raises(ValueError, match="--learning_rate; there are"):
        refuse_unknown(["learning_rate"], {"output_dir"})


def test_known_nested_added_and_monais_own_options_pass():
    refuse_unknown(
        ["iterations", "train#trainer#amp", "+run", "config_file", "tracking"], {"iterations", "train", "run"}
    )


def test_files_named_on_the_command_line_and_in_an_arguments_file_are_read(tmp_path):
    config, more, arguments = (tmp_path / f"{name}.json" for name in ("config", "more", "arguments"))
    config.write_text(json.dumps({"seed": 0, "batch": 4}))
    more.write_text(json.dumps({"batch": 8}))
    check_overrides(None, ["run", "--config_file", f"['{config}','{more}']", "--batch", "4", "--seed", "1"])
    with pytest.raises(ValueError, match="--sed"):
        check_overrides(None, ["run", "--config_file", str(config), "--sed", "1"])
    arguments.write_text(json.dumps({"config_file": str(config), "bach": 8}))
    with pytest.raises(ValueError, match="--bach"):
        check_overrides(None, ["run", "--args_file", str(arguments)])


def test_the_message_is_that_of_the_cause_that_can_be_corrected():
    wrapped = RuntimeError("Failed to instantiate")
    wrapped.__cause__ = ValueError("crop 5 is no multiple of 2")
    assert error_text(root_cause(wrapped)) == "crop 5 is no multiple of 2"
    bug = RuntimeError("shape mismatch")
    assert root_cause(bug) is bug
    worker = ValueError(
        "Caught ValueError\nOriginal Traceback (most recent call last):\n  File\nValueError: bad section 7\n"
    )
    assert error_text(worker).strip() == "bad section 7"


def test_a_switch_is_a_word_or_a_value():
    assert [switch(value) for value in (True, False, "true", "False")] == [True, False, True, False]
    with pytest.raises(ValueError, match="--resume true or --resume false"):
        switch("yes", "resume")


def test_typed_text_reaches_the_settings_as_the_values_of_their_knobs(tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"augment": True, "clip": 1.0, "output_dir": "$'x'", "labels": None, "zero": 1}))
    resolved = {"device": "cpu"}
    words = ["run", "--config_file", str(config), "--augment", "false", "--clip", "null", "--zero", "null"]
    check_overrides(resolved, [*words, "--output_dir", "20260101_120000", "--labels=1e5"])
    assert resolved == {
        **{"device": "cpu", "augment": False, "clip": None, "zero": None},
        **{"output_dir": "20260101_120000", "labels": "1e5"},
    }


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--clip", "-1"], "--clip '-1' is not a number above 0, or null"),
        (["--augment"], None),
        (["--augment", "perhaps"], "--augment 'perhaps' is not true or false"),
        (["--train#amp", "false"], "--train#amp false would be text; write False"),
        (["--reduce", "[1,2,2]"], "unknown option --reduce: it is --downsample now"),
        (["--clip", "$1 / 2"], None),
    ],
)
def test_a_wrong_value_is_one_line_and_a_computed_one_is_left_to_monai(tmp_path, words, line):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"augment": True, "clip": 1.0, "train": {"amp": True}, "downsample": [1, 1, 1]}))
    arguments = ["run", "--config_file", str(config), *words]
    if line is None:
        assert check_overrides({}, arguments) == ({"augment": True} if "--augment" in words else {})
        return
    with pytest.raises(ValueError, match=r"^--|^unknown") as caught:
        check_overrides({}, arguments)
    assert str(caught.value) == line


def test_a_wrong_value_in_an_overlay_is_refused_too(tmp_path):
    (tmp_path / "overlay.json").write_text(json.dumps({"iterations": "many"}))
    with pytest.raises(ValueError, match="--iterations 'many' is not a whole number of 1 or more"):
        check_overrides({}, ["run", "--config_file", str(tmp_path / "overlay.json")])


CONFIG = {
    "imports": ["$import os"],
    "iterations": 5,
    "lr": 0.1,
    "augment": True,
    "box": {"_target_": "scripts.ops.box.Box"},
    "volumes": "a.h5",
    "out": "x",
    "schedule": {"_target_": "torch.optim.AdamW", "lr": "@lr"},
    "learning_rate": {"_target_": "torch.optim.AdamW", "lr": "@lr"},
    "presets": {"demo": {"width": 5}},
    "train": {"trainer": {"_target_": "monai.engines.SupervisedTrainer", "max_epochs": 1}},
}


def checked(tmp_path, words, *overlays):
    """What `check_overrides` writes into the settings."""
    files = []
    for number, content in enumerate((CONFIG, *overlays)):
        files.append(str(tmp_path / f"{number}.json"))
        (tmp_path / f"{number}.json").write_text(json.dumps(content))
    settings = {}
    check_overrides(settings, ["run", "--config_file", str(files), *words])
    return settings


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--schedule", "1e-4"], "--schedule is a part of the config, not a value; .* such as --schedule#lr"),
        (["--train#trainer#max_epochz", "5"], "'train#trainer' has no 'max_epochz'; there are: max_epochs, "),
        (["--schedule#learning", "5"], "'schedule' has no 'learning'"),
        (["--presets#demo#withd", "5"], "'presets#demo' has no 'withd'; there are: width"),
        (["--volumes", "a.h5", "b.h5"], "the word 'b.h5' belongs to no option; .* several volumes as a list"),
        (["--volumes", "$HOME/a.h5"], r"'\$HOME/a\.h5' begins with \$, .* write \./\$HOME/a\.h5 if it is a path"),
        (["--out", "$x y"], r"begins with \$, so it would be evaluated as Python \(invalid syntax"),
        (["--ITERATION", "5"], "unknown option --ITERATION; did you mean --iterations?"),
        (["--epochs", "5"], "unknown option --epochs; did you mean --iterations?"),
        (["--quality", "5"], "unknown option --quality; there are: augment, box, iterations, lr, out, volumes$"),
        (["--learning_rate", "1e-4"], "--learning_rate is a part of the config, not a value; give --lr$"),
    ],
)  # fmt: skip
def test_what_would_be_ignored_or_break_the_config_is_one_line(tmp_path, words, line):
    with pytest.raises(ValueError, match=line):
        checked(tmp_path, words)


@pytest.mark.parametrize(
    "words",
    [
        ["--schedule#eps", "1e-7"],
        ["--schedule", "@lr"],
        ["--schedule", "{'_target_': 'torch.optim.SGD'}"],
        ["--presets#mine", "{'width': 7}"],
        ["--out", "$os.path.join(@volumes, 'a') + str([k for k in range(2)])"],
        ["--box", ":,0:5,:"],
    ],
)
def test_what_monai_can_do_with_a_config_is_left_to_it(tmp_path, words):
    assert set(checked(tmp_path, words)) <= {"box"}


def test_values_of_an_overlay_have_the_types_of_their_knobs(tmp_path):
    assert checked(tmp_path, [], {"augment": "false", "iterations": "7"}) == {"augment": False, "iterations": 7}
    assert checked(tmp_path, ["--iterations", "9"], {"iterations": "7"}) == {"iterations": 9}
    assert checked(tmp_path, [], {"augment": False, "iterations": 7}) == {}
    assert checked(tmp_path, [], {"iterations": "7"}, {"iterations": 3}) == {}


def test_a_computed_value_of_an_overlay_is_left_to_monai(tmp_path):
    assert checked(tmp_path, [], {"iterations": "$2 * 3"}) == {}
    assert checked(tmp_path, [], {"iterations": "7"}, {"iterations": "@presets#demo#width"}) == {}
    assert checked(tmp_path, [], {"iterations": "$2 * 3"}, {"iterations": "7"}) == {"iterations": 7}


def test_an_id_of_an_overlay_that_nothing_uses_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"1\.json: unknown id 'iteratons'; did you mean 'iterations'\?"):
        checked(tmp_path, [], {"iteratons": 5})
    with pytest.raises(ValueError, match=r"1\.json: unknown id 'mask_ratio'; neither the bundle nor this file uses it"):
        checked(tmp_path, [], {"mask_ratio": 0.5})
    checked(tmp_path, [], {"mine": 5, "lr": "$@mine / 100", "_note_": "x", "run": ["$None"], "schedule#lr": 5})


@pytest.mark.parametrize("bundle", bundle_names())
def test_the_overlays_of_a_bundle_pass(bundle):
    configs = {name: json.loads(text) for name, text in bundle_files(bundle).items() if name.endswith(".json")}
    train = configs["train.json"]
    for name in set(configs) - {
        "train.json",
        "evaluate.json",
        "inference.json",
        "probe.json",
        "metadata.json",
        "model.json",
    }:
        check_overlay(name, configs[name], train, {**train, **configs[name]})
        for option, value in configs[name].items():
            check_replaced(option, value, train)
