"""A checkpoint names its task, and is refused by name where another one is needed."""

import json

import pytest
import torch

from scripts.checkpoints.file import network_content, save_atomically
from scripts.checkpoints.restore import decoder_of, recipe_of, restore

PRETRAINED = {"network": "vit_base", "mask": "random", "mask_ratio": 0.9, "crop": [6, 96, 96]}
AFFINITY = {"task": "affinity", "network": "vit_base", "activations": ["sigmoid"] * 3}


@pytest.fixture
def model(tmp_path):
    """Write a bundle's model file; returns its path."""

    def write(recipe, decoder=None):
        path = tmp_path / "model.json"
        path.write_text(json.dumps({"recipe": recipe, "decoder": decoder}))
        return path

    return write


def saved(folder, recipe, channels=3, **more):
    network = torch.nn.Conv3d(1, channels, 1)
    path = folder / "best.pt"
    save_atomically(network_content(network, recipe, 7) | more, path)
    return path


def test_a_checkpoint_of_pre_training_states_what_it_is(tmp_path, model):
    path = saved(tmp_path, PRETRAINED)
    with pytest.raises(ValueError, match=r"the checkpoint of a pre-training, vit_base, but 'affinity'.*--pretrained"):
        recipe_of(path, model({}), task="affinity")
    with pytest.raises(ValueError, match=r"pre-training, vit_base, iteration 7\) names no decoder"):
        decoder_of(path, model({}))
    assert recipe_of(path, model({"patch": [1, 16, 16]}))["patch"] == [1, 16, 16]


def test_a_checkpoint_of_another_task_or_channel_count_is_named_with_what_is_wanted(tmp_path, model):
    path = saved(tmp_path, AFFINITY)
    with pytest.raises(ValueError, match=r"'affinity', vit_base, 3 channels, but 'bcd' is wanted"):
        recipe_of(path, model({}), task="bcd")
    with pytest.raises(
        ValueError, match=r"'affinity', vit_base, 3 channels\) is of another network: .*weight: \(3, 1.* there, \(2, 1"
    ):
        restore(torch.nn.Conv3d(1, 2, 1), path)
    with pytest.raises(ValueError, match=r"there is no checkpoint '.*none.pt'"):
        restore(torch.nn.Conv3d(1, 2, 1), tmp_path / "none.pt")


def test_the_decoder_is_read_from_best_and_last_and_given_only_where_there_is_no_file(tmp_path, model):
    published = {"name": "zwatershed", "settings": {"low": 0.2}}
    otherwise = model({}, published)
    assert decoder_of(tmp_path / "best.pt", otherwise) == published
    chosen = {"name": "agglomeration", "settings": {"threshold": 0.4}}
    path = saved(tmp_path, AFFINITY, decoder=chosen)
    assert decoder_of(path, otherwise) == chosen
    assert recipe_of(path, otherwise, task="affinity")["network"] == "vit_base"
    path = saved(tmp_path, AFFINITY, parts={"validation": {"best": 0.1, "decoder": chosen}})
    assert decoder_of(path, otherwise) == chosen
    path = saved(tmp_path, AFFINITY, parts={"validation": {"best": None, "decoder": None}})
    with pytest.raises(ValueError, match="before the first validation"):
        decoder_of(path, otherwise)


def test_a_plain_state_dict_gives_its_weights_and_leaves_the_rest_as_configured(tmp_path, model):
    made = torch.nn.Conv3d(1, 2, 1)
    torch.save(made.state_dict(), tmp_path / "weights.pt")
    decoder = {"name": "zwatershed", "settings": {"low": 0.2}}
    file = model({"task": "affinity", "flips": 4}, decoder)
    assert recipe_of(tmp_path / "weights.pt", file, task="affinity")["flips"] == 4
    assert decoder_of(tmp_path / "weights.pt", file) == decoder
    network = restore(torch.nn.Conv3d(1, 2, 1), tmp_path / "weights.pt")
    assert torch.equal(network.weight, made.weight)


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "module._orig_mod."])
def test_a_state_dict_of_a_distributed_or_compiled_network_is_restored(tmp_path, wrapper):
    torch.manual_seed(0)
    network, other = torch.nn.Conv3d(1, 3, 1), torch.nn.Conv3d(1, 3, 1)
    torch.save({f"{wrapper}{name}": value for name, value in network.state_dict().items()}, tmp_path / "weights.pt")
    restore(other, tmp_path / "weights.pt")
    assert torch.equal(other.weight, network.weight)
