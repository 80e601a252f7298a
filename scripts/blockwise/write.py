"""Write the instances of a block."""

from pathlib import Path

import numpy as np
import zarr

from scripts.blockwise.basins import basins_file, basins_of_labels
from scripts.blockwise.borders import segments_file
from scripts.blockwise.plan import Plan
from scripts.blockwise.result_files import load, save_array, unpacked

STORE = "store"


def written_file(folder: Path, number: int) -> Path:
    """Marks that a block is written."""
    return folder / "written" / f"{number}.npy"


def dataset_names(plan: Plan) -> list[str]:
    """`labels`, or one for each of several thresholds, such as `labels_0.1`."""
    return [f"labels_{cut:g}" for cut in plan.thresholds] or ["labels"]


def write_block(folder: Path, number: int) -> None:
    """Write a block into every dataset of the store."""
    plan = Plan.load(folder)
    box = plan.grid.box(number)
    (data,) = load(basins_file(folder, number), "labels")
    labels = unpacked(data, box.shape, np.uint32)
    basins = basins_of_labels(folder, number)
    for cut, name in enumerate(dataset_names(plan)):
        segments = np.load(segments_file(folder, cut), mmap_mode="r")
        array = zarr.open_array(folder / STORE / name, mode="r+")
        array[box.slices] = np.asarray(segments[basins])[labels]
    save_array(written_file(folder, number), np.array([box.voxels]))
