"""Damaged checkpoints and model files: each wrong byte or value ends in one line that names the file."""

import copy
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scripts.checkpoints.file import load_checkpoint, network_content
from scripts.checkpoints.restore import decoder_of, recipe_of, restore
from scripts.checkpoints.weight_transfer import read_weights
from scripts.networks import segmentation_network
from scripts.workflow.segmentation_model import load_network

SIZES = {"width": 12, "depth": 2, "heads": 2}
RECIPE = {
    "task": "affinity",
    "architecture": "unetr",
    "network": "tiny",
    "sizes": SIZES,
    "widths": [4, 4, 4],
    "trunk_sizes": None,
    "auxiliary_offsets": [],
    "offsets": "nearest",
    "activations": ["sigmoid"] * 3,
    "channels": ["z", "y", "x"],
    "crop": [2, 8, 8],
    "patch": [1, 4, 4],
    "downsample": [1, 1, 1],
    "window": [2, 8, 8],
    "stride": [1, 4, 4],
    "pad": [1, 4, 4],
    "flips": 1,
    "grey_low": None,
    "grey_high": None,
    "mask": None,
    "iterations": 4,
    "seed": 0,
}
DECODER = {"name": "zwatershed", "settings": {"low": 0.1}}
BYTES, VALUES = 60, 80
"""Damaged copies of each kind."""


@pytest.fixture(scope="module")
def content():
    torch.manual_seed(0)
    return {**network_content(network(), RECIPE, 4), "decoder": DECODER, "scores": {"x": 0.5}}


def network() -> torch.nn.Module:
    encoder = {"patch": RECIPE["patch"], **SIZES}
    return segmentation_network("unetr", 3, encoder, RECIPE["widths"], {})


def uses(path: Path, model: Path) -> list[Callable[[], Any]]:
    """Everything that reads a checkpoint."""
    return [
        lambda: load_checkpoint(path),
        lambda: recipe_of(path, model, "affinity"),
        lambda: decoder_of(path, model),
        lambda: restore(network(), path),
        lambda: load_network(path),
        lambda: read_weights(path),
    ]


def outcome(use: Callable[[], Any], names: tuple[str, ...]) -> str:
    """`usable`, `refused`, or what went wrong."""
    try:
        use()
    except (ValueError, OSError, ImportError) as error:
        text = str(error)
        return "refused" if any(name in text for name in names) and len(text) < 2000 else f"unnamed: {text}"
    except Exception as error:
        return f"trace: {type(error).__name__}: {error}"
    return "usable"


def damaged(whole: bytes, random: np.random.Generator) -> bytes:
    changed = bytearray(whole)
    how = int(random.integers(4))
    if how == 0:
        return bytes(changed[: int(random.integers(len(changed)))])
    if how == 1:
        at = int(random.integers(len(changed)))
        return bytes(changed[:at] + changed[at // 2 : at // 2 + 64] + changed[at:])
    for at in random.integers(len(changed), size=int(random.integers(1, 4))):
        changed[at] ^= 1 << int(random.integers(8))
    return bytes(changed)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values within mappings and lists; of weights the first few."""
    if isinstance(value, dict):
        inner = list(value.items())[:6] if at == ("network",) else value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    else:
        inner = ()
    return [found for key, item in inner for found in ((*at, key), *places(item, (*at, key)))]


STRANGE = (None, True, -1, 0, 2.5, float("nan"), 10**30, "", "x", "$1+1", "@network", "%x", [], [1], [None] * 3, {})
STRANGE += ({"_target_": "os.system"}, {"width": "x"}, "\x00", [[[[]]]], b"x")


def changed_value(content: dict[str, Any], random: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A copy with one value replaced or removed."""
    made = copy.deepcopy(content)
    every = places(made)
    place = every[int(random.integers(len(every)))]
    holder = made
    for key in place[:-1]:
        holder = holder[key]
    if random.random() < 0.1 and isinstance(holder, dict):
        del holder[place[-1]]
    else:
        holder[place[-1]] = STRANGE[int(random.integers(len(STRANGE)))]
    return place, made


def check(counted: Counter, wrong: list[str], campaign: Callable[..., None]) -> None:
    silent = sum("silently" in one for one in wrong)
    kinds = {name: counted[name] for name in ("refused", "usable")}
    campaign("damaged checkpoints", {**kinds, "trace": len(wrong) - silent, "wrong": silent})
    assert not wrong, wrong[:3]


def test_a_checkpoint_with_changed_bytes_is_refused_or_as_it_was(content, tmp_path, campaign):
    path, model = tmp_path / "best.pt", tmp_path / "model.json"
    torch.save(content, path)
    whole, random, counted, wrong = path.read_bytes(), np.random.default_rng(0), Counter(), []
    for number in range(BYTES):
        path.write_bytes(damaged(whole, random))
        for use in uses(path, model):
            found = outcome(use, (str(path),))
            counted[found.split(":")[0]] += 1
            wrong += [f"{number}: {found}"] if found not in ("usable", "refused") else []
        if outcome(lambda: load_checkpoint(path), (str(path),)) == "usable":
            read = load_checkpoint(path)
            same = all(torch.equal(read["network"][name], value) for name, value in content["network"].items())
            wrong += [] if same and read["recipe"] == content["recipe"] else [f"{number}: silently other values"]
    check(counted, wrong, campaign)
    assert counted["refused"] > 2 * BYTES


def test_a_checkpoint_with_one_wrong_value_is_refused_or_can_be_used(content, tmp_path, campaign):
    path, model = tmp_path / "best.pt", tmp_path / "model.json"
    random, counted, wrong = np.random.default_rng(1), Counter(), []
    for _ in range(VALUES):
        place, made = changed_value(content, random)
        torch.save(made, path)
        for use in uses(path, model):
            found = outcome(use, (str(path),))
            counted[found.split(":")[0]] += 1
            wrong += [f"{place}: {found}"] if found not in ("usable", "refused") else []
    check(counted, wrong, campaign)
    assert counted["refused"] > VALUES


@pytest.mark.parametrize("file", ["model.json", "beside the weights"])
def test_a_damaged_model_file_is_refused_by_name(content, tmp_path, file, campaign):
    path, model = tmp_path / "model.pt", tmp_path / "configs.json"
    torch.save(content["network"], path)
    about = {"format": 1, "version": "0.1.0", "iteration": 4, "recipe": RECIPE, "decoder": DECODER}
    damaged_file = model if file == "model.json" else path.with_suffix(".json")
    whole = json.dumps(about).encode()
    random, counted, wrong = np.random.default_rng(2), Counter(), []
    for number in range(BYTES):
        if number % 2:
            damaged_file.write_bytes(damaged(whole, random))
        else:
            _, made = changed_value(about, random)
            damaged_file.write_text(json.dumps(made, default=str))
        for use in uses(path, model)[1:3]:
            found = outcome(use, (str(damaged_file), str(path)))
            counted[found.split(":")[0]] += 1
            wrong += [f"{number}: {found}"] if found not in ("usable", "refused") else []
    check(counted, wrong, campaign)
    assert counted["refused"] > BYTES // 2
