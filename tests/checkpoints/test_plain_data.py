"""No checkpoint, model file or package can put code into a config."""

import json
import shlex

import pytest
import torch

from scripts.checkpoints.file import load_checkpoint
from scripts.checkpoints.restore import decoder_of, recipe_of
from scripts.checkpoints.weight_transfer import read_weights
from scripts.inferers.inference_region import decode_command
from scripts.tools.packaging.weights import read_weights as read_package_weights

RECIPE = {"task": "affinity", "channels": ["affinity z"], "activations": ["sigmoid"], "patch": [1, 4, 4]}
CODE = "$__import__('os').system('touch broken')"
HOSTILE = [
    {"channels": [CODE]},
    {"volumes": " $open('x')"},
    {"network": "@device"},
    {"labels": "%other.json#x"},
    {"sizes": {"_target_": "os.system", "command": "touch broken"}},
    {"sizes": {"width": {"_disabled_": True}}},
    {"anything": [{"_mode_": "callable"}]},
    {"anything": {"_requires_": "x"}},
    {"patch": [1, 4]},
    {"patch": "1,4,4"},
    {"patch": [0, 4, 4]},
    {"flips": 3},
    {"widths": [10**9]},
    {"activations": []},
    {"channels": "affinity z"},
    {"crop": [1.5, 4, 4]},
    {"grey_low": "0"},
]


def saved(path, recipe, **more):
    torch.save({"format": 1, "iteration": 1, "network": {"w": torch.zeros(1)}, "recipe": recipe, **more}, path)
    return path


@pytest.mark.parametrize("change", HOSTILE, ids=str)
def test_no_door_lets_code_or_another_type_out_of_a_recipe(tmp_path, change):
    path = saved(tmp_path / "best.pt", {**RECIPE, **change})
    plain = tmp_path / "model.pt"
    torch.save({"w": torch.zeros(1)}, plain)
    plain.with_suffix(".json").write_text(json.dumps({"format": 1, "iteration": 1, "recipe": {**RECIPE, **change}}))
    model = tmp_path / "published.json"
    model.write_text(json.dumps({"recipe": {**RECIPE, **change}}))
    good = saved(tmp_path / "good.pt", RECIPE)
    for door in (
        lambda: load_checkpoint(path),
        lambda: load_checkpoint(plain),
        lambda: recipe_of(path, tmp_path / "none.json"),
        lambda: recipe_of(tmp_path / "none.pt", model),
        lambda: recipe_of(good, model),
        lambda: read_weights(path),
        lambda: read_package_weights(path),
        lambda: read_package_weights(plain),
    ):
        with pytest.raises(ValueError, match=r"recipe(#\w+)+ (is|has)") as caught:
            door()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "decoder",
    [
        {"name": "$exit()", "settings": {}},
        {"name": "zwatershed; touch x", "settings": {}},
        {"name": "mutex", "settings": {"low": "$exit()"}},
        {"name": "mutex", "settings": {"low; touch x": 1}},
        {"name": "mutex"},
        {"name": 5, "settings": {}},
        "mutex",
    ],
    ids=str,
)
def test_a_decoder_is_a_name_with_plain_settings(tmp_path, decoder):
    path = saved(tmp_path / "best.pt", RECIPE, decoder=decoder)
    with pytest.raises(ValueError, match=r"decoder(#\w+)* (is|has)"):
        decoder_of(path, tmp_path / "none.json")
    path = saved(tmp_path / "last.pt", RECIPE, parts={"validation": {"decoder": decoder}})
    with pytest.raises(ValueError, match=r"decoder(#\w+)* (is|has)"):
        load_checkpoint(path)


def test_a_recipe_that_is_no_object_is_one_line(tmp_path):
    with pytest.raises(ValueError, match="recipe is a list, not an object"):
        load_checkpoint(saved(tmp_path / "best.pt", ["$1"]))


def test_a_printed_command_is_quoted():
    decoder = {"name": "agglomeration", "settings": {"threshold": 0.3, "offsets": "a; touch x"}}
    words = shlex.split(decode_command("my maps.zarr", decoder))
    assert words[3:5] == ["decode", "my maps.zarr"]
    assert words[-1] == "a; touch x"
    assert words[words.index("--threshold") + 1] == "0.3"
