"""Scores beside their peers: numpy's sums and uniques, scikit-image's table and scores, a loop over objects.

`python -m tests.benchmarks.bench_scores [--full] [--data FOLDER]`: 32x512x512 voxels, with --full 100x1024x1024, where
scikit-image takes over 4 GiB and minutes.
The labels are synthetic neurites, or those of snemi3d_ac4_train.h5 in FOLDER (else in SEM_DATA_DIR).
"""

import argparse
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from scripts.ops.scoring.adapted_rand import adapted_rand_skimage, adapted_rand_snemi3d
from scripts.ops.scoring.average_precision import average_precision
from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.instance_matching import match_objects, overlaps
from scripts.ops.scoring.variation_of_information import variation_of_information
from tests.benchmarks.side_by_side import fastest_seconds, hardware, print_table

Labels = NDArray[np.integer]


def our_scores(gt: Labels, pred: Labels) -> None:
    """Table, adapted Rand twice, variation of information, AP-50/75 in both definitions."""
    table = ContingencyTable.from_arrays(gt, pred)
    adapted_rand_snemi3d(table)
    adapted_rand_skimage(table)
    variation_of_information(table)
    pairs = overlaps(table)
    for threshold in (0.5, 0.75):
        match_objects(pairs, threshold)
        average_precision(pairs, threshold)


def skimage_table(gt: Labels, pred: Labels) -> None:
    from skimage.metrics import contingency_table

    contingency_table(gt, pred, ignore_labels=[0], sparse_type="array")


def skimage_scores(gt: Labels, pred: Labels) -> None:
    from skimage.metrics import adapted_rand_error, variation_of_information

    adapted_rand_error(gt, pred)
    variation_of_information(gt, pred, ignore_labels=(0,))


def object_loop(gt: Labels, pred: Labels) -> None:
    """IoU as the MitoEM challenge's program finds it: object by object, the unique ids under it in its bounding box."""
    from scipy.ndimage import find_objects

    sizes = np.bincount(gt.reshape(-1))
    for k, part in enumerate(find_objects(pred), 1):
        if part is None:
            continue
        inside = pred[part] == k
        ids, shared = np.unique(gt[part] * inside, return_counts=True)
        _ = shared / (inside.sum() + sizes[ids] - shared)


def peak_mib(name: str, full: bool, folder: str | None) -> float:
    """Memory that one call adds, in a process of its own: the highest resident size, less that with the input."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_peak_of_one_call, name, full, folder).result()


def _peak_of_one_call(name: str, full: bool, folder: str | None) -> float:
    gt, pred = volumes(full, folder)
    call = CONTENDERS[name]
    call(gt[:2, :8, :8].copy(), pred[:2, :8, :8].copy())  # compile and import outside the measure
    Path("/proc/self/clear_refs").write_text("5")  # start the high-water mark anew
    before = psutil.Process().memory_info().rss
    call(gt, pred)
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024 - before / 2**20


CONTENDERS: dict[str, Callable[[Labels, Labels], object]] = {
    "np.sum of both": lambda gt, pred: (np.sum(gt), np.sum(pred)),
    "contingency table": ContingencyTable.from_arrays,
    "contingency table, 2 threads": lambda gt, pred: ContingencyTable.from_arrays(gt, pred, threads=2),
    "table, adapted Rand, VOI, AP-50/75": our_scores,
    "np.unique of both": lambda gt, pred: (np.unique(gt), np.unique(pred)),
    "scikit-image contingency table": skimage_table,
    "scikit-image adapted Rand and VOI": skimage_scores,
    "IoU object by object": object_loop,
}


def volumes(full: bool, folder: str | None) -> tuple[Labels, Labels]:
    """Ground truth, and a prediction that shifts, merges and splits it. uint32, C-contiguous."""
    shape = (100, 1024, 1024) if full else (32, 512, 512)
    file = Path(folder, "snemi3d_ac4_train.h5") if folder else None
    if file is not None and file.exists():
        import h5py

        with h5py.File(file) as data:
            gt = data["labels"][: shape[0], : shape[1], : shape[2]].astype(np.uint32)
    else:  # slanted neurites of 28x28 voxels
        z, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
        gt = (((y + z // 3) // 28) * (shape[2] // 28 + 2) + (x + z // 4) // 28 + 1).astype(np.uint32)
    joined = np.random.default_rng(0).integers(1, max(2, int(gt.max()) // 2), int(gt.max()) + 1).astype(np.uint32)
    joined[0] = 0
    pred = joined[np.roll(gt, 5, axis=2)]
    slabs = (np.arange(shape[0], dtype=np.uint32) // 20 * joined.max())[:, None, None]
    return gt, np.where(pred > 0, pred + slabs, 0).astype(np.uint32)


def main(arguments: list[str] | None = None) -> None:
    """Print three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="100x1024x1024 instead of 32x512x512")
    parser.add_argument("--data", default=os.environ.get("SEM_DATA_DIR"), help="folder with snemi3d_ac4_train.h5")
    options = parser.parse_args(arguments)
    gt, pred = volumes(options.full, options.data)
    table = ContingencyTable.from_arrays(gt, pred)
    both = np.flatnonzero((gt.reshape(-1)[1:] != gt.reshape(-1)[:-1]) | (pred.reshape(-1)[1:] != pred.reshape(-1)[:-1]))
    print(hardware())
    print(
        f"{gt.shape} uint32, {table.gt.ids.size} x {table.pred.ids.size} ids, {len(table)} overlaps, "
        f"a new pair every {gt.size / (both.size + 1):.0f} voxels along x"
    )
    fast = {name: CONTENDERS[name] for name in list(CONTENDERS)[:4]}
    slow = {name: CONTENDERS[name] for name in list(CONTENDERS)[4:]}
    seconds = fastest_seconds({name: lambda c=call: c(gt, pred) for name, call in fast.items()}, repeats=7)
    seconds |= fastest_seconds(
        {name: lambda c=call: c(gt, pred) for name, call in slow.items()}, repeats=1 if options.full else 3
    )
    ours, whole = seconds["contingency table"], seconds["table, adapted Rand, VOI, AP-50/75"]
    rows = [
        (name, 1e3 * s, gt.size / 1e6 / s, s / ours, s / whole, peak_mib(name, options.full, options.data))
        for name, s in seconds.items()
    ]
    header = ("uint32", "ms", "Mvoxel/s", "x our table", "x our table and scores", "peak MiB beyond input")
    print_table("Scores of two label volumes", header, rows)

    wide = gt.astype(np.uint64) + 2**60, pred.astype(np.uint64) + 2**60
    names = list(fast)[:4]
    seconds = fastest_seconds({name: lambda c=fast[name]: c(*wide) for name in names}, repeats=7)
    rows = [
        (name, 1e3 * seconds[name], gt.size / 1e6 / seconds[name], seconds[name] / seconds[names[0]]) for name in names
    ]
    print_table("The same with 64-bit ids above 2^53", ("uint64", "ms", "Mvoxel/s", "x np.sum of both"), rows)


if __name__ == "__main__":
    main(sys.argv[1:])
