"""Which network serves volumes that it never saw: norms and the hybrid, trained alike, scored there and at home.

`SEM_DATA_DIR=FOLDER python -m tests.benchmarks.unseen_volumes OUT` trains each network and seed on SNEMI3D sections
0-79, chooses the threshold on a part of the last 20, and prints adapted Rand error (SNEMI3D), VOI split and VOI merge
on another part and on two volumes that no network saw, enlarged to the voxels of the training. Trainings in OUT that
are complete are not repeated.

- group: the residual U-Net, group norm in float32, as the bundle has it;
- batch: batch norm, its running averages from the training;
- batch, refreshed: the same network, its averages taken anew by one pass over each volume;
- weight: no norm of features; the weights of every convolution are standardised (Brock et al. 2021);
- hybrid, hybrid_pretrained: the trunk `demo` with an encoder from scratch, or that of `sem_mae_pretrain`.
"""

import argparse
import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from scripts.checkpoints.run_files import BEST, CHECKPOINTS, LAST
from scripts.engines import chosen_precision
from scripts.inferers import VolumeInferer
from scripts.networks import ActivatedNetwork, enlarged_sections, segmentation_network
from scripts.networks.residual_unet import ResidualBlock
from scripts.ops.decoding.decoders import decoder
from tests.benchmarks.shipped_network import TRAINED_NM, network, patch, scored, volume
from tests.benchmarks.side_by_side import hardware, print_table

NORMS = ("group", "batch", "weight")
HYBRID = {"network": "demo", "trunk": "demo", "patch": [1, 8, 8]}
CHOSEN_ON = ("snemi3d_ac4_train.h5", "80:100,0:256,0:512")
SCORED_ON = (
    ("snemi3d_ac4_train.h5", "80:100,512:1024,512:1024"),
    ("flyem_fib25_ts2.h5", "180:212,:,:"),
    ("gala_fibsem_train.h5", ":,:,:"),
)
THRESHOLDS = [round(0.3 + 0.025 * k, 3) for k in range(23)]
WINDOW, STRIDE, PAD = (6, 96, 96), (4, 72, 72), (1, 12, 12)
CONFIGS = "bundles/sem_neuron_affinity/configs"
ENCODER = "bundles/sem_mae_pretrain/models/model.pt"
RELU_GAIN = math.sqrt(2 / (1 - 1 / math.pi))
"""Keeps the variance of what a ReLU passes on."""
BRANCH_GAIN = 0.2
"""Of the last convolution around which a sum goes: the sums shall not grow from level to level."""


@dataclass(frozen=True)
class Contender:
    """What is trained.

    Attributes:
        overlay: of the bundle's train.json.
        norm: one of `NORMS`.
        settings: of its knobs.
    """

    overlay: str = "residual_unet.json"
    norm: str = "group"
    settings: dict[str, object] = field(default_factory=dict)


CONTENDERS = {
    "group": Contender(),
    "batch": Contender(norm="batch"),
    "weight": Contender(norm="weight"),
    "hybrid": Contender("hybrid.json", settings=HYBRID),
    "hybrid_pretrained": Contender("hybrid.json", settings={**HYBRID, "pretrained": ENCODER}),
}


class StandardisedConv3d(nn.Conv3d):
    """A convolution whose weights of each output channel have mean 0 and a variance that keeps that of its input."""

    def __init__(self, like: nn.Conv3d, gain: float) -> None:
        super().__init__(like.in_channels, like.out_channels, like.kernel_size, padding=like.padding)  # type: ignore[arg-type]
        assert self.bias is not None
        nn.init.zeros_(self.bias)
        self.gain = nn.Parameter(torch.full((like.out_channels,), gain))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, C, Z, Y, X) to (B, width, Z, Y, X)."""
        fan_in = self.weight[0].numel()
        centred = self.weight - self.weight.mean((1, 2, 3, 4), keepdim=True)
        scale = RELU_GAIN * self.gain * torch.rsqrt(centred.square().mean((1, 2, 3, 4)) * fan_in + 1e-4)
        return F.conv3d(features, centred * scale[:, None, None, None, None], self.bias, padding=self.padding)


def replace_norms(changed: nn.Module, norm: str) -> None:
    """Put another norm where a residual U-Net has its group norm.

    Raises:
        ValueError: a norm that is none of `NORMS`.
    """
    if norm not in NORMS:
        raise ValueError(f"norm '{norm}' is not one of {', '.join(NORMS)}")
    if norm == "group":
        return
    for block in changed.modules():
        if isinstance(block, ResidualBlock):
            *others, last = block.first, *block.rest
            for convolution in others:
                _replace(convolution, norm, 1.0)
            _replace(last, norm, BRANCH_GAIN)


def _replace(convolution: nn.Sequential, norm: str, gain: float) -> None:
    """Change a convolution, group norm and ReLU."""
    first = convolution[0]
    if norm == "batch":
        convolution[1] = nn.BatchNorm3d(first.out_channels)
    else:
        convolution[0], convolution[1] = StandardisedConv3d(first, gain), nn.Identity()


def network_with(norm: str, **sizes: Any) -> nn.Module:
    """`segmentation_network` with another norm."""
    made = segmentation_network(**sizes)
    replace_norms(made, norm)
    return made


def train(folder: Path, name: str, seed: int, iterations: int, data: str) -> Path:
    """Train as the bundle does, unless the checkpoint is there; returns its path."""
    contender, run = CONTENDERS[name], folder / f"{name}_seed{seed}"
    best = run / CHECKPOINTS / BEST
    if best.exists():
        return best
    overlay = folder / f"{name}.json"
    definition = json.loads(Path(CONFIGS, "train.json").read_text())["network_def"]
    changed = {**definition, "_target_": "tests.benchmarks.unseen_volumes.network_with", "norm": contender.norm}
    overlay.write_text(json.dumps({"network_def": changed}))
    configs = [f"{CONFIGS}/train.json", f"{CONFIGS}/{contender.overlay}", str(overlay)]
    file, box = CHOSEN_ON
    settings = {
        "volumes": f"{data}/{file}:raw",
        "labels": f"{data}/{file}:labels",
        "train_box": "0:80,:,:",
        "validation_box": box,
        "iterations": iterations,
        "val_interval": iterations,
        "seed": seed,
        "workers": 0,
        "threads": 1,
        "window": list(WINDOW),
        "stride": list(STRIDE),
        "pad": list(PAD),
        "flips": 1,
        "decoder_grid": {"threshold": [0.5]},
        "output_dir": str(run),
        "resume": (run / CHECKPOINTS / LAST).exists(),
        **contender.settings,
    }
    options = [part for name, value in settings.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(configs), *options]
    with open(folder / f"{run.name}.log", "w") as log:
        if subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False).returncode:
            sys.exit(f"the training failed: see '{log.name}'")
    return best


def refresh(trained: nn.Module, pass_over: Any) -> None:
    """Take the averages of batch norm anew, each window alike, by a pass over a volume."""
    norms = [module for module in trained.modules() if isinstance(module, nn.BatchNorm3d)]
    for each in norms:
        each.reset_running_stats()
        each.momentum = None
        each.train()
    pass_over()
    for each in norms:
        each.eval()


def maps(weights: Path, norm: str, data: str, where: tuple[str, str], refreshed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Affinities and ground truth of a box, as the network sees volumes of larger voxels enlarged."""
    trained = network(weights, partial(replace_norms, norm=norm))
    grey, truth, nm = volume(data, *where)
    larger = enlarged_sections(trained.network, max(1.0, nm / TRAINED_NM), patch(weights), "nearest")
    shown = ActivatedNetwork(larger, trained.activations, trained.auxiliary).eval()
    precision = chosen_precision("auto", torch.device("cpu"))
    inferer = VolumeInferer(WINDOW, STRIDE, 1, affinity="nearest", pad=PAD, precision=precision)
    image = torch.from_numpy(grey.astype(np.float32) / 127.5 - 1)[None, None]
    if refreshed:
        refresh(shown, lambda: inferer(image, shown))
    found: np.ndarray = inferer(image, shown)[0].numpy()
    return found, truth


def scores(weights: Path, norm: str, data: str, refreshed: bool) -> list[tuple[float, ...]]:
    """Scores on each box of `SCORED_ON` at the threshold that is best on `CHOSEN_ON`."""

    def at_each(where: tuple[str, str], thresholds: list[float]) -> dict[float, tuple[float, ...]]:
        found, truth = maps(weights, norm, data, where, refreshed)
        return {at: scored(truth, ids) for at, ids in decoder("agglomeration").at_each(found, thresholds)}

    tried = at_each(CHOSEN_ON, THRESHOLDS)
    best = min(tried, key=lambda at: tried[at])
    return [at_each(where, [best])[best] for where in SCORED_ON]


def main() -> None:
    """Print every row as it is measured, then each row's means."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("out", type=Path)
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--which", nargs="+", default=[*CONTENDERS], choices=[*CONTENDERS])
    options.add_argument("--iterations", type=int, default=1500)
    given = options.parse_args()
    data = os.environ.get("SEM_DATA_DIR")
    if not data:
        sys.exit("set SEM_DATA_DIR to the folder that has " + ", ".join({CHOSEN_ON[0], *dict(SCORED_ON)}))
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    print(hardware(), f"{given.iterations} steps", sep="\n", flush=True)
    measured: dict[str, list[list[tuple[float, ...]]]] = {}
    for seed in given.seeds:
        for name in given.which:
            weights, norm = train(given.out, name, seed, given.iterations, data), CONTENDERS[name].norm
            for refreshed in (False, True) if norm == "batch" else (False,):
                row = f"{name}, refreshed" if refreshed else name
                found = scores(weights, norm, data, refreshed)
                measured.setdefault(row, []).append(found)
                print(seed, row, *found, flush=True)
    rows = []
    for name, seeds in measured.items():
        for place, (file, _) in enumerate(SCORED_ON):
            rand = [of_seed[place][0] for of_seed in seeds]
            voi = [round(sum(of_seed[place][1:]), 2) for of_seed in seeds]
            spread = f"{mean(rand):.3f} +- {stdev(rand) if len(rand) > 1 else 0:.3f}"
            rows.append((name, file, ", ".join(f"{value:.3f}" for value in rand), spread, ", ".join(map(str, voi))))
    print_table("Unseen volumes", ("network", "volume", "adapted Rand by seed", "mean", "VOI, sum, by seed"), rows)


if __name__ == "__main__":
    main()
