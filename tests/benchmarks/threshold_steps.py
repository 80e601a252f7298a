"""What the step between thresholds costs: the runs of an experiment, at steps of 0.05 and of 0.025.

`python -m tests.benchmarks.threshold_steps runs/budget --test_box 80:100,512:1024,512:1024` predicts validation box
and test box with `best.pt` of every run of affinities, decodes them at thresholds from 0.3 to 0.7, chooses the
threshold on the validation box by each rule, and prints each run's error on the test box at the chosen threshold and at
the best one, with the mean of their difference. `--lines PATH` keeps the curves, and continues them. It predicts in the
precision in which the run was validated, or in that of `--precision`.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch

from scripts.checkpoints.file import load_checkpoint
from scripts.checkpoints.run_files import BEST, CHECKPOINTS
from scripts.data import open_volume
from scripts.inferers import VolumeInferer
from scripts.ops.box import Box
from scripts.ops.decoding.decoders import decoder
from scripts.tools.experiments.grids import RUNS
from tests.benchmarks.shipped_network import network, scored
from tests.benchmarks.side_by_side import hardware, print_table

STEP = 0.025
THRESHOLDS = [round(0.3 + STEP * k, 3) for k in range(17)]
Curve = Sequence[float]
Rule = Callable[[Mapping[str, Curve]], int]


def lowest(curve: Curve, every: int = 1) -> int:
    """Position of the lowest of every n-th value."""
    return min(range(0, len(curve), every), key=lambda k: curve[k])


def smoothed(curve: Curve) -> list[float]:
    """Means over three neighbours, weights 1, 2, 1; the ends are repeated."""
    padded = [curve[0], *curve, curve[-1]]
    return [(a + 2 * b + c) / 4 for a, b, c in zip(padded, padded[1:], padded[2:], strict=False)]


RULES: dict[str, Rule] = {
    "adapted Rand, steps of 0.05": lambda curves: lowest(curves["rand"], 2),
    "adapted Rand, steps of 0.025": lambda curves: lowest(curves["rand"]),
    "the same, averaged over 3 thresholds (1 2 1)": lambda curves: lowest(smoothed(curves["rand"])),
    "VOI, steps of 0.05": lambda curves: lowest(curves["voi"], 2),
    "VOI, steps of 0.025": lambda curves: lowest(curves["voi"]),
}
"""Name -> position of the threshold, from the curves of the validation box."""


def curves(checkpoint: Path, box: str | None, precision: str | None) -> dict[str, list[float]]:
    """Adapted Rand error and VOI at every threshold; None for the validation box and the precision of the run."""
    recipe = load_checkpoint(checkpoint)["recipe"]
    image, labels = open_volume(recipe["volumes"]), open_volume(recipe["labels"])
    part = Box.parse(box or recipe["validation_box"], labels.shape).slices
    settings = {name: recipe[name] for name in ("window", "stride", "flips", "pad")}
    inferer = VolumeInferer(**settings, affinity="nearest", precision=precision or recipe["precision"])
    grey = torch.from_numpy(np.asarray(image[part])).float()[None, None] / 127.5 - 1
    with torch.inference_mode():
        maps = inferer(grey, network(checkpoint))[0].numpy()
    truth = np.asarray(labels[part]).astype(np.int64)
    found = [scored(truth, segments) for _, segments in decoder("agglomeration", {}).at_each(maps, THRESHOLDS)]
    return {"rand": [rand for rand, _, _ in found], "voi": [split + merge for _, split, merge in found]}


def main() -> int:
    """Print the table of the runs and that of the rules."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("experiment", type=Path)
    options.add_argument("--test_box", required=True)
    options.add_argument("--lines", type=Path)
    options.add_argument("--precision", choices=("fp32", "bf16"))
    given = options.parse_args()
    found: dict[str, Any] = {}
    if given.lines and given.lines.exists():
        found = {row["run"]: row for row in map(json.loads, given.lines.read_text().splitlines())}
    for checkpoint in sorted((given.experiment / RUNS).glob(f"*/{CHECKPOINTS}/{BEST}")):
        run = checkpoint.parts[-3]
        if run not in found:
            boxes = {"validation": None, "test": given.test_box}
            rows_of = {name: curves(checkpoint, box, given.precision) for name, box in boxes.items()}
            found[run] = {"run": run, **rows_of}
            if given.lines:
                with given.lines.open("a") as file:
                    file.write(json.dumps(found[run]) + "\n")
    chosen = {name: {run: rule(row["validation"]) for run, row in found.items()} for name, rule in RULES.items()}
    rows = []
    for run, row in sorted(found.items()):
        rand = row["test"]["rand"]
        errors = [f"{rand[places[run]]:.3f} ({THRESHOLDS[places[run]]:g})" for places in chosen.values()]
        rows.append((run, *errors, f"{min(rand):.3f} ({THRESHOLDS[lowest(rand)]:g})"))
    print_table("Adapted Rand error of the test box (threshold)", ("run", *RULES, "best threshold"), rows)
    costs = {
        name: [found[run]["test"]["rand"][place] - min(found[run]["test"]["rand"]) for run, place in places.items()]
        for name, places in chosen.items()
    }
    rows = [(name, mean(values), max(values)) for name, values in costs.items()]
    print_table("Above the error of the best threshold", ("rule", "mean", "largest"), rows)
    print(hardware())
    return 0


if __name__ == "__main__":
    sys.exit(main())
