"""The affinity network that comes with the bundle on real volumes, beside itself untrained and a grey threshold.

`SEM_DATA_DIR=FOLDER python -m tests.benchmarks.shipped_network` prints adapted Rand error (SNEMI3D), VOI split and VOI
merge of each, at every threshold for the networks and at the best of 14 for the grey values.
"""

import os
import sys
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import label as components

from scripts.checkpoints.file import load_checkpoint
from scripts.data import open_volume
from scripts.inferers import VolumeInferer
from scripts.networks import UNETR, ActivatedNetwork, Encoder, even_taps
from scripts.ops.box import Box
from scripts.ops.decoding.decoders import decoder
from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.scores import all_scores
from tests.benchmarks.side_by_side import hardware

WEIGHTS = Path(__file__).parents[2] / "bundles" / "sem_neuron_affinity" / "models" / "model.pt"
VOLUMES = {
    "flyem_fib25_ts2.h5": "180:212,:,:",
    "gala_fibsem_train.h5": ":,:,:",
    "snemi3d_ac4_train.h5": "80:100,512:1024,512:1024",
}
THRESHOLDS = [0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7]
SCORES = ("adapted_rand_snemi3d", "voi_split", "voi_merge")


def network(trained: bool) -> ActivatedNetwork:
    """The shipped network, or the same as it was before any training, from seed 0."""
    content = load_checkpoint(WEIGHTS)
    recipe = content["recipe"]
    sizes = {name: recipe["sizes"][name] for name in ("width", "depth", "heads")}
    torch.manual_seed(0)
    taps = even_taps(sizes["depth"], recipe["patch"])
    unetr = UNETR(Encoder(patch=recipe["patch"], **sizes), len(recipe["activations"]), taps, recipe["widths"])
    if trained:
        unetr.load_state_dict(content["network"])
    return ActivatedNetwork(unetr, recipe["activations"]).eval()


def scored(truth: np.ndarray, found: np.ndarray) -> tuple[float, ...]:
    """The three scores of a segmentation."""
    scores = all_scores(ContingencyTable.from_arrays(truth, found), definitions=("snemi3d", "voi"))
    values = {score.name: score.value for score in scores}
    return tuple(round(float(values[name]), 3) for name in SCORES)


def main() -> None:
    """Print a line for each threshold of each contender on each volume."""
    folder = os.environ.get("SEM_DATA_DIR")
    if not folder:
        sys.exit("set SEM_DATA_DIR to the folder that has " + " and ".join(VOLUMES))
    print(hardware(), flush=True)
    inferer = VolumeInferer((6, 96, 96), (4, 72, 72), 1, affinity="nearest", pad=(1, 12, 12))
    for file, box in VOLUMES.items():
        raw, labels = (open_volume(f"{folder}/{file}:{name}") for name in ("raw", "labels"))
        part = Box.parse(box, raw.shape).slices
        grey, truth = raw[part], labels[part].astype(np.int64)
        levels = {level: scored(truth, components(grey > level)[0].astype(np.int64)) for level in range(80, 220, 10)}
        print(f"\n{file} {box}: {', '.join(SCORES)}\ngrey threshold: {min(levels.values())}", flush=True)
        image = torch.from_numpy(grey.astype(np.float32) / 127.5 - 1)[None, None]
        for trained in (True, False):
            maps = inferer(image, network(trained))[0].numpy()
            for threshold, found in decoder("agglomeration", {}).at_each(maps, THRESHOLDS):
                print("trained  " if trained else "untrained", threshold, scored(truth, found), flush=True)


if __name__ == "__main__":
    main()
