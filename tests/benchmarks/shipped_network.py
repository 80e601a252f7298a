"""The affinity network that comes with the bundle on real volumes, its threshold chosen on one half of one of them.

`SEM_DATA_DIR=FOLDER python -m tests.benchmarks.shipped_network` prints adapted Rand error (SNEMI3D), VOI split and VOI
merge at every threshold on the half where it is chosen, and at the chosen one everywhere else, and first those of the
ground truth itself, its objects cut into the pieces that are connected within the box. The decoder's other
settings are those of the network's file, or of `--settings '{"low": 0.1}'`. `--flips 4` averages four flips;
`--enlarge` shows the network volumes of larger voxels at the size of its training; `--weights PATH` takes another
network; `--all` prints every threshold everywhere.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import label as components
from skimage.measure import label

from scripts.checkpoints.auxiliary_channels import auxiliary_count
from scripts.checkpoints.file import load_checkpoint
from scripts.data import open_volume
from scripts.inferers import VolumeInferer
from scripts.networks import ActivatedNetwork, enlarged_sections, segmentation_network
from scripts.ops.box import Box
from scripts.ops.decoding.decoders import decoder
from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.scores import all_scores
from tests.benchmarks.side_by_side import hardware

WEIGHTS = Path(__file__).parents[2] / "bundles" / "sem_neuron_affinity" / "models" / "model.pt"
CHOSEN_ON = ("snemi3d_ac4_train.h5", "80:100,:,0:512")
SCORED_ON = (
    ("snemi3d_ac4_train.h5", "80:100,:,512:1024"),
    ("snemi3d_ac4_train.h5", "80:100,512:1024,512:1024"),
    ("flyem_fib25_ts2.h5", "180:212,:,:"),
    ("gala_fibsem_train.h5", ":,:,:"),
)
THRESHOLDS = [0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8]
TRAINED_NM = 6.0
"""Voxels of the training in plane."""
SCORES = ("adapted_rand_snemi3d", "voi_split", "voi_merge")


def network(weights: Path) -> ActivatedNetwork:
    """The network of weights with their recipe beside them, of any architecture."""
    content = load_checkpoint(weights)
    recipe = content["recipe"]
    encoder = {"patch": recipe["patch"], **{name: recipe["sizes"][name] for name in ("width", "depth", "heads")}}
    auxiliary = auxiliary_count(recipe)
    channels = len(recipe["activations"]) + auxiliary
    architecture = recipe.get("architecture", "unetr")
    form = recipe.get("unetr_form", "published")
    made = segmentation_network(architecture, channels, encoder, recipe["widths"], recipe.get("trunk_sizes"), form)
    made.load_state_dict(content["network"])
    return ActivatedNetwork(made, recipe["activations"], auxiliary).eval()


def patch(weights: Path) -> list[int]:
    """The patch of a network, which its windows are multiples of."""
    found: list[int] = load_checkpoint(weights)["recipe"]["patch"]
    return found


def settings(weights: Path) -> dict[str, object]:
    """The settings of the decoder that a network's file states, without the threshold."""
    stated = load_checkpoint(weights)["decoder"]["settings"]
    return {name: value for name, value in stated.items() if name != "threshold"}


def scored(truth: np.ndarray, found: np.ndarray) -> tuple[float, ...]:
    """The three scores of a segmentation."""
    scores = all_scores(ContingencyTable.from_arrays(truth, found), definitions=("snemi3d", "voi"))
    values = {score.name: score.value for score in scores}
    return tuple(round(float(values[name]), 4) for name in SCORES)


def connected_pieces(truth: np.ndarray) -> np.ndarray:
    """The pieces of each object that touch by faces, by ids of their own: what segments a box at best."""
    pieces: np.ndarray = label(truth, connectivity=1, background=0).astype(np.int64)
    return pieces


def volume(folder: str, file: str, box: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Grey values and labels of a box, and the size of its voxels in plane, in nm."""
    raw, labels = (open_volume(f"{folder}/{file}:{name}") for name in ("raw", "labels"))
    part = Box.parse(box, raw.shape).slices
    return raw[part], labels[part].astype(np.int64), raw.voxel_size_nm[1]


def main() -> None:
    """Print a line for each threshold where it is chosen, and two for each volume where it is scored."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--flips", type=int, default=1)
    options.add_argument("--enlarge", action="store_true")
    options.add_argument("--weights", type=Path, default=WEIGHTS)
    options.add_argument("--settings", type=json.loads, help="of the decoder, in place of those of the network's file")
    options.add_argument("--all", action="store_true", help="every threshold everywhere, for looking only")
    given = options.parse_args()
    folder = os.environ.get("SEM_DATA_DIR")
    if not folder:
        sys.exit("set SEM_DATA_DIR to the folder that has " + ", ".join({CHOSEN_ON[0], *dict(SCORED_ON)}))
    of_decoder = settings(given.weights) if given.settings is None else given.settings
    print(hardware(), f"decoder {of_decoder}", ", ".join(SCORES), sep="\n", flush=True)
    inferer = VolumeInferer((6, 96, 96), (4, 72, 72), given.flips, affinity="nearest", pad=(1, 12, 12))
    trained, threshold = network(given.weights), 0.0
    for file, box in (CHOSEN_ON, *SCORED_ON):
        grey, truth, nm = volume(folder, file, box)
        factor = max(1.0, nm / TRAINED_NM) if given.enlarge else 1.0
        larger = enlarged_sections(trained.network, factor, patch(given.weights), "nearest")
        shown = ActivatedNetwork(larger, trained.activations, trained.auxiliary).eval()
        begun = time.process_time()
        maps = inferer(torch.from_numpy(grey.astype(np.float32) / 127.5 - 1)[None, None], shown)[0].numpy()
        print(
            f"\n{file} {box}, enlarged {factor:.3g}: predicted in {time.process_time() - begun:.0f} s of CPU time",
            flush=True,
        )
        print("ground truth in connected pieces", *scored(truth, connected_pieces(truth)), flush=True)
        tried = THRESHOLDS if given.all or (file, box) == CHOSEN_ON else [threshold]
        found = {at: scored(truth, ids) for at, ids in decoder("agglomeration", of_decoder).at_each(maps, tried)}
        for at, scores in found.items():
            print(f"threshold {at}", *scores, flush=True)
        threshold = threshold or min(found, key=lambda at: found[at])
        levels = [scored(truth, components(grey > level)[0].astype(np.int64)) for level in range(80, 220, 10)]
        print("grey threshold, best of 14", *min(levels), flush=True)


if __name__ == "__main__":
    main()
