"""What the first lines of every run say in the same words: where it writes, how to stop it, how long it takes."""

import time
from collections.abc import Callable, Sequence

import torch

from scripts.checkpoints.run_folder import RunFolder
from scripts.engines.duration import duration

LONG = 1800
"""Seconds from which a run on a CPU is told of faster ways."""


def output_lines(folder: RunFolder, elsewhere: str, first: str) -> list[str]:
    """Output folder, other inputs, how to stop and go on, what comes first, and what is resumed.

    Args:
        folder: of the run.
        elsewhere: options that point the run to other data.
        first: what happens before the first iteration of a new run; nothing is said where it is empty.
    """
    lines = [
        f"output      {folder.path}  (TensorBoard: tensorboard --logdir {folder.path})",
        f"elsewhere   {elsewhere}",
        f"stop        Ctrl-C saves; go on with --resume true --output_dir {folder.path}",
    ]
    if folder.start == 0 and first:
        lines.append(f"first       {first}")
    if folder.resume:
        lines.append(
            f"resumes     after iteration {folder.start:,}"
            if folder.start
            else f"resumes     nothing: there is no checkpoint in {folder.path}, so it begins at iteration 0"
        )
    return lines


def time_line(seconds: float, left: int, whole: int) -> str:
    """How long an iteration and the rest of the run take on a CPU.

    Args:
        seconds: of an iteration.
        left: iterations to go.
        whole: iterations of the run.
    """
    hint = "; a GPU is meant for this. Minutes here: add the overlay demo.json" if seconds * whole >= LONG else ""
    return f"time        about {duration(seconds)} an iteration on this CPU, {duration(seconds * left)} in all{hint}"


def fastest(step: Callable[[], torch.Tensor], network: torch.nn.Module, enough: float = 2.0) -> float:
    """Seconds of a forward and backward pass: the faster of two, or the first if it takes longer than `enough`.

    Args:
        step: makes the network's output.
        network: no gradient is left behind in it.
    """
    times: list[float] = []
    while len(times) < 2 and sum(times) < enough:
        begin = time.perf_counter()
        step().square().mean().backward()
        times.append(time.perf_counter() - begin)
    network.zero_grad(set_to_none=True)
    return min(times)


def counted(network: torch.nn.Module) -> str:
    """`154.0 M parameters`."""
    millions = sum(p.numel() for p in network.parameters()) / 1e6
    return f"{millions:.1f} M parameters" if millions >= 0.1 else f"{millions * 1e3:.1f} k parameters"


def device_in_words(device: torch.device) -> str:
    """`CPU, 2 threads` or the name of the GPU."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"CPU, {torch.get_num_threads()} thread{'s' if torch.get_num_threads() > 1 else ''}"


def voxels(size: Sequence[int]) -> str:
    """`6 x 96 x 96`."""
    return " x ".join(map(str, size))


def indented(text: str) -> str:
    """Lines after the first under the first."""
    return text.strip().replace("\n", "\n" + " " * 12)
