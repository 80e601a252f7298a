"""Decoding block by block beside decoding in memory: speed, memory of a process, borders left by the blocks.

python -m tests.benchmarks.bench_blockwise [--copies 2,2,2] [--blocks 64,512,512] [--decoder agglomeration]

The map: noised affinities (uint8) of real labels as in `bench_decoders`, mirrored so many times along z, y and x.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from scripts.blockwise.borders import agglomerates, borders_file, fragment_borders_file
from scripts.blockwise.decode import decode_blocks
from scripts.blockwise.plan import Plan
from scripts.blockwise.result_files import load
from scripts.blockwise.run import planned
from scripts.blockwise.workers import ThisProcess
from scripts.ops.box import Box
from scripts.ops.targets.noised_affinities import LEVELS, noised_affinities
from tests.benchmarks.bench_decoders import labels
from tests.benchmarks.side_by_side import hardware, print_table

SETTINGS = {"zwatershed": {"low": 0.1, "high": 0.98, "weak": 0.3}, "agglomeration": {"high": 0.995}}


def main() -> None:
    """Print the tables."""
    words = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    copies = tuple(map(int, words.get("--copies", "1,1,1").split(",")))
    blocks = tuple(map(int, words.get("--blocks", "64,512,512").split(",")))
    decoders = words.get("--decoder", "zwatershed,agglomeration").split(",")
    print(hardware())
    with tempfile.TemporaryDirectory() as folder:
        pred = Path(folder) / "maps.zarr"
        shape = write_maps(pred, copies)
        voxels = int(np.prod(shape))
        print(f"{' x '.join(map(str, shape))} voxels, {voxels / 1e6:.0f} M; blocks of {' x '.join(map(str, blocks))}")
        for decoder in decoders:
            speed_table(pred, Path(folder), decoder, blocks, voxels)
            borders_table(pred, Path(folder), decoder, blocks, voxels)


def write_maps(pred: Path, copies: tuple[int, ...]) -> tuple[int, ...]:
    """Mirror the affinities into a Zarr array with chunks of one channel; (z, y, x) of it."""
    label, _ = labels(64)
    maps = np.round(noised_affinities(label, LEVELS["moderate"]) * 255).astype(np.uint8)
    shape = tuple(size * count for size, count in zip(maps.shape[1:], copies, strict=True))
    codec = BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle")
    array = zarr.create_array(str(pred), shape=(3, *shape), dtype="uint8", chunks=(1, 32, 128, 128), compressors=codec)
    for place in np.ndindex(copies):
        flipped = tuple(slice(None, None, -1 if count % 2 else 1) for count in place)
        corner = tuple(count * size for count, size in zip(place, maps.shape[1:], strict=True))
        box = tuple(slice(low, low + size) for low, size in zip(corner, maps.shape[1:], strict=True))
        array[(slice(None), *box)] = maps[(slice(None), *flipped)]
    return shape


def speed_table(pred: Path, folder: Path, decoder: str, blocks: tuple[int, ...], voxels: int) -> None:
    """The command in its three forms; a first small run compiles the kernels."""
    options = [f"--decoder={decoder}", *(f"--{name}={value}" for name, value in SETTINGS[decoder].items())]
    in_blocks = f"--blocks={','.join(map(str, blocks))}"
    run(pred, folder, [*options, in_blocks, "--box=0:32,0:128,0:128"])
    run(pred, folder, [*options, "--box=0:32,0:128,0:128"])
    forms = {
        "in memory": [],
        "blocks, one process": [in_blocks],
        "blocks, 2 workers": [in_blocks, "--workers=2"],
    }
    measured = {name: run(pred, folder, [*options, *words]) for name, words in forms.items()}
    first = measured["in memory"][0]
    rows = [
        (name, seconds, voxels / seconds / 1e6, first / seconds, cpu, mib)
        for name, (seconds, cpu, mib) in measured.items()
    ]
    print_table(
        f"decode, {decoder}", ("what", "s", "Mvoxel/s", "speed / in memory", "CPU s", "largest process, MiB"), rows
    )


def run(pred: Path, folder: Path, words: list[str]) -> tuple[float, float, float]:
    """(seconds, CPU seconds, MiB of the largest process) of one `decode`, in a process of its own."""
    command = [sys.executable, "-m", "scripts", "decode", str(pred), f"--out={folder}/out.zarr", "--overwrite", *words]
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)"
    )
    begin = time.perf_counter()
    found = subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    cpu, mib = map(float, found.stdout.split()[-2:])
    return seconds, cpu, mib


def borders_table(pred: Path, folder: Path, decoder: str, blocks: tuple[int, ...], voxels: int) -> None:
    """Borders before and after the blocks merged what they could."""
    work = folder / "run"
    box = Box.whole(zarr.open_array(str(pred), mode="r").shape[1:])
    planned(str(pred), box, decoder, SETTINGS[decoder], (), 0, blocks).save(work)
    decode_blocks(work, ThisProcess())
    plan = Plan.load(work)
    steps = [("basins, by size", borders_file)]
    steps += [("fragments, by score", fragment_borders_file)] if agglomerates(plan) else []
    rows = []
    for name, file in steps:
        found = [load(file(work, n), "borders", "first") for n in range(len(plan.grid))]
        before, after = sum(int(one) for one, _ in found), sum(left.size for _, left in found)
        rows.append((name, before, before / voxels, after, after / voxels, after / max(1, before)))
    head = ("borders of", "before", "per voxel", "left for the volume", "per voxel", "left / before")
    print_table(f"borders, {decoder}", head, rows)


if __name__ == "__main__":
    main()
