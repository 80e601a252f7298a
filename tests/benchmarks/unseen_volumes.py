"""Which network serves volumes that it never saw: norms and the hybrid, trained alike, scored there and at home.

`SEM_DATA_DIR=FOLDER python -m tests.benchmarks.unseen_volumes OUT` trains each network and seed on SNEMI3D sections
0-79, chooses the threshold on a part of the last 20, and prints adapted Rand error (SNEMI3D), VOI split and VOI merge
on another part and on two volumes that no network saw, enlarged to the voxels of the training. Trainings in OUT that
are complete are not repeated.

- group, batch: the residual U-Net `small` with each norm;
- demo: the residual U-Net `demo` with batch norm, whose coarsest level has the tokens of the hybrid;
- hybrid, hybrid_pretrained: that trunk with an encoder from scratch, or that of `sem_mae_pretrain`.

Networks with batch norm are scored refreshed too: their averages taken anew by one pass over each volume.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import torch

from scripts.checkpoints.run_files import BEST, CHECKPOINTS, LAST
from scripts.engines import chosen_precision
from scripts.inferers import VolumeInferer
from scripts.networks import ActivatedNetwork, enlarged_sections, refresh_norms
from scripts.ops.decoding.decoders import decoder
from tests.benchmarks.shipped_network import TRAINED_NM, network, patch, scored, volume
from tests.benchmarks.side_by_side import hardware, print_table

DEMO = {"network": "demo", "trunk": "demo", "patch": [1, 8, 8]}
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
CONTENDERS: dict[str, tuple[str, dict[str, object]]] = {
    "group": ("residual_unet.json", {"trunk_norm": "group"}),
    "batch": ("residual_unet.json", {"trunk_norm": "batch"}),
    "demo": ("residual_unet.json", DEMO),
    "hybrid": ("hybrid.json", DEMO),
    "hybrid_pretrained": ("hybrid.json", {**DEMO, "pretrained": ENCODER}),
}
"""Name -> overlay of train.json, and knobs."""


def train(folder: Path, name: str, seed: int, iterations: int, data: str) -> Path:
    """Train as the bundle does, unless the checkpoint is there; returns its path."""
    (overlay, changed), run = CONTENDERS[name], folder / f"{name}_seed{seed}"
    best = run / CHECKPOINTS / BEST
    if best.exists():
        return best
    configs = [f"{CONFIGS}/train.json", f"{CONFIGS}/{overlay}"]
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
        **changed,
    }
    options = [part for name, value in settings.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(configs), *options]
    with open(folder / f"{run.name}.log", "w") as log:
        if subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False).returncode:
            sys.exit(f"the training failed: see '{log.name}'")
    return best


def maps(weights: Path, data: str, where: tuple[str, str], refreshed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Affinities and ground truth of a box, as the network sees volumes of larger voxels enlarged."""
    trained = network(weights)
    grey, truth, nm = volume(data, *where)
    larger = enlarged_sections(trained.network, max(1.0, nm / TRAINED_NM), patch(weights), "nearest")
    shown = ActivatedNetwork(larger, trained.activations, trained.auxiliary).eval()
    precision = chosen_precision("auto", torch.device("cpu"))
    inferer = VolumeInferer(WINDOW, STRIDE, 1, affinity="nearest", pad=PAD, precision=precision)
    image = torch.from_numpy(grey.astype(np.float32) / 127.5 - 1)[None, None]
    if refreshed:
        refresh_norms(shown, lambda: inferer(image, shown))
    found: np.ndarray = inferer(image, shown)[0].numpy()
    return found, truth


def scores(weights: Path, data: str, refreshed: bool) -> list[tuple[float, ...]]:
    """Scores on each box of `SCORED_ON` at the threshold that is best on `CHOSEN_ON`."""

    def at_each(where: tuple[str, str], thresholds: list[float]) -> dict[float, tuple[float, ...]]:
        found, truth = maps(weights, data, where, refreshed)
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
            weights = train(given.out, name, seed, given.iterations, data)
            for refreshed in (False,) if name == "group" else (False, True):
                row = f"{name}, refreshed" if refreshed else name
                found = scores(weights, data, refreshed)
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
