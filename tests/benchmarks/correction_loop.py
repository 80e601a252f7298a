"""The scores of a segmentation after 0, 10, 30 corrections, chosen worst first, with edits taken from ground truth.

python -m tests.benchmarks.correction_loop maps.h5 image.h5:labels --box 92:100,0:256,0:256 --out curve.png

Each round the worst error of all is located and corrected: a split object by a merge of its two largest segments, a
merging segment by a split between its two largest objects, each given by two points as in `edits.json`. Segments are
merged only where both are mostly of the object. An edit that is refused is left out and the next error is taken.
Beside the curve the edits are written, without those that a later one undoes, for `decode --edits`; docs/correcting.md
has the commands that train on the result (`--pretrained_head keep`).
"""

import argparse
import json
import re
from dataclasses import asdict
from pathlib import Path

import matplotlib
import numpy as np

from scripts.data.files.predictions import read_prediction
from scripts.data.volumes import open_volume
from scripts.ops.decoding.decoders import decoder
from scripts.ops.decoding.edits import Edit, apply_edits
from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.error_locations import SegmentationError, worst_errors
from scripts.ops.scoring.object_errors import object_errors
from scripts.ops.scoring.scores import all_scores
from scripts.tools.decoder_metadata import decoder_metadata

SHOWN = ("adapted_rand_snemi3d", "voi_split", "voi_merge")


def inner_point(mask: np.ndarray) -> tuple[int, int, int]:
    """The voxel of a mask that is furthest from its surface."""
    from scipy.ndimage import distance_transform_edt

    z, y, x = np.unravel_index(distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1, 1:-1].argmax(), mask.shape)
    return int(z), int(y), int(x)


def correction(error: SegmentationError, truth: np.ndarray, instances: np.ndarray) -> Edit:
    """The edit that a user would make: two points, one in each of the two pieces."""
    whole, pieces = (instances, truth) if error.kind == "merge" else (truth, instances)
    first, second = (inner_point((whole == error.id) & (pieces == piece)) for piece in (error.first, error.second))
    return Edit("split" if error.kind == "merge" else "merge", first, second)


def mostly(object_id: int, labels: np.ndarray) -> bool:
    """Whether more than half of the labelled voxels are of one object; else its segment is split first, not merged."""
    return 2 * int((labels == object_id).sum()) > int((labels > 0).sum())


def scores_of(truth: np.ndarray, instances: np.ndarray) -> dict[str, float]:
    """The scores that are shown."""
    every = {one.name: float(one.value) for one in all_scores(ContingencyTable.from_arrays(truth, instances))}
    return {name: every[name] for name in SHOWN}


def consistent(edits: list[Edit], instances: np.ndarray, maps: np.ndarray) -> list[Edit]:
    """The edits without those that cannot be made together with the others."""
    kept = list(edits)
    while True:
        try:
            apply_edits(instances, maps, kept)
        except ValueError as refused:
            del kept[int(re.match(r"edit (\d+)", str(refused))[1]) - 1]  # type: ignore[index]
        else:
            return kept


def run(
    maps: np.ndarray, truth: np.ndarray, name: str, settings: dict, most: int
) -> tuple[list[dict[str, float]], list[Edit]]:
    """Scores after each edit, the first before any, and the edits."""
    first = instances = decoder(name, settings)(maps)
    tried: set[Edit] = set()
    made: list[Edit] = []
    rows = [scores_of(truth, instances)]
    while len(rows) <= most:
        found = object_errors(ContingencyTable.from_arrays(truth, instances), worst=50)
        listed = worst_errors(
            {key: [asdict(e) for e in getattr(found, key)] for key in ("worst_merges", "worst_splits")}
        )
        for error in listed:
            if error.kind == "split" and not all(
                mostly(error.id, truth[instances == piece]) for piece in (error.first, error.second)
            ):
                continue
            edit = correction(error, truth, instances)
            if edit in tried:
                continue
            tried.add(edit)
            try:
                instances = apply_edits(instances, maps, [edit])
            except ValueError as refused:
                print(f"left out: {error}: {refused}")
                continue
            break
        else:
            print(f"no error is left that an edit corrects, after {len(rows) - 1} edits")
            break
        made.append(edit)
        rows.append(scores_of(truth, instances))
        print(f"{len(rows) - 1:3} {edit}: {error} -> {rows[-1]}", flush=True)
    return rows, consistent(made, first, maps)


def main() -> None:
    """Print the scores and draw the curve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("maps")
    parser.add_argument("truth")
    parser.add_argument("--box", help="of the maps in the volume of the truth")
    parser.add_argument("--edits", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path("correction_loop.png"))
    given = parser.parse_args()
    maps, part = read_prediction(given.maps)
    box = tuple(slice(*map(int, axis.split(":"))) for axis in (given.box or str(part)).split(","))
    truth = open_volume(given.truth)[box].astype(np.int64)
    name, settings = decoder_metadata(given.maps)
    rows, edits = run(np.ascontiguousarray(maps[:3], np.float32), truth, name, settings, given.edits)
    given.out.with_suffix(".json").write_text(json.dumps(rows, indent=1))
    low = [axis.start for axis in box]
    listed = [
        {one.kind: [[int(at + a) for at, a in zip(point, low, strict=True)] for point in (one.first, one.second)]}
        for one in edits
    ]
    given.out.with_suffix(".edits.json").write_text(json.dumps({"edits": listed}, indent=1))
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    axes[0].plot([row[SHOWN[0]] for row in rows])
    axes[0].set(xlabel="edits, the worst first", ylabel="adapted Rand error (SNEMI3D)", ylim=(0, None))
    for name in SHOWN[1:]:
        axes[1].plot([row[name] for row in rows], label=name.replace("_", " "))
    axes[1].set(xlabel="edits, the worst first", ylabel="bits", ylim=(0, None))
    axes[1].legend()
    figure.savefig(given.out, dpi=120)
    print(f"written: {given.out}")


if __name__ == "__main__":
    main()
