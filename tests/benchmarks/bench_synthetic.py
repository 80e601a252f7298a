"""The synthetic volume: how fast it is made, how near it is to real EM, and how badly a threshold segments it.

python -m tests.benchmarks.bench_synthetic [--picture FILE.png]
Beside SNEMI3D's training volume where SEM_DATA_DIR names a folder that holds snemi3d_ac4_train.h5.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from scripts.data import open_volume
from scripts.data.synthetic import synthesize_volume
from scripts.data.synthetic.volume import SyntheticVolume
from scripts.ops.labels.connected_components import connected_components
from scripts.ops.scoring.adapted_rand import adapted_rand_skimage, adapted_rand_snemi3d
from scripts.ops.scoring.contingency import ContingencyTable
from tests.benchmarks.side_by_side import hardware, print_table

SHAPE = (64, 512, 512)
SECTIONS = 24  # compared
SIGMAS = (0.0, 1.0, 1.5, 2.5)
PERCENTS = (20, 30, 40, 50, 60, 65, 70, 75, 80, 85)
ROOT = Path(__file__).parents[2]
FIRST = (
    "import time; begin = time.perf_counter(); from scripts.data.synthetic import synthesize_volume; "
    "synthesize_volume((64, 512, 512)); print(time.perf_counter() - begin)"
)


def main() -> None:
    """Print the tables."""
    print(hardware())
    volume = _speed()
    if "--picture" in sys.argv:
        _picture(volume, Path(sys.argv[sys.argv.index("--picture") + 1]))
    pairs = [("synthetic", volume.image[:SECTIONS], volume.labels[:SECTIONS])]
    real = Path(os.environ.get("SEM_DATA_DIR", "")) / "snemi3d_ac4_train.h5"
    if os.environ.get("SEM_DATA_DIR") and real.exists():
        with open_volume(f"{real}:raw") as raw, open_volume(f"{real}:labels") as labels:
            for name, y in (("SNEMI3D, y, x 0:512", 0), ("SNEMI3D, y 512:1024, x 0:512", 512)):
                box = slice(0, SECTIONS), slice(y, y + 512), slice(0, 512)
                pairs.append((name, raw[box], labels[box]))
    else:
        print("\nSEM_DATA_DIR is not set or has no snemi3d_ac4_train.h5: no real volume beside")
    _likeness(pairs)
    _thresholds(pairs)


def _speed() -> SyntheticVolume:
    rows: list[tuple[object, ...]] = []
    voxels = np.prod(SHAPE) / 1e6
    with tempfile.TemporaryDirectory() as empty:
        environment = {**os.environ, "NUMBA_CACHE_DIR": empty}
        for what in ("first ever, with import and compiling", "first of a process, compiled before"):
            command = [sys.executable, "-c", FIRST]
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
            rows.append((what, os.cpu_count(), float(done.stdout), voxels / float(done.stdout)))
    for threads in (1, os.cpu_count() or 1):
        best = np.inf
        for _ in range(3):
            begin = time.perf_counter()
            volume = synthesize_volume(SHAPE, threads=threads)
            best = min(best, time.perf_counter() - begin)
        rows.append(("warm, fastest of 3", threads, best, voxels / best))
    title = f"Making {' x '.join(map(str, SHAPE))} voxels (reach: 5 Mvoxel/s warm)"
    print_table(title, ("call", "threads", "s", "Mvoxel/s"), rows)
    return volume


def _likeness(pairs: list[tuple[str, np.ndarray, np.ndarray]]) -> None:
    rows = []
    for name, image, labels in pairs:
        sound = [z for z in range(len(image)) if image[z].std() > 10]
        grey, labels = image[sound].astype(float), labels[sound]
        sizes = []
        for section in labels[::4]:
            for box, number in zip(*_objects(section), strict=True):
                pieces, count = ndimage.label(section[box] == number)
                sizes += np.bincount(pieces.ravel(), minlength=count + 1)[1:].tolist()
        centred = grey - grey.mean(axis=(1, 2), keepdims=True)
        along = [(centred[:, :, k:] * centred[:, :, :-k]).mean() / centred.var() for k in (1, 4, 16)]
        across = (centred[1:] * centred[:-1]).mean() / centred.var()
        quarters = "/".join(f"{size:.0f}" for size in np.percentile(sizes, (25, 50, 75, 95)))
        profiles = len(sizes) / len(labels[::4]) * 2**20 / labels[0].size
        rows.append(
            (
                name,
                f"{grey.mean():.0f}",
                f"{centred.std():.1f}",
                f"{grey.mean(axis=(1, 2)).std():.0f}",
                f"{(labels == 0).mean():.3f}",
                f"{profiles:.0f}",
                quarters,
                "/".join(f"{value:.2f}" for value in along),
                f"{across:.2f}",
            )
        )
    header = ("volume", "mean", "sd in a section", "sd of section means", "label 0", "profiles on 1024 x 1024")
    header += ("their voxels, 25/50/75/95 %", "correlation in x at 1/4/16", "with the next section")
    print_table("Likeness (sections that are not missing)", header, rows)


def _objects(section: np.ndarray) -> tuple[list[tuple[slice, ...]], list[int]]:
    found = ndimage.find_objects(section.astype(np.int32))
    numbers = [number for number, box in enumerate(found, start=1) if box is not None]
    return [found[number - 1] for number in numbers], numbers


def _thresholds(pairs: list[tuple[str, np.ndarray, np.ndarray]]) -> None:
    """Smooth each section, take off its median or not, threshold, 6-connected components: the best of the sweep."""
    rows = []
    for name, image, labels in pairs:
        best: dict[str, tuple[float, str]] = {}
        for sigma in SIGMAS:
            smooth = np.stack([ndimage.gaussian_filter(section.astype(np.float32), sigma) for section in image])
            for levelled in (False, True):
                grey = smooth - np.median(smooth, axis=(1, 2), keepdims=True) if levelled else smooth
                for percent in PERCENTS:
                    pieces, _ = connected_components(grey > np.percentile(grey, percent), neighbours=6)
                    table = ContingencyTable.from_arrays(labels, pieces)
                    how = f"sigma {sigma:g}, {'levelled, ' if levelled else ''}percentile {percent}"
                    for definition, rand in (("snemi3d", adapted_rand_snemi3d), ("skimage", adapted_rand_skimage)):
                        best[definition] = min(best.get(definition, (2.0, "")), (rand(table).error, how))
        rows.append((name, *best["snemi3d"], *best["skimage"]))
    header = ("volume", "error, SNEMI3D arithmetic", "by", "error, scikit-image's definition", "by")
    print_table("Adapted Rand error of the best threshold (1 is worst)", header, rows)


def _picture(volume: SyntheticVolume, path: Path) -> None:
    """Sections, their ground truth, a cut along z and one defect of each kind, on 256 x 256 tiles."""
    kinds = {defect.kind: defect.section for defect in volume.defects}
    tile = slice(64, 320)
    colours = np.random.default_rng(1).integers(60, 256, (int(volume.labels.max()) + 1, 3))
    colours[0] = 0

    def grey(image: np.ndarray) -> np.ndarray:
        return np.repeat(image[..., None], 3, axis=-1)

    def painted(z: int) -> np.ndarray:
        image = 0.55 * grey(volume.image[z]) + 0.45 * colours[volume.labels[z]]
        image[volume.mitochondria[z] > 0] = (255, 210, 60)
        return image.astype(np.uint8)

    cut = np.repeat(volume.image[:, 200, tile], 5, axis=0)[:256]
    rows = [
        [grey(volume.image[10])[tile, tile], painted(10)[tile, tile], grey(cut)],
        [grey(volume.image[kinds[kind]])[tile, tile] for kind in ("slipped", "blurred", "missing")],
    ]
    rows[0:0] = [[np.concatenate([grey(volume.image[20])[:384, :384], painted(20)[:384, :384]], axis=1)]]
    Image.fromarray(np.concatenate([np.concatenate(row, axis=1) for row in rows])).save(path, optimize=True)
    print(f"picture: {path}")


if __name__ == "__main__":
    main()
