"""What the choice of an agglomeration threshold costs: rules and sizes of the validation box on real sections.

`SEM_DATA_DIR=FOLDER python -m tests.benchmarks.threshold_rules` predicts SNEMI3D 80:100 with the network that comes
with the affinity bundle (`--weights PATH` takes another), cuts it into 8 boxes of 20x512x256, chooses the threshold on
1, 2 or 4 of them by each rule, and scores it on the others. It prints the error above that of the best threshold of the
others: mean and largest over all choices of boxes.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import torch

from scripts.inferers import VolumeInferer
from scripts.ops.decoding.decoders import decoder
from tests.benchmarks.shipped_network import WEIGHTS, network, scored, volume
from tests.benchmarks.side_by_side import hardware

SECTIONS = ("snemi3d_ac4_train.h5", "80:100,:,:")
BOX = (512, 256)
"""Voxels of a box along y and x."""
THRESHOLDS = [round(0.2 + 0.05 * step, 2) for step in range(15)]
Rule = Callable[[np.ndarray, np.ndarray], int]


def smoothed(curve: np.ndarray, weights: Sequence[int]) -> np.ndarray:
    """A curve averaged over neighbouring thresholds; the ends are repeated."""
    padded = np.pad(curve, len(weights) // 2, mode="edge")
    return np.convolve(padded, np.array(weights) / sum(weights), "valid")


RULES: dict[str, Rule] = {
    "lowest adapted Rand error": lambda rand, voi: int(rand.argmin()),
    "the same, averaged over 3 thresholds (1 2 1)": lambda rand, voi: int(smoothed(rand, (1, 2, 1)).argmin()),
    "the same, over 5 (1 2 3 2 1)": lambda rand, voi: int(smoothed(rand, (1, 2, 3, 2, 1)).argmin()),
    "lowest VOI": lambda rand, voi: int(voi.argmin()),
}
"""Name -> position of the threshold, from the curves of adapted Rand error and VOI."""


def curves(maps: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Adapted Rand error and VOI (boxes, thresholds) of affinities (3, z, y, x)."""
    rand, voi = [], []
    for y in range(0, truth.shape[1], BOX[0]):
        for x in range(0, truth.shape[2], BOX[1]):
            part = (slice(None), slice(y, y + BOX[0]), slice(x, x + BOX[1]))
            inside = np.ascontiguousarray(maps[(slice(None), *part)])
            found = dict(decoder("agglomeration", {}).at_each(inside, THRESHOLDS))
            scores = [scored(truth[part], found[threshold]) for threshold in THRESHOLDS]
            rand.append([error for error, _, _ in scores])
            voi.append([split + merge for _, split, merge in scores])
    return np.array(rand), np.array(voi)


def costs(rand: np.ndarray, voi: np.ndarray, rule: Rule, boxes: int) -> np.ndarray:
    """Error on the other boxes above that of their best threshold, for every choice of so many boxes."""
    found = []
    for chosen in combinations(range(len(rand)), boxes):
        here = np.isin(np.arange(len(rand)), chosen)
        others = rand[~here].mean(0)
        found.append(others[rule(rand[here].mean(0), voi[here].mean(0))] - others.min())
    return np.array(found)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--weights", type=Path, default=WEIGHTS)
    given = options.parse_args()
    folder = os.environ.get("SEM_DATA_DIR")
    if not folder:
        sys.exit(f"set SEM_DATA_DIR to the folder that has {SECTIONS[0]}")
    print(hardware(), flush=True)
    grey, truth = volume(folder, *SECTIONS)
    inferer = VolumeInferer((6, 96, 96), (4, 72, 72), 1, affinity="nearest", pad=(1, 12, 12))
    image = torch.from_numpy(grey.astype(np.float32) / 127.5 - 1)[None, None]
    rand, voi = curves(inferer(image, network(given.weights))[0].numpy(), truth)
    print("best thresholds of the boxes:", *(THRESHOLDS[best] for best in rand.argmin(1)))
    print("\n| rule | 1 box | 2 boxes | 4 boxes |\n|---|---|---|---|")
    for name, rule in RULES.items():
        cells = [costs(rand, voi, rule, boxes) for boxes in (1, 2, 4)]
        print(f"| {name} | {' | '.join(f'{cell.mean():.3f} ({cell.max():.3f})' for cell in cells)} |")


if __name__ == "__main__":
    main()
