"""Run folders as training and evaluation leave them: a pre-training, and fine-tunings with two seeds each."""

import json
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch

from scripts.checkpoints.file import network_content, save_atomically
from scripts.data.files.writing import write_hdf5
from scripts.metrics.score_report import as_json, markdown_table, write_reports
from scripts.networks import Encoder, MaskedAutoencoder
from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.scores import all_scores
from scripts.ops.targets.noised_affinities import noised_affinities
from scripts.tools.cli import main
from scripts.tools.report import report

SHAPE = (16, 96, 96)
HELD_OUT = slice(10, 16)
SIZES = {"width": 24, "depth": 1, "heads": 2, "decoder_width": 12, "decoder_depth": 1, "decoder_heads": 2}
SETTINGS = {"threshold": 0.4, "size": 20, "dust": 20}


def write_log(folder, entries):
    folder.mkdir(parents=True)
    (folder / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def steps(count, first, last, **terms):
    """Training lines whose loss falls from `first` towards `last`."""
    losses = last + (first - last) * np.exp(-np.arange(count) / (count / 5))
    return [
        {
            "iteration": k,
            "loss": float(loss),
            **{name: share * float(loss) for name, share in terms.items()},
            "lr": 1e-3,
            "samples_per_s": 50.0,
            "seconds": 0.5,
            "waiting": 0.01,
        }
        for k, loss in enumerate(losses, start=1)
    ]


@pytest.fixture
def error_of(capsys):
    """Run a command that fails: the one line it ends with, on standard error, and exit code 2."""

    def run(*words):
        with pytest.raises(SystemExit) as stop:
            main([str(word) for word in words])
        assert stop.value.code == 2
        line = capsys.readouterr().err.strip()
        assert line.startswith("error: ")
        assert "\n" not in line
        return line

    return run


@pytest.fixture(scope="session")
def cells(tmp_path_factory):
    """Path of a volume of slanting cells with dark membranes, and its arrays."""
    z, y, x = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
    y, x = y + z, x + z // 2 + 4 * np.sin(y / 15).astype(int)
    membrane = (y % 24 < 2) | (x % 24 < 2)
    labels = np.where(membrane, 0, 1 + y // 24 * 5 + x // 24)
    noise = np.random.default_rng(0).normal(0, 12, SHAPE)
    image = (np.where(membrane, 70, 170 + 15 * np.sin(x / 3 + y / 5)) + noise).clip(0, 255).astype(np.uint8)
    path = tmp_path_factory.mktemp("volume") / "small.h5"
    write_hdf5(path, {"raw": image, "labels": labels.astype(np.uint16)}, (30.0, 6.0, 6.0), chunks=None)
    return SimpleNamespace(path=path, image=image, labels=labels)


@pytest.fixture(scope="session")
def runs(tmp_path_factory, cells):
    """Folders by name: pretrain, pretrained_0, pretrained_1, scratch_0, scratch_1."""
    root = tmp_path_factory.mktemp("runs")
    made = SimpleNamespace(root=root, pretrain=root / "pretrain")
    _pretrain(made.pretrain, cells)
    for name, noise, seed in (("pretrained", 0.3, 0), ("pretrained", 0.3, 1), ("scratch", 1.3, 0), ("scratch", 1.3, 1)):
        folder = root / f"{name}_{seed}"
        pretrained = str(made.pretrain / "checkpoints" / "best.pt") if name == "pretrained" else None
        _finetune(folder, cells, noise, seed, pretrained)
        setattr(made, folder.name, folder)
    return made


def with_errors(labels, count, seed):
    """Other ids of the same cells, of which so many are merged with a neighbour and as many cut in half."""
    ids = np.random.default_rng(seed).permutation(np.unique(labels[labels > 0]))
    found = np.where(labels > 0, labels + 100, 0)
    for whole, merged in zip(ids[:count], ids[count:], strict=False):
        middle = np.median(np.nonzero(labels == whole)[2])
        found[(labels == whole) & (np.arange(labels.shape[2]) > middle)] = 200 + whole
        found[labels == merged] = 100 + ids[-1]
    return found


@pytest.fixture(scope="session")
def report_page(tmp_path_factory, runs):
    """The report of all runs."""
    out = tmp_path_factory.mktemp("page") / "report.html"
    names = ("pretrain", "pretrained_0", "pretrained_1", "scratch_0", "scratch_1")
    report(*(str(getattr(runs, name)) for name in names), out=str(out))
    return out


def _pretrain(folder, cells):
    baselines = {"iteration": 0, "token_mean": 0.999, "interpolation_fitted": 0.93}
    validations = [{"iteration": k, "val_loss": 1.6 - k / 100} for k in (0, 20, 40)]
    write_log(folder, [baselines, validations[0], *steps(40, 1.8, 0.9), *validations[1:]])
    recipe = {
        "network": "demo",
        "sizes": SIZES,
        "crop": [2, 32, 32],
        "patch": [1, 8, 8],
        "mask": "random",
        "mask_ratio": 0.5,
        "grey_low": None,
        "grey_high": None,
        "volumes": f"{cells.path}:raw",
        "train_box": None,
        "validation_box": None,
        "batch": 32,
        "iterations": 40,
        "base_lr": 0.008,
        "seed": 0,
    }
    torch.manual_seed(0)
    encoder = Encoder(recipe["patch"], SIZES["width"], SIZES["depth"], SIZES["heads"])
    network = MaskedAutoencoder(encoder, SIZES["decoder_width"], SIZES["decoder_depth"], SIZES["decoder_heads"])
    content = {**network_content(network, recipe, 40), "scores": {"val_loss": 1.2}}
    save_atomically(content, folder / "checkpoints" / "best.pt")


def _finetune(folder, cells, noise, seed, pretrained):
    truth = cells.labels[HELD_OUT].copy()
    truth[:, :8] = -1  # nobody labelled these rows
    affinities = noised_affinities(cells.labels[HELD_OUT], noise, seed=seed)
    instances = with_errors(cells.labels[HELD_OUT], 1 if pretrained else 3, seed)
    known = truth >= 0
    scores = all_scores(ContingencyTable.from_arrays(truth[known], instances[known]))
    validation = {f"val_{score.name}": float(score.value) for score in scores}
    write_log(
        folder,
        [
            *steps(30, 1.2, 0.2 + noise, loss_bce=0.7, loss_dice=0.3),
            {"iteration": 30, "val_adapted_rand_snemi3d": validation["val_adapted_rand_snemi3d"], "val_loss": 0.5},
        ],
    )
    recipe = {
        "task": "affinity",
        "network": "demo",
        "activations": ["sigmoid"] * 3,
        "crop": [2, 32, 32],
        "volumes": f"{cells.path}:raw",
        "labels": f"{cells.path}:labels",
        "train_box": None,
        "validation_box": None,
        "pretrained": pretrained,
        "iterations": 30,
        "seed": seed,
    }
    content = network_content(torch.nn.Linear(1, 1), recipe, 30)
    content |= {"scores": validation, "decoder": {"name": "agglomeration", "settings": SETTINGS}}
    save_atomically(content, folder / "checkpoints" / "best.pt")
    evaluation = folder / "evaluation"
    write_reports(evaluation / "scores.json", markdown_table(scores), as_json(scores, {"version": "0"}))
    with h5py.File(evaluation / "evaluation.h5", "w") as file:
        file["image"] = cells.image[HELD_OUT]
        file["labels"] = truth
        file["prediction"] = (255 * affinities).astype(np.uint8)
        file["instances"] = instances
        file.attrs["volume"] = f"{cells.path}:raw"
        file.attrs["box"] = "10:16,0:96,0:96"
        file.attrs["voxel_size_nm"] = (30.0, 6.0, 6.0)
        file.attrs["channels"] = ["z", "y", "x"]
