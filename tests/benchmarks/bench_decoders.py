"""Speed and memory of the decoders, the peers that are installed beside them in the same run.

python -m tests.benchmarks.bench_decoders [--small] [--scaling] [--peers FOLDER]

Labels: sections 0-63, rows and columns 0-511, of SEM_DATA_DIR/snemi3d_ac4_train.h5, or a synthetic volume without it.
waterz, mwatershed and SimpleITK are measured where they can be imported; --peers adds a site-packages folder.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.segmentation import watershed

from scripts.ops.decoding.agglomeration import MeanAffinity, QuantileAffinity, agglomerate
from scripts.ops.decoding.decoders import BCWatershed, MutexWatershed, PercentileZWatershed, ZWatershed
from scripts.ops.decoding.probability_watershed import bc_watershed
from scripts.ops.decoding.seeded_watershed import quantised_height, seeded_watershed
from scripts.ops.decoding.zwatershed import AffinityThresholds, zwatershed
from scripts.ops.labels.connected_components import connected_components
from scripts.ops.targets.affinity_convention import LONG_RANGE
from scripts.ops.targets.contours import label_binary, label_contour
from scripts.ops.targets.noised_affinities import LEVELS, noised_affinities
from tests.benchmarks.peak_memory import peak_bytes
from tests.benchmarks.side_by_side import fastest_seconds, hardware, print_table

ZW = ZWatershed(low=0.1, high=0.98, weak=0.3)
TEN = tuple(float(t) for t in np.linspace(0.1, 0.7, 10))
DETAIL = AffinityThresholds(0.1, 0.995, 0.5)


def main() -> None:
    """Print the tables."""
    words = sys.argv[1:]
    if "--peers" in words:
        sys.path.append(words[words.index("--peers") + 1])
    label, source = labels(16 if "--small" in words else 64)
    print(hardware())
    print(f"{source}, {' x '.join(map(str, label.shape))} voxels; noise level moderate ({LEVELS['moderate']})")
    affinities = noised_affinities(label, LEVELS["moderate"])
    zwatershed_table(affinities)
    agglomeration_table(affinities)
    probability_table(label)
    mutex_table(label[: max(8, len(label) // 4)])
    if "--scaling" in words:
        scaling_table(np.round(affinities * 255).astype(np.uint8))


def labels(sections: int) -> tuple[np.ndarray, str]:
    """(z, 512, 512) labels and where they are from."""
    folder = os.environ.get("SEM_DATA_DIR")
    if folder:
        with h5py.File(Path(folder) / "snemi3d_ac4_train.h5") as file:
            return file["labels"][:sections, :512, :512], "snemi3d_ac4_train.h5"
    from scripts.data.synthetic import synthesize_volume

    return synthesize_volume((sections, 512, 512), 0).labels, "synthetic labels"


def peer(name: str) -> Any:
    """The module, or None with a note."""
    try:
        return import_module(name)
    except ImportError:
        print(f"\n({name} is not installed: its rows are left out)")
        return None


def zwatershed_table(affinities: np.ndarray) -> None:
    """zwatershed whole, in its forms, beside waterz's watershed and mean agglomeration."""
    coarse = np.round(affinities * 255).astype(np.uint8)
    halves = np.array_split(affinities, 2, axis=1)
    calls: dict[str, Callable[[], object]] = {
        "zwatershed, float32": lambda: ZW(affinities),
        "zwatershed, uint8": lambda: ZW(coarse),
        "zwatershed, percentiles 0.01, 0.8, 0.2": lambda: PercentileZWatershed()(affinities),
        "two halves, one after the other": lambda: [ZW(half) for half in halves],
        "two halves in two threads": lambda: list(ThreadPoolExecutor(2).map(ZW, halves)),
    }
    waterz = peer("waterz")
    if waterz:
        score = "OneMinus<MeanAffinity<RegionGraphType, ScoreValue>>"
        limits = {"aff_threshold_low": 0.1, "aff_threshold_high": 0.98}
        calls["waterz, watershed + mean at 0.4"] = lambda: quietly(
            lambda: list(waterz.agglomerate(affinities.copy(), [0.4], scoring_function=score, **limits))
        )
    seconds = fastest_seconds(calls, 3)
    voxels = affinities[0].size
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/float.npy", affinities)
        np.save(f"{folder}/uint8.npy", coarse)
        memory = {
            "zwatershed, float32": peak_bytes(ZW, f"{folder}/float.npy", _warm) / voxels,
            "zwatershed, uint8": peak_bytes(ZW, f"{folder}/uint8.npy", _warm) / voxels,
            "zwatershed, percentiles 0.01, 0.8, 0.2": peak_bytes(
                PercentileZWatershed(), f"{folder}/float.npy", _warm_percentile
            )
            / voxels,
        }
    rows(f"zwatershed ({voxels / 1e6:.0f} M voxels)", seconds, voxels, "zwatershed, float32", memory)


def agglomeration_table(affinities: np.ndarray) -> None:
    """One threshold against ten, by score, fragments given."""
    fragments = zwatershed(affinities, DETAIL, size=100, dust=0)
    calls: dict[str, Callable[[], object]] = {}
    for name, score in (("mean", MeanAffinity()), ("quantile 75", QuantileAffinity(75))):
        calls[f"{name}, 1 threshold"] = lambda score=score: walk(agglomerate(fragments, affinities, TEN[-1:], score))
        calls[f"{name}, 10 thresholds"] = lambda score=score: walk(agglomerate(fragments, affinities, TEN, score))
    waterz = peer("waterz")
    if waterz:
        mean = "OneMinus<MeanAffinity<RegionGraphType, ScoreValue>>"
        wide = fragments.astype(np.uint64)
        calls["waterz, mean, 1 threshold"] = lambda: quietly(
            lambda: walk(waterz.agglomerate(affinities.copy(), TEN[-1:], fragments=wide.copy(), scoring_function=mean))
        )
    title = f"agglomeration of {fragments.max()} fragments"
    rows(title, fastest_seconds(calls, 2), fragments.size, "mean, 1 threshold", {})


def probability_table(label: np.ndarray) -> None:
    """bc watershed whole, and the seeded watershed alone beside scikit-image and SimpleITK."""
    generator = np.random.default_rng(0)
    maps = np.stack([label_binary(label), label_contour(label)]).astype(np.float32)
    for channel in maps:
        channel[:] = gaussian_filter(channel, (0, 1, 1))
        channel += 0.05 * generator.standard_normal(channel.shape, dtype=np.float32)
    maps = np.round(np.clip(maps, 0, 1) * 255).astype(np.uint8)
    height, mask = quantised_height(maps[0]), maps[0] > 216
    seeds, _ = connected_components((maps[0] > 229) & (maps[1] < 204))
    few, _ = connected_components(maps[0] > 252)
    markers = seeds.astype(np.int32)
    calls: dict[str, Callable[[], object]] = {
        "bc watershed, whole": lambda: bc_watershed(maps),
        "seeded watershed alone, same seeds": lambda: seeded_watershed(height, seeds, mask),
        "scikit-image alone, same seeds": lambda: watershed(height, markers, mask=mask),
        "seeded watershed alone, whole volume from few seeds": lambda: seeded_watershed(height, few),
        "scikit-image alone, whole volume from few seeds": lambda: watershed(height, few.astype(np.int32)),
    }
    itk = peer("SimpleITK")
    if itk:
        image, marks = itk.GetImageFromArray(height), itk.GetImageFromArray(few.astype(np.uint32))
        calls["SimpleITK alone, whole volume from few seeds"] = lambda: itk.MorphologicalWatershedFromMarkers(
            image, marks, markWatershedLine=False, fullyConnected=False
        )
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/bc.npy", maps)
        memory = {"bc watershed, whole": peak_bytes(BCWatershed(), f"{folder}/bc.npy", _warm_bc) / label.size}
    seconds = fastest_seconds(calls, 2)
    rows("bc watershed, uint8", seconds, label.size, "scikit-image alone, same seeds", memory)


def mutex_table(label: np.ndarray) -> None:
    """Mutex watershed on 12 channels, repulsive ones on a 1 x 4 x 4 grid."""
    affinities = noised_affinities(label, LEVELS["moderate"], LONG_RANGE)
    calls: dict[str, Callable[[], object]] = {"mutex watershed": lambda: MutexWatershed(low=0.0)(affinities)}
    mwatershed = peer("mwatershed")
    if mwatershed:
        signed = affinities.astype(np.float64)
        signed[3:] -= 1
        strides = [[1, 1, 1]] * 3 + [[1, 4, 4]] * 9
        offsets = [list(offset) for offset in LONG_RANGE.offsets]
        calls["mwatershed"] = lambda: mwatershed.agglom(signed, offsets, strides=strides)
    rows("mutex watershed, 12 channels", fastest_seconds(calls, 1), label.size, "mutex watershed", {})


def scaling_table(affinities: np.ndarray) -> None:
    """zwatershed on 1, 4 and 16 mirrored copies of the volume, uint8; once each."""
    found = []
    for copies in ((1, 1, 1), (1, 2, 2), (4, 2, 2)):
        volume = affinities
        for axis, count in enumerate(copies, start=1):
            pieces = [volume if k % 2 == 0 else np.flip(volume, axis) for k in range(count)]
            volume = np.concatenate(pieces, axis)
        begin = time.perf_counter()
        ZW(volume)
        seconds = time.perf_counter() - begin
        found.append((volume[0].size / 1e6, seconds, volume[0].size / seconds / 1e6))
        del volume, pieces
    print_table("zwatershed, uint8, by size", ("M voxels", "s", "Mvoxel/s"), found)


def rows(title: str, seconds: dict[str, float], voxels: int, unit: str, memory: dict[str, float]) -> None:
    """Print one table; the ratio is speed relative to the row `unit`."""
    print_table(
        title,
        ("what", "s", "Mvoxel/s", f"speed / {unit}", "bytes a voxel beyond input and result"),
        [
            (name, s, voxels / s / 1e6, seconds[unit] / s, memory.get(name, "not measured"))
            for name, s in seconds.items()
        ],
    )


def walk(segmentations: Iterable[object]) -> None:
    """Make all segmentations, one at a time."""
    for _ in segmentations:
        pass


def quietly(call: Callable[[], object]) -> object:
    """Run a peer that prints from C++ without its output."""
    sys.stdout.flush()
    kept, nothing = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    try:
        return call()
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nothing)


def _warm(affinities: np.ndarray) -> None:
    ZW(affinities[:, :2])


def _warm_percentile(affinities: np.ndarray) -> None:
    PercentileZWatershed()(affinities[:, :2])


def _warm_bc(maps: np.ndarray) -> None:
    BCWatershed()(maps[:, :2])


if __name__ == "__main__":
    main()
