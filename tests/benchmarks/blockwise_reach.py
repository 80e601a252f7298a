"""The reach of decoding and inference block by block: each bar, what was measured, and whether it is met.

python -m tests.benchmarks.blockwise_reach --map maps.zarr [--before FOLDER] [--folder FOLDER] [--repeats 2]
    [--rows speed,workers,memory,root,before,windows]

The map: (3, z, y, x) affinities in uint8, at least 16 x 512 x 512 voxels; mirrored to about 250 Mvoxel for speed.
`--before` is a checkout that decoding in memory is compared with. Ratios of seconds need a machine without other work;
all takes some nine minutes then, `--rows workers` five, and 8 GiB of memory.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from scripts.blockwise.decode import decode_blocks
from scripts.blockwise.inference_blocks import windows_in_blocks
from scripts.blockwise.run import planned
from scripts.blockwise.workers import ThisProcess
from scripts.ops.box import Box
from tests.benchmarks.bench_blockwise import SETTINGS, merge_table, resident, run, source, steps_table, write_mirrored
from tests.benchmarks.side_by_side import hardware, print_table

BLOCKS = (64, 512, 512)
DECODER = "agglomeration"
IN_MEMORY = """
import sys, time
import numpy as np
sys.path.insert(0, ".")
try:
    from scripts.ops.decoding.decoders import MeanAgglomeration, ZWatershed
except ImportError:
    from scripts.ops.decoders import MeanAgglomeration, ZWatershed
maps = np.load(sys.argv[1])
for decode in (ZWatershed(low=0.1, high=0.98, weak=0.3), MeanAgglomeration(high=0.995)):
    best = 1e9
    for _ in range(4):
        begin = time.process_time()
        decode(maps)
        best = min(best, time.process_time() - begin)
    print(best)
"""
"""Decode in memory in a process of its own; the first call loads the compiled kernels."""

Row = tuple[str, str, object, object]


def main() -> None:
    """Print the tables of each measurement, then that of all bars."""
    words = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    maps = source(words.get("--map"))
    chosen = words.get("--rows", "speed,workers,memory,root,before,windows").split(",")
    rows: list[Row] = []
    print(hardware())
    with tempfile.TemporaryDirectory(dir=words.get("--folder")) as name:
        folder = Path(name)
        if "speed" in chosen or "workers" in chosen:
            rows += speed_rows(maps, folder, int(words.get("--repeats", 2)), chosen)
        if "memory" in chosen:
            rows += memory_rows(maps, folder)
        if "root" in chosen:
            bytes_a_border = merge_table(10_000_000)
            rows.append(("root, bytes a border", "at most 48", bytes_a_border, bytes_a_border <= 48))
        if "before" in chosen and "--before" in words:
            rows += before_rows(maps, folder, words["--before"])
    if "windows" in chosen:
        rows += window_rows()
    head = ("what", "bar", "measured", "met")
    print_table("reach", head, [(*row[:3], "yes" if row[3] else "no") for row in rows])


def speed_rows(maps: np.ndarray, folder: Path, repeats: int, chosen: Sequence[str]) -> list[Row]:
    """Decoding in memory (speed), or by one and two workers (workers), against blocks in one process without dask; the
    fastest of several runs of the command that take turns."""
    pred = folder / "maps.zarr"
    shape = write_mirrored(maps, pred, mirrors(maps))
    in_blocks = f"--blocks={','.join(map(str, BLOCKS))}"
    ways: dict[str, list[str]] = {"in memory": []} if "speed" in chosen else {}
    ways["blocks, one process"] = [in_blocks]
    if "workers" in chosen:
        ways |= {"blocks, 1 worker": [in_blocks, "--workers=1"], "blocks, 2 workers": [in_blocks, "--workers=2"]}
    for way in ways.values():  # loads the compiled kernels
        run(pred, folder, DECODER, [*way[:1], "--box=0:32,0:256,0:256"])
    found = [{name: run(pred, folder, DECODER, way) for name, way in ways.items()} for _ in range(repeats)]
    best = {name: tuple(min(one[name][i] for one in found) for i in range(3)) for name in ways}
    voxels = int(np.prod(shape))
    table = [(name, s, cpu, voxels / s / 1e6, mib) for name, (s, cpu, mib) in best.items()]
    title = f"decode, {DECODER}, {' x '.join(map(str, shape))} voxels in blocks of {' x '.join(map(str, BLOCKS))}"
    print_table(title, ("what", "s", "CPU s", "Mvoxel/s", "largest process, MiB"), table)
    one, rows = best["blocks, one process"], []
    if "speed" in chosen:
        ratio, cpu_ratio = (best["in memory"][i] / one[i] for i in range(2))
        rows += [
            ("one process in blocks / in memory, speed", "at least 0.6", ratio, ratio >= 0.6),
            ("the same, by CPU seconds", "at least 0.6", cpu_ratio, cpu_ratio >= 0.6),
        ]
    if "workers" in chosen:
        for name in ("blocks, one process", "blocks, 1 worker"):
            gain = best[name][0] / best["blocks, 2 workers"][0]
            rows.append((f"2 workers / {name.removeprefix('blocks, ')}, speed", "at least 1.6", gain, gain >= 1.6))
    return rows


def mirrors(maps: np.ndarray) -> tuple[int, int, int]:
    """Copies along z, y and x for about 64 x 2048 x 2048 voxels."""
    return max(1, round(64 / maps.shape[1])), max(1, 2048 // maps.shape[2]), max(1, 2048 // maps.shape[3])


def memory_rows(maps: np.ndarray, folder: Path) -> list[Row]:
    """Bytes a voxel of the steps, and 512 sections of 512 x 512 voxels against 64."""
    pred = folder / "maps.zarr"
    if not pred.exists():
        write_mirrored(maps, pred, mirrors(maps))
    steps = steps_table(pred, folder / "run", DECODER, BLOCKS, (1024, 1024))
    most = max(peak / voxels for _, _, peak, voxels in steps.values() if voxels)
    rows: list[Row] = [("a worker, bytes a voxel with halo", "at most 14", most, most <= 14)]
    peaks = {}
    for sections in (64, 512):
        write_mirrored(maps[:, :16, :512, :512], folder / f"{sections}.zarr", (sections // 16, 1, 1))
        peaks[sections] = worker_peak(folder / f"{sections}.zarr")
    head = ("64 sections", "512 sections")
    print_table("peak MiB of a process that works on blocks, 512 x 512 voxels", head, [tuple(peaks.values())])
    worst = peaks[512] / peaks[64]
    rows.append(("peak of a worker, 512 sections / 64", "at most 1.1", worst, worst <= 1.1))
    return rows


def worker_peak(pred: Path) -> float:
    """MiB that a process holds at most while it works on blocks, the steps of the volume aside."""
    call = "import sys; from tests.benchmarks.blockwise_reach import print_peak; print_peak(*sys.argv[1:])"
    command = [sys.executable, "-c", call, str(pred), f"{pred}.run"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def print_peak(pred: str, work: str) -> None:
    """Decode in blocks in this process and print that peak."""
    box = Box.whole(zarr.open_array(pred, mode="r").shape[1:])
    planned(pred, box, DECODER, SETTINGS[DECODER], (), 0, BLOCKS).save(Path(work))
    workers = Watched()
    decode_blocks(Path(work), workers)
    print(workers.peak / 2**20)


class Watched(ThisProcess):
    """Blocks one after the other, with the most that the process holds meanwhile."""

    peak = 0.0

    def run(self, task: Any, folder: Path, numbers: Any) -> Any:
        """See `Workers`."""
        for number in numbers:
            Path("/proc/self/clear_refs").write_text("5")
            result = task(folder, number)
            self.peak = max(self.peak, resident("VmHWM"))
            yield number, result


def before_rows(maps: np.ndarray, folder: Path, before: str) -> list[Row]:
    """CPU seconds of decoding 64 x 512 x 512 voxels in memory, with this code and that of another folder in turns."""
    file = folder / "memory.npy"
    part = maps[:, :16, :512, :512]
    np.save(file, np.concatenate([part, part[:, ::-1], part, part[:, ::-1]], axis=1))
    found: dict[str, list[list[float]]] = {".": [], before: []}
    for _ in range(2):
        for code in found:
            command = [sys.executable, "-c", IN_MEMORY, str(file)]
            done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=code)
            found[code].append(list(map(float, done.stdout.split())))
    ratios = np.min(found["."], axis=0) / np.min(found[before], axis=0)
    names = ("zwatershed", "agglomeration")
    return [
        (f"{name} in memory, CPU s / before", "at most 1", float(ratio), ratio <= 1)
        for name, ratio in zip(names, ratios, strict=True)
    ]


def window_rows() -> list[Row]:
    """Windows that blocks compute against those of one process, published windows, by the planner."""
    from scripts.inferers.volume_inferer import VolumeInferer  # imports torch and MONAI

    grid = VolumeInferer().grid((2400, 15360, 15360))
    rows: list[Row] = []
    for block, most in (((48, 480, 480), 1.3), ((48, 512, 512), 1.3), ((96, 1536, 1536), 1.1)):
        again = windows_in_blocks(grid, block) / grid.windows
        rows.append((f"windows, blocks of {'x'.join(map(str, block))}", f"at most {most}", again, again <= most))
    return rows


if __name__ == "__main__":
    main()
