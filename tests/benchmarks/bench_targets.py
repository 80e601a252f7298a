"""What it costs to make the target of one training crop of 6x96x96 voxels, each kind alone, on one core.

python -m tests.benchmarks.bench_targets

Where page faults are slow, memory that is taken anew for each crop costs more than arithmetic. To see what is left of
that, set MALLOC_TRIM_THRESHOLD_=100000000 and MALLOC_MMAP_THRESHOLD_=100000000, so that glibc keeps the memory.
"""

import os
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch

from scripts.data.synthetic import synthesize_volume
from scripts.transforms import (
    AffinityTarget,
    BinaryTarget,
    ContourTarget,
    InstanceDistanceTarget,
    MakeTargetsd,
    SectionDistanceTarget,
)
from scripts.transforms.label_erosion import ErodeLabel
from tests.benchmarks.side_by_side import hardware, print_table

CROP = (6, 96, 96)
BCD = [BinaryTarget(), ContourTarget(), SectionDistanceTarget()]
KINDS = {
    "affinity, nearest (3)": [AffinityTarget("nearest")],
    "affinity, long range (12)": [AffinityTarget("long_range")],
    "binary": [BinaryTarget()],
    "contour": [ContourTarget()],
    "section distance": [SectionDistanceTarget()],
    "instance distance": [InstanceDistanceTarget((30, 6, 6))],
    "binary, contour, section distance": BCD,
}
"""Name -> targets of one network."""

REPEATS = 60


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print(hardware())
    print("Milliseconds of processor time, fastest of", REPEATS, "crops, cut from 6 nm pixels of the synthetic volume")
    labels = synthesize_volume((16, 256, 256), seed=1, threads=1).labels.astype(np.int64)
    rows = []
    for name, targets in KINDS.items():
        make = MakeTargetsd(targets, CROP)
        whole, sparse = item(labels, make), item(labels, make)
        sparse["label"] = np.where(np.arange(whole["label"].shape[-1]) < 40, -1, whole["label"])
        parts = " x ".join(str(size) for size in whole["label"].shape[1:])
        rows.append([name, parts, milliseconds(make, whole), milliseconds(make, sparse)])
    print_table(
        f"Targets of a crop of {CROP} voxels, label erosion 1 included",
        ["target (channels)", "voxels read", "ms", "ms, a part of the crop unlabelled"],
        rows,
    )
    cut = item(labels, MakeTargetsd(BCD, CROP))["label"]
    print_table("Of which", ["step", "ms"], [["erosion alone, at the largest margin", milliseconds(ErodeLabel(), cut)]])


def item(labels: np.ndarray, make: MakeTargetsd) -> dict[str, np.ndarray]:
    """A crop from the middle with the margin that the targets ask for."""
    wanted = [length + 2 * extra for length, extra in zip(CROP, make.margin, strict=True)]
    cut = tuple(
        slice((end - size) // 2, (end - size) // 2 + size) for end, size in zip(labels.shape, wanted, strict=True)
    )
    label = labels[cut][None]
    return {"image": np.zeros(label.shape, np.float32), "label": label}


def milliseconds(call: Callable[[object], object], argument: Mapping[str, np.ndarray] | np.ndarray) -> float:
    """Processor time of the fastest call, after one to warm up."""
    best = float("inf")
    call(argument)
    for _ in range(REPEATS):
        begin = time.process_time()
        call(argument)
        best = min(best, time.process_time() - begin)
    return 1000 * best


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
