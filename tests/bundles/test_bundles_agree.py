"""The four bundles agree: what they share is the same in each, and what differs is listed here with its reason."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2] / "bundles"
PRETRAIN = "sem_mae_pretrain"
AFFINITY = "sem_neuron_affinity"
MAPS = ("sem_neuron_bcd", "sem_mito_bc")
FINE_TUNING = (AFFINITY, *MAPS)
BUNDLES = (PRETRAIN, *FINE_TUNING)
OVERLAYS = {"as_published", "demo", "multi_gpu_train", "vit_large"}
OVERLAYS_OF_ONE_KIND = {
    PRETRAIN: {"space_only", "section_only"},
    **{bundle: {"hybrid", "light_decoder", "residual_unet", "scratch"} for bundle in FINE_TUNING},
}

KNOBS_OF_PRETRAINING = {
    "reject": "crops of fine-tuning are where labels are",
    "mask": "fine-tuning hides nothing",
    "mask_ratio": "fine-tuning hides nothing",
    "base_lr": "the MAE recipe scales its rate with the batch",
    "sampler": "augmented crops are made by worker processes alone",
    "baseline_crops": "interpolation is a baseline for hidden tokens",
}
KNOBS_OF_FINE_TUNING = {
    "labels": "pre-training reads none",
    "labelled_sections": "pre-training reads no labels",
    "labelled_box": "pre-training reads no labels",
    "pretrained": "where the encoder is from",
    "freeze": "of the encoder that is transferred",
    "architecture": "pre-training has one network",
    "trunk": "of the residual U-Net",
    "decoder": "that of pre-training is a transformer and part of the network's preset",
    "lr": "AdamW of fine-tuning is given its rate as such",
    "layer_decay": "of transferred blocks",
    "drop_path": "pre-training has none",
    "augment": "pre-training flips and transposes, no more",
    "window": "whole boxes are validated",
    "stride": "whole boxes are validated",
    "pad": "whole boxes are validated",
    "flips": "whole boxes are validated",
    "decode": "instances are validated",
    "choices": "instances are validated",
    "key_score": "instances are validated",
    "decode_settings": "instances are validated",
}
OTHER_IN_PRETRAINING = {
    "batch": "128 in the paper; 24 in the authors' fine-tuning",
    "betas": "0.95 is the MAE recipe's, 0.999 that of its fine-tuning",
    "clip": "the recipe of pre-training clips nothing",
    "output_dir": "named after the bundle",
    "val_interval": "a reconstruction is validated sooner than instances of whole boxes",
    "_desc_": "what the bundle is",
    "_knobs_": "shows --labels",
    "_volumes_": "tells of labels",
    "_crop_": "tells that the patch is the encoder's",
    "_batch_": "another source",
    "_iterations_": "the authors' number of each",
    "_optimizer_": "explains each recipe",
    "_intervals_": "explains each validation",
}
OTHER_IN_MAPS = {
    "auxiliary_offsets": "longer affinities beside the decoded ones",
    "auxiliary_weight": "of their loss",
    "_auxiliary_": "the same",
    "auxiliary_channels": "their channels",
    "recipe#auxiliary_offsets": "which they are",
    "check_settings#channels": "those that are decoded",
    "network_def#out_channels": "their channels beside the others",
    "maps#auxiliary": "leaves them out",
    "_desc_": "what the bundle is",
    "_iterations_": "the authors' number of each",
    "_decode_": "the words for its maps and its decoder's settings",
    "_channels_": "its maps",
    "output_dir": "named after the bundle",
    "bundle_root": "named after the bundle",
    "decode": "the decoder of its maps",
    "choices": "that decoder's thresholds",
    "task": "so that no checkpoint is taken for another's",
    "activations": "its maps",
    "channels": "its maps",
    "offsets": "of affinities",
    "recipe#offsets": "of affinities",
    "maps#_desc_": "its maps",
    "loss#_desc_": "its maps",
    "loss#terms": "a loss for each map",
    "targets#_desc_": "its maps",
    "targets#targets": "its maps",
    "validate#inferer#affinity": "maps flip as images do, affinities do not",
    "picture#_desc_": "its maps",
}
OTHER_IN_MITO = {
    "labels": "the synthetic volume and MitoEM-R name them a class",
    "_volumes_": "tells of the class",
    "key_score": "mitochondria are scored by average precision",
    "validate#choice#zero": "what is no mitochondrion is background; membrane between neurites is not labelled",
    "validate#evaluator#metric_cmp_fn": "higher is better, MONAI's default",
}
OTHER_IN_EVALUATION = {
    "_desc_": "what is scored",
    "checkpoint": "named after the bundle",
    "bundle_root": "named after the bundle",
    "recipe#task": "so that no checkpoint is taken for another's",
    "recipe#otherwise#task": "the same",
    "recipe#otherwise#offsets": "of affinities",
    "recipe#otherwise#activations": "its maps",
    "recipe#otherwise#channels": "its maps",
    "decoder#otherwise": "the decoder of its maps",
    "inferer#affinity": "maps flip as images do, affinities do not",
}
OTHER_IN_EVALUATION_OF_MITO = {
    "labels": "a class of the synthetic volume and of MitoEM-R",
    "recipe#otherwise#labels": "the same",
    "key_score": "mitochondria are scored by average precision",
    "choice#zero": "what is no mitochondrion is background",
}
OTHER_IN_INFERENCE = {
    **{key: reason for key, reason in OTHER_IN_EVALUATION.items() if key != "inferer#affinity"},
    "_out_": "names the channels",
    "out": "named after the maps",
    "windows#affinity": "maps flip as images do, affinities do not",
    "how_to_decode#offsets": "of affinities",
}
OTHER_IN_DEMO = {
    "_desc_": "what is labelled",
    "labelled_sections": "few mitochondria are in a section",
    "validation_box": "one with several",
    "crop": "mitochondria are larger than the crops of the others",
    "_crop_": "the same",
    "batch": "fewer of the larger crops",
    "iterations": "they are learned later than membranes",
    "val_interval": "half of the iterations",
    "picture_interval": "half of the iterations",
    "choices": "low probabilities after so few iterations",
    "_choices_": "the same",
    "key_score": "the coarser overlap for so short a training",
}


def config(bundle: str, name: str = "train") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / bundle / "configs" / f"{name}.json").read_text())
    return found


def knobs(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What is meant to be set: all before `imports`."""
    names = list(settings)
    return {name: settings[name] for name in names[: names.index("imports")]}


def differences(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """Paths at which two configs differ, such as `loss#terms`; a path ends where only one goes on."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys([*one, *other]):
            path = f"{place}#{key}" if place else key
            if key not in one or key not in other:
                yield path
            else:
                yield from differences(one[key], other[key], path)
    elif one != other:
        yield place


def listed(path: str, reasons: Mapping[str, str]) -> str | None:
    """The entry of a list that a path falls under."""
    return next((key for key in reasons if path == key or path.startswith(f"{key}#")), None)


def assert_differ_as_listed(bundle: str, name: str, reasons: Mapping[str, str]) -> None:
    paths = list(differences(config(AFFINITY, name), config(bundle, name)))
    surprising = [path for path in paths if listed(path, reasons) is None]
    assert not surprising, f"{bundle}/{name}.json differs from {AFFINITY}'s where no reason is listed"
    stale = [key for key in reasons if all(listed(path, {key: ""}) is None for path in paths)]
    assert not stale, f"{bundle}/{name}.json no longer differs here"


def test_a_knob_of_pre_training_and_of_fine_tuning_has_one_name_default_and_comment():
    pretraining, fine_tuning = knobs(config(PRETRAIN)), knobs(config(AFFINITY))
    shared = pretraining.keys() & fine_tuning.keys()
    other = {name for name in shared if pretraining[name] != fine_tuning[name]}
    assert other == OTHER_IN_PRETRAINING.keys()


def test_knobs_that_one_side_lacks_are_known():
    pretraining, fine_tuning = knobs(config(PRETRAIN)), knobs(config(AFFINITY))

    def alone(one: Mapping[str, Any], other: Mapping[str, Any]) -> set[str]:
        return {name for name in one if name not in other and not name.startswith("_")}

    assert alone(pretraining, fine_tuning) == KNOBS_OF_PRETRAINING.keys()
    assert alone(fine_tuning, pretraining) == KNOBS_OF_FINE_TUNING.keys()


@pytest.mark.parametrize("bundle", FINE_TUNING)
def test_shared_knobs_stand_in_the_same_order(bundle):
    first, second = knobs(config(PRETRAIN)), knobs(config(bundle))
    assert [name for name in first if name in second] == [name for name in second if name in first]


@pytest.mark.parametrize("name", ["train", "evaluate", "inference"])
@pytest.mark.parametrize("bundle", MAPS)
def test_the_bundles_of_fine_tuning_have_the_same_knobs(bundle, name):
    assert list(knobs(config(bundle, name))) == list(knobs(config(AFFINITY, name)))


def test_training_differs_where_a_reason_is_listed_and_nowhere_else():
    assert_differ_as_listed("sem_neuron_bcd", "train", OTHER_IN_MAPS)
    assert_differ_as_listed("sem_mito_bc", "train", {**OTHER_IN_MAPS, **OTHER_IN_MITO})


def test_evaluation_differs_where_a_reason_is_listed_and_nowhere_else():
    assert_differ_as_listed("sem_neuron_bcd", "evaluate", OTHER_IN_EVALUATION)
    assert_differ_as_listed("sem_mito_bc", "evaluate", {**OTHER_IN_EVALUATION, **OTHER_IN_EVALUATION_OF_MITO})


def test_inference_differs_where_a_reason_is_listed_and_nowhere_else():
    words = {"_dtype_": "tells of the range of a distance"}
    assert_differ_as_listed("sem_neuron_bcd", "inference", {**OTHER_IN_INFERENCE, **words})
    assert_differ_as_listed("sem_mito_bc", "inference", OTHER_IN_INFERENCE)


def test_overlays_differ_where_a_reason_is_listed_and_nowhere_else():
    authors = {"_desc_": "the authors' numbers", "iterations": "the authors' number"}
    assert_differ_as_listed("sem_neuron_bcd", "as_published", authors)
    rates = dict.fromkeys(("warm_up", "batch", "lr"), "the authors' number")
    voxels = dict.fromkeys(("reduce", "_reduce_"), "the authors halved MitoEM in plane")
    assert_differ_as_listed("sem_mito_bc", "as_published", {**authors, **rates, **voxels})
    assert_differ_as_listed("sem_neuron_bcd", "demo", {})
    assert_differ_as_listed("sem_mito_bc", "demo", OTHER_IN_DEMO)
    for bundle in MAPS:
        assert_differ_as_listed(bundle, "multi_gpu_train", {"_desc_": "names the bundle"})
        for name in ("light_decoder", "scratch", "vit_large"):
            assert_differ_as_listed(bundle, name, {})


@pytest.mark.parametrize("bundle", BUNDLES)
def test_every_bundle_has_the_same_overlays(bundle):
    own = {"train", "inference", "metadata"} | ({"evaluate"} if bundle in FINE_TUNING else set())
    found = {path.stem for path in (ROOT / bundle / "configs").glob("*.json")}
    assert found - own == OVERLAYS | OVERLAYS_OF_ONE_KIND[bundle]


@pytest.mark.parametrize("bundle", BUNDLES)
def test_an_overlay_sets_only_what_the_training_knows(bundle):
    known = config(bundle).keys()
    for name in OVERLAYS | OVERLAYS_OF_ONE_KIND[bundle]:
        told = {key for key in config(bundle, name) if not key.startswith("_")}
        assert told <= known, f"{bundle}/{name}.json sets {sorted(told - known)}"


@pytest.mark.parametrize("bundle", FINE_TUNING)
def test_an_encoder_of_a_preset_fits_the_network_of_the_same_preset(bundle):
    encoders, networks = config(PRETRAIN)["presets"], config(bundle)["presets"]
    assert encoders.keys() == networks.keys()
    for name, sizes in networks.items():
        if name != "_desc_":
            assert {key: encoders[name][key] for key in ("width", "depth", "heads")} == {
                key: sizes[key] for key in ("width", "depth", "heads")
            }


@pytest.mark.parametrize("bundle", FINE_TUNING)
def test_the_demo_of_fine_tuning_takes_the_encoder_of_the_demo_of_pre_training(bundle):
    first, second = config(PRETRAIN, "demo"), config(bundle, "demo")
    assert all(first[key] == second[key] for key in ("network", "patch"))


@pytest.mark.parametrize("bundle", BUNDLES)
def test_metadata_names_the_channels_that_the_network_has_and_the_versions_of_all(bundle):
    found, first = config(bundle, "metadata"), config(PRETRAIN, "metadata")
    same = ("schema", "version", "monai_version", "pytorch_version", "numpy_version", "required_packages_version")
    same = (*same, "authors", "copyright", "data_type", "image_classes")
    assert {key: found[key] for key in same} == {key: first[key] for key in same}
    assert found["network_data_format"]["inputs"] == first["network_data_format"]["inputs"]
    channels = config(bundle).get("channels", ["image"])
    output = found["network_data_format"]["outputs"]["pred"]
    assert output["num_channels"] == len(channels) == len(output["channel_def"])
    for number, name in enumerate(channels):
        said = output["channel_def"][str(number)]
        assert all(word in said for word in name.split()), f"{said}: {name}"
    assert len({config(other, "metadata")["name"] for other in BUNDLES}) == len(BUNDLES)
