"""Memory of an inference against the size of the volume: ours on disk, MONAI's sliding windows in memory; a plot.

`python -m tests.benchmarks.memory_of_inference [--out FILE] [--side 1024] [--sections 16 64 512] [--peer 8 16 32]`

Volumes are generated section by section, the network is an elementwise one of three channels, windows 6x96x96 with
stride 3x48x48 without flips, output float16 OME-Zarr. Each run has a process of its own; what is counted is the highest
resident memory, less that after a first small volume, when everything is imported and warm (Linux).
"""

import argparse
import contextlib
import io
import tempfile
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from scripts.data.volumes.volume import Place, Volume
from scripts.inferers.volume_inferer import VolumeInferer
from scripts.workflow.predict_volume import predict_volume
from tests.benchmarks.side_by_side import hardware, print_table

WARM = 7
"""Sections of the volume that comes first."""
MIB = 2**20


class Generated(Volume):
    """Noise without a file: one block of it, repeated."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__("", shape, np.dtype(np.uint8))
        self.block = np.random.default_rng(0).integers(0, 256, (5, 256, 256)).astype(np.uint8)

    def _read(self, low: Place, high: Place) -> np.ndarray:
        rows = [np.arange(a, b) % size for a, b, size in zip(low, high, self.block.shape, strict=True)]
        return self.block[np.ix_(*rows)]


def three_maps(seen: torch.Tensor) -> torch.Tensor:
    """The least a network can do: three maps of each voxel."""
    return ((seen + 1) / 2).repeat(1, 3, 1, 1, 1)


def ours(sections: int, side: int) -> None:
    """From disk to disk."""
    inferer = VolumeInferer(flips=1, batch=4)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        predict_volume(Generated((sections, side, side)), three_maps, inferer, Path(folder) / "p.zarr")


def monais(sections: int, side: int) -> None:
    """The volume read as float32 and padded, then MONAI's windows over it, with its defaults of memory."""
    from monai.inferers import SlidingWindowInferer

    image = torch.from_numpy(Generated((sections, side, side))[...].astype(np.float32) / 127.5 - 1)[None, None]
    image = torch.nn.functional.pad(image, (48, 48, 48, 48, 3, 3), mode="reflect")
    SlidingWindowInferer((6, 96, 96), 4, 0.5, mode="gaussian")(image, three_maps)[..., 3:-3, 48:-48, 48:-48].half()


CONTENDERS = {"ours": ours, "MONAI": monais}


def peak_mib(name: str, sections: int, side: int) -> tuple[float, float]:
    """MiB that a volume takes beyond a small one that went before, and seconds, in a process of its own."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (name, sections, side))


def _measured(name: str, sections: int, side: int) -> tuple[float, float]:
    torch.set_num_threads(1)
    call = CONTENDERS[name]
    call(WARM, 128)
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark starts again from what is resident now
    before, begin = _resident("VmRSS"), time.perf_counter()
    call(sections, side)
    return (_resident("VmHWM") - before) / MIB, time.perf_counter() - begin


def _resident(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * float(next(line.split()[1] for line in lines if line.startswith(name)))


def main() -> None:
    """Print the table, draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="docs/results/inference_memory.png")
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--sections", type=int, nargs="+", default=[16, 64, 512])
    parser.add_argument("--peer", type=int, nargs="*", default=[8, 16, 32])
    options = parser.parse_args()
    print(hardware(), flush=True)
    found: dict[str, list[tuple[int, float]]] = {"ours": [], "MONAI": []}
    rows = []
    for name, sizes in (("ours", options.sections), ("MONAI", options.peer)):
        for sections in sizes:
            memory, seconds = peak_mib(name, sections, options.side)
            voxels = sections * options.side**2
            found[name].append((sections, memory))
            rows.append((name, sections, voxels / 1e6, memory, memory * MIB / voxels, voxels / seconds / 1e6))
    title = f"Memory of inference, sections of {options.side} x {options.side}, three channels"
    print_table(title, ("", "sections", "Mvoxel", "peak, MiB", "bytes a voxel", "Mvoxel/s"), rows)
    draw(found, options.side, options.out)


def draw(found: dict[str, list[tuple[int, float]]], side: int, out: str) -> None:
    """Memory against sections; MONAI's line goes on where it would no longer fit."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.8), layout="constrained")
    last = max(sections for points in found.values() for sections, _ in points)
    for (name, points), colour in zip(found.items(), ("tab:blue", "tab:orange"), strict=True):
        if not points:
            continue
        sections, memory = np.array(points).T
        axes.plot(sections, memory / 1024, "o-", color=colour, label=f"{name}, measured")
        if name == "MONAI" and len(points) > 1 and sections[-1] < last:
            slope, rest = np.polyfit(sections, memory / 1024, 1)
            far = np.geomspace(sections[-1], last)
            axes.plot(
                far, slope * far + rest, "--", color=colour, label=f"{name}, continued: {slope * last + rest:.0f} GiB"
            )
    axes.set(xlabel=f"sections of {side} x {side}", ylabel="peak memory, GiB", xscale="log", yscale="log")
    axes.set_title("Memory of sliding-window inference, three channels")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(out, dpi=120)


if __name__ == "__main__":
    main()
