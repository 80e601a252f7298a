"""Decoding block by block beside decoding in memory: speed, memory of every step, borders left by the blocks.

python -m tests.benchmarks.bench_blockwise [--map maps.zarr] [--copies 1,2,2] [--blocks 64,512,512]
    [--decoder agglomeration] [--before FOLDER] [--sections 8] [--merge 10000000]

The map: (3, z, y, x) affinities in uint8 of `--map`, by default noised affinities of real labels as in
`bench_decoders`; mirrored so many times along z, y and x. `--before` also decodes in memory with the code of another
folder. `--sections N` compares the memory of the steps with that of a volume of N times as many sections. `--merge N`
measures the merging of N borders of a volume alone, of random fragments in a line of cubes; with fewer than 10 million
arrays are so small that the allocator keeps some that were freed. `blockwise_reach` prints what is asked of all this.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from scripts.blockwise.borders import agglomerates, borders_file, fragment_borders_file
from scripts.blockwise.decode import _Run, decode_blocks
from scripts.blockwise.plan import Plan
from scripts.blockwise.result_files import load
from scripts.blockwise.run import planned
from scripts.blockwise.workers import ThisProcess
from scripts.ops.box import Box
from scripts.ops.decoding.agglomeration_queue import merge_by_score
from scripts.ops.decoding.border_order import by_last_face
from scripts.ops.decoding.region_graph import RegionGraph
from scripts.ops.decoding.region_graph_sum import added
from scripts.ops.targets.noised_affinities import LEVELS, noised_affinities
from tests.benchmarks.bench_decoders import labels
from tests.benchmarks.side_by_side import hardware, print_table

Steps = dict[str, list[float]]
"""Step -> seconds, blocks, peak bytes beyond what was resident, voxels of a block with its halo (0: of the volume)."""
SETTINGS = {
    "zwatershed": {"low": 0.1, "high": 0.98, "weak": 0.3},
    "agglomeration": {"high": 0.995},
    "agglomeration-quantile": {"high": 0.995},
}
MEASURE = """
import ctypes, os, resource, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: processes whose parent has ended come to this one
begin = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
seconds = time.perf_counter() - begin
try:
    while True:
        os.wait()
except ChildProcessError:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""
"""Print seconds, CPU seconds of all processes, and MiB of the largest one, of a command; Linux only."""


def main() -> None:
    """Print the tables."""
    words = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    copies = tuple(map(int, words.get("--copies", "1,1,1").split(",")))
    blocks = tuple(map(int, words.get("--blocks", "64,256,256").split(",")))
    decoders = words.get("--decoder", "zwatershed,agglomeration").split(",")
    print(hardware())
    if "--merge" in words:
        merge_table(int(words["--merge"]))
        return
    with tempfile.TemporaryDirectory(dir=words.get("--folder")) as folder:
        maps = source(words.get("--map"))
        pred = Path(folder) / "maps.zarr"
        shape = write_mirrored(maps, pred, copies)
        print(f"{' x '.join(map(str, shape))} voxels, {int(np.prod(shape)) / 1e6:.0f} M")
        for decoder in decoders:
            run(pred, Path(folder), decoder, ["--blocks=32,128,128", "--box=0:16,0:128,0:128"])  # compiles
            run(pred, Path(folder), decoder, ["--box=0:16,0:128,0:128"])
            speed_table(pred, Path(folder), decoder, blocks, words.get("--before"))
            shallow = steps_table(pred, Path(folder) / "run", decoder, blocks)
            if "--sections" in words:
                deep = Path(folder) / "deep.zarr"
                more = int(words["--sections"])
                write_mirrored(maps, deep, (copies[0] * more, *copies[1:]))
                sections_table(shallow, steps_table(deep, Path(folder) / "deep", decoder, blocks), more)


def source(path: str | None) -> np.ndarray:
    """(3, z, y, x) uint8 affinities."""
    if path is not None:
        return np.asarray(zarr.open_array(path, mode="r")[:3])
    label, _ = labels(64)
    return np.round(noised_affinities(label, LEVELS["moderate"]) * 255).astype(np.uint8)


def write_mirrored(maps: np.ndarray, pred: Path, copies: tuple[int, ...]) -> tuple[int, ...]:
    """Mirror affinities into a Zarr array with chunks of one channel; (z, y, x) of it."""
    shape = tuple(size * count for size, count in zip(maps.shape[1:], copies, strict=True))
    codec = BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle")
    array = zarr.create_array(str(pred), shape=(3, *shape), dtype="uint8", chunks=(1, 32, 128, 128), compressors=codec)
    for place in np.ndindex(copies):
        box = tuple(slice(i * size, (i + 1) * size) for i, size in zip(place, maps.shape[1:], strict=True))
        array[(slice(None), *box)] = mirrored(maps, place)
    return shape


def mirrored(maps: np.ndarray, place: tuple[int, ...]) -> np.ndarray:
    """The affinities as they are in a copy: turned at odd places; an edge then belongs to its other voxel."""
    for axis, count in enumerate(place):
        if count % 2:
            maps = np.flip(maps, axis + 1).copy()
            maps[axis] = np.roll(maps[axis], 1, axis)
    return maps


def speed_table(pred: Path, folder: Path, decoder: str, blocks: tuple[int, ...], before: str | None) -> None:
    """The command in its forms."""
    voxels = int(np.prod(zarr.open_array(str(pred), mode="r").shape[1:]))
    in_blocks = f"--blocks={','.join(map(str, blocks))}"
    measured = {"in memory": run(pred, folder, decoder, [])}
    if before is not None:
        run(pred, folder, decoder, ["--box=0:16,0:128,0:128"], before)
        measured["in memory, before"] = run(pred, folder, decoder, [], before)
    measured["blocks, one process"] = run(pred, folder, decoder, [in_blocks])
    if len(os.sched_getaffinity(0)) > 1:
        measured["blocks, 2 workers"] = run(pred, folder, decoder, [in_blocks, "--workers=2"])
    first = measured["in memory"][0]
    rows = [
        (name, seconds, voxels / seconds / 1e6, first / seconds, cpu, mib)
        for name, (seconds, cpu, mib) in measured.items()
    ]
    head = ("what", "s", "Mvoxel/s", "speed / in memory", "CPU s", "largest process, MiB")
    print_table(f"decode, {decoder}, blocks of {' x '.join(map(str, blocks))}", head, rows)


def run(pred: Path, folder: Path, decoder: str, words: list[str], code: str = ".") -> tuple[float, float, float]:
    """(seconds, CPU seconds, MiB of the largest process) of one `decode`, in a process of its own."""
    command = [sys.executable, "-m", "scripts", "decode", str(pred), f"--decoder={decoder}", "--overwrite", *words]
    command += [f"--out={folder}/out.zarr" if code == "." else f"--out={folder}/out.h5"]
    command += [f"--{name}={value}" for name, value in SETTINGS[decoder].items()]
    found = subprocess.run(
        [sys.executable, "-c", MEASURE, *command], check=True, capture_output=True, text=True, cwd=code
    )
    seconds, cpu, mib = map(float, found.stdout.split()[-3:])
    return seconds, cpu, mib


class Measured(ThisProcess):
    """Blocks one after the other, with the memory that each takes beyond what was resident before."""

    def __init__(self) -> None:
        self.steps: Steps = {}

    def run(self, task: Any, folder: Path, numbers: Any) -> Any:
        """See `Workers`."""
        grid = Plan.load(folder).grid
        for number in numbers:
            outer = grid.around(number, 2)[0].voxels
            yield number, self.measured(task.__name__, lambda n=number: task(folder, n), outer)

    def measured(self, name: str, call: Callable[[], Any], voxels: int = 0) -> Any:
        """The result of a call, which is noted."""
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is resident now
        before, begin = resident("VmRSS"), time.perf_counter()
        result = call()
        step = self.steps.setdefault(name, [0.0, 0, 0.0, 0])
        step[0] += time.perf_counter() - begin
        step[1] += 1
        step[2] = max(step[2], resident("VmHWM") - before)
        step[3] = max(step[3], voxels)
        return result


def resident(name: str) -> float:
    """Bytes of this process, now (VmRSS) or at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * float(next(line.split()[1] for line in lines if line.startswith(name)))


def steps_table(
    pred: Path, work: Path, decoder: str, blocks: tuple[int, ...], plane: tuple[int, int] | None = None
) -> Steps:
    """Time and memory of each step, and the borders before and after the blocks merged what they could.

    Args:
        plane: (y, x) voxels, the first of the map; all by default.
    """
    z, y, x = zarr.open_array(str(pred), mode="r").shape[1:]
    box = Box((0, 0, 0), (z, *(plane or (y, x))))
    with tempfile.TemporaryDirectory() as warm:  # loads the compiled kernels
        corner = Box((0, 0, 0), (32, 128, 256))
        planned(str(pred), corner, decoder, SETTINGS[decoder], (), 0, (32, 128, 128)).save(Path(warm))
        decode_blocks(Path(warm), ThisProcess())
    planned(str(pred), box, decoder, SETTINGS[decoder], (), 0, blocks).save(work)
    plan = Plan.load(work)
    measured = Measured()
    once = _Run.once
    _Run.once = lambda self, result, step: measured.measured(step.__name__, lambda: once(self, result, step))  # type: ignore[method-assign,assignment]
    try:
        decode_blocks(work, measured)
    finally:
        _Run.once = once  # type: ignore[method-assign]
    rows = []
    edges = {}
    for step, name, file in (
        ("decide_basins", "basins", borders_file),
        ("decide_fragments", "fragments", fragment_borders_file),
    ):
        if name == "basins" or agglomerates(plan):
            found = [load(file(work, n), "borders", "first") for n in range(len(plan.grid))]
            before, after = sum(int(one) for one, _ in found), sum(left.size for _, left in found)
            edges[step] = after
            rows.append((name, before, before / box.voxels, after, after / box.voxels, after / max(1, before)))
    head = ("borders of", "before", "per voxel", "left for the volume", "per voxel", "left / before")
    print_table(f"borders, {decoder}, {box} in blocks of {blocks}", head, rows)
    rows = []
    for name, (seconds, count, peak, voxels) in measured.steps.items():
        each = peak / voxels if voxels else peak / max(1, edges[name]) if name in edges else ""
        unit = "voxel with halo" if voxels else "border left" if name in edges else ""
        rows.append((name, int(count), seconds, peak / 2**20, each, unit))
    head = ("step", "calls", "s", "peak MiB beyond what was resident", "bytes a", "")
    print_table(f"steps, {decoder}", head, rows)
    return measured.steps


def merge_table(borders: int) -> float:
    """Memory of adding the borders of blocks and of merging them, beyond what was resident; bytes a border."""
    fragments = borders // 7
    measured = Measured()
    one, rows = borders // 64, borders // 64 * 64
    merge((random_borders(one, fragments, 0) for _ in range(1)), one, fragments)  # loads the compiled kernels
    parts = (random_borders(one, fragments, seed) for seed in range(64))  # made while they are added, as they are read
    pairs = measured.measured("merge", lambda: merge(parts, rows, fragments))
    peak = measured.steps["merge"][2]
    head = ("rows of blocks", "borders", "fragments", "s", "peak MiB", "bytes a border")
    row = (rows, pairs, fragments, measured.steps["merge"][0], peak / 2**20, peak / pairs)
    print_table("borders of a volume: added, ordered, merged by mean affinity", head, [row])
    return float(peak / pairs)


def random_borders(count: int, fragments: int, seed: int) -> RegionGraph:
    """Borders of fragments with numbers that are near each other."""
    generator = np.random.default_rng(seed)
    first = generator.integers(1, fragments - 50, count).astype(np.uint32)
    second = first + generator.integers(1, 50, count).astype(np.uint32)
    faces = generator.integers(1, 200, count)
    total = (faces * 255 * generator.random(count)).astype(np.int64)
    last = generator.permutation(8 * count)[:count] * 64 + seed
    return RegionGraph(first, second, np.empty(0, np.uint8), total, faces, last, 255)


def merge(parts: Iterator[RegionGraph], rows: int, fragments: int) -> int:
    """Add and merge as the step of the volume does; returns how many borders there were."""
    graph = replace(by_last_face(added(parts, rows, 255)), last=np.empty(0, np.int64))
    merge_by_score(graph, np.empty(0, np.uint8), np.zeros(1, np.int64), 0.0, 0.6, fragments)
    return graph.pairs


def sections_table(shallow: Steps, deep: Steps, more: int) -> None:
    """Memory of the steps in blocks, with more sections."""
    rows = [
        (name, shallow[name][2] / 2**20, deep[name][2] / 2**20, deep[name][2] / max(1.0, shallow[name][2]))
        for name in shallow
        if shallow[name][3]
    ]
    print_table("peak MiB of a worker", ("step", "this volume", f"{more} times the sections", "ratio"), rows)


if __name__ == "__main__":
    main()
