"""Impossible settings are refused with values that work, before a volume is opened."""

import pytest

from scripts.metrics.decoder_search import DecoderSearch
from scripts.workflow import check_settings, chosen_preset, chosen_trunk

RECIPE = {
    "crop": [6, 96, 96],
    "patch": [1, 16, 16],
    "window": [6, 96, 96],
    "lr": 1e-3,
    "precision": "fp32",
    "sizes": {"width": 24},
    "volumes": {"_target_": "made.by.Monai"},
}


def test_good_settings_pass():
    check_settings(RECIPE, {"val_interval": 100})
    check_settings({**RECIPE, "unetr_form": "residual", "architecture": "unetr"}, {})
    check_settings({key: value for key, value in RECIPE.items() if key != "window"}, {})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"crop": [6, 100, 96]}, r"crop \[6, 100, 96\]: 100 along y is no multiple of the patch's 16; use 96 or 112"),
        ({"crop": [6, 8, 96]}, r"8 along y is no multiple of the patch's 16; use 16$"),
        ({"window": [6, 96, 90]}, r"window \[6, 96, 90\]: 90 along x"),
        ({"crop": [6, 96]}, r"--crop \[6, 96\] is not a list of 3 whole numbers of 1 or more \(z, y, x\)"),
        ({"precision": "fp16"}, "--precision 'fp16' is not one of fp32, bf16, auto"),
        ({"lr": 0}, "--lr 0 is not a number above 0"),
        (
            {"freeze": 600, "architecture": "residual_unet"},
            "freeze 600: a residual_unet has no encoder to freeze; use --f",
        ),
        (
            {"unetr_form": "residual", "architecture": "hybrid"},
            "unetr_form 'residual': a hybrid has no decoder of a UNETR; use --architecture unetr",
        ),
        (
            {"warm_up": 100000, "iterations": 2000},
            "warm_up 100000 is longer than the 2000 iterations, .*; use --warm_up 100, or more iterations",
        ),
        ({"architecture": "u-net"}, "architecture 'u-net' is not one of mae, unetr, residual_unet, hybrid"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        check_settings({**RECIPE, **changed}, {})


@pytest.mark.parametrize("value", [0, "5.5", None])
def test_a_further_knob_is_checked_as_on_the_command_line(value):
    with pytest.raises(ValueError, match=r"--val_interval .* is not a whole number of 1 or more"):
        check_settings(RECIPE, {"val_interval": value})


def test_targets_activations_and_decoder_have_the_same_channels():
    search = DecoderSearch("agglomeration", "adapted_rand_snemi3d", decoder_grid={"threshold": [0.1, 0.3]})
    check_settings({**RECIPE, "activations": ["sigmoid"] * 3}, {}, 3, search)
    with pytest.raises(ValueError, match="targets have 3 channels, but 2 activations"):
        check_settings({**RECIPE, "activations": ["sigmoid"] * 2}, {}, 3, search)
    with pytest.raises(ValueError, match=r"decoder 'agglomeration' cannot decode .*2 channels"):
        check_settings({**RECIPE, "activations": ["sigmoid"] * 2}, {}, 2, search)


def test_a_preset_is_chosen_by_name_and_must_be_complete():
    presets = {"_desc_": "", "tiny": {"width": 24, "drop_path": 0.0}}
    assert chosen_preset("network", "tiny", presets, ["drop_path"]) is presets["tiny"]
    with pytest.raises(ValueError, match="network 'vit_huge' is not one of tiny"):
        chosen_preset("network", "vit_huge", presets)
    with pytest.raises(ValueError, match=r"network 'tiny' lacks \['layer_decay'\]"):
        chosen_preset("network", "tiny", presets, ["drop_path", "layer_decay"])


def test_a_trunk_is_a_preset_with_a_norm():
    presets = {"tiny": {"widths": [4, 8], "fold": 2}, "old": {"widths": [4, 8], "norm": "batch"}}
    assert chosen_trunk("tiny", "batch", presets) == {"widths": [4, 8], "fold": 2, "norm": "batch"}
    with pytest.raises(ValueError, match="trunk 'old' names a norm; leave it to --trunk_norm batch"):
        chosen_trunk("old", "group", presets)
    with pytest.raises(ValueError, match="trunk 'huge' is not one of tiny, old"):
        chosen_trunk("huge", "group", presets)
