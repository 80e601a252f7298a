"""What makes a step fast on a CPU: memory, bf16, layout, attention, two crops at once; each beside torch's default.

Run: `python -m tests.benchmarks.bench_cpu_speed`. Each contender has a process of its own, since an allocator is set
for a whole process; the two of a row take turns, on one thread. bf16 is measured where the processor has it.
"""

import multiprocessing
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import nn

from scripts.engines import keep_freed_memory
from scripts.engines.precision import has_bf16
from scripts.networks import ResidualUNet, segmentation_network, vit
from tests.benchmarks.bench_mae_step import ours
from tests.benchmarks.side_by_side import hardware, print_table

ROUNDS = 5
TRUNKS = {
    "residual U-Net small": ((24, 36, 48, 64), ("23", "23", "233", "233")),
    "residual U-Net medium": ((32, 48, 64, 80), ("23", "233", "233", "233")),
}
ENCODER_DEMO = {"patch": (1, 8, 8), "width": 96, "depth": 3, "heads": 6}
UNETR_DEMO, MAE_BASE = "UNETR demo", "MAE ViT-B, ratio 0.9"


@dataclass(frozen=True)
class Case:
    """What a process measures: a training step of a network, or its forward pass.

    Attributes:
        network: a name of `TRUNKS`, `UNETR_DEMO` or `MAE_BASE`.
        batch: crops at once.
        size: of a crop; that of ViT-B is fixed.
        bf16: by autocast.
        keep_memory: keep freed memory in the process.
        channels_last: memory layout of weights; None as the network is built.
        batch_norm: in place of the trunk's group norm in float32.
        fused_attention: by PyTorch's kernel in bf16 too.
        training: forward, backward and a step of the optimizer; else a forward pass.
    """

    network: str
    batch: int = 2
    size: tuple[int, int, int] = (6, 64, 64)
    bf16: bool = False
    keep_memory: bool = True
    channels_last: bool | None = None
    batch_norm: bool = False
    fused_attention: bool = False
    training: bool = True


_step: Callable[[], object]


def start(case: Case) -> None:
    """Build what a process measures, and make two steps that are not measured."""
    global _step
    torch.set_num_threads(1)
    torch.manual_seed(0)
    keep_freed_memory(case.keep_memory)
    if case.fused_attention:
        vit.EXPLICIT_TOKENS = 0
    _step = mae_step(case) if case.network == MAE_BASE else segmentation_step(case)
    _step()
    _step()


def mae_step(case: Case) -> Callable[[], object]:
    """A step of masked pre-training with ViT-B, the published size."""
    image = torch.randn(case.batch, 1, 6, 96, 96)
    return ours(image, 0.9, True, torch.bfloat16 if case.bf16 else None).step


def segmentation_step(case: Case) -> Callable[[], object]:
    """A step of training, or a forward pass, of a network with three affinities."""
    network = build(case.network, "batch" if case.batch_norm else "group")
    if case.channels_last is not None:
        network.to(memory_format=torch.channels_last_3d if case.channels_last else torch.contiguous_format)
    image = torch.randn(case.batch, 1, *case.size)
    target = (torch.rand(case.batch, 3, *case.size) > 0.5).float()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)

    def forward() -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=case.bf16):
            prediction: torch.Tensor = network(image)
        return prediction

    def train() -> None:
        F.binary_cross_entropy_with_logits(forward().float(), target).backward()
        optimizer.step()
        optimizer.zero_grad()

    return train if case.training else torch.no_grad()(forward)


def build(network: str, norm: str) -> nn.Module:
    """A network by its name in `Case`; the norm is that of a trunk."""
    if network == UNETR_DEMO:
        return segmentation_network("unetr", 3, ENCODER_DEMO, (64, 32, 16, 16, 8), None)
    return ResidualUNet(3, *TRUNKS[network], norm=norm)


def seconds() -> float:
    """Seconds of processor time of one step of this process."""
    begin = time.process_time()
    _step()
    return time.process_time() - begin


def peak_mib() -> float:
    """Peak resident memory of this process, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compare(default: Case, changed: Case) -> tuple[list[float], list[float]]:
    """Fastest seconds, and peak MiB, of both, which take turns."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1, start, (default,)) as before, context.Pool(1, start, (changed,)) as after:
        timed = [(before.apply(seconds), after.apply(seconds)) for _ in range(ROUNDS)]
        return [min(column) for column in zip(*timed, strict=True)], [pool.apply(peak_mib) for pool in (before, after)]


def rows() -> list[tuple[str, Case, Case]]:
    """What is compared: the default of torch, and ours."""
    small, medium, unetr = Case("residual U-Net small"), Case("residual U-Net medium"), Case(UNETR_DEMO)
    large, mae = replace(small, size=(6, 96, 96)), Case(MAE_BASE, batch=8)
    window, unetr_window = (replace(case, batch=1, training=False) for case in (small, unetr))
    keeping = (unetr, small, large, replace(unetr, training=False), mae)
    found = [("keep freed memory", replace(case, keep_memory=False), case) for case in keeping]
    found += [("channels last", replace(case, channels_last=False), case) for case in (small, medium)]
    found += [("channels last, not ours", unetr, replace(unetr, channels_last=True))]
    found += [("two windows at once", case, replace(case, batch=2)) for case in (window, unetr_window)]
    found += [("group norm in float32, not batch norm", replace(large, batch_norm=True), large)]
    if has_bf16():
        everything = (mae, small, medium, large, unetr, replace(small, training=False))
        found += [("bf16", case, replace(case, bf16=True)) for case in everything]
        attending = (replace(case, bf16=True) for case in (mae, unetr))
        found += [("attention by products in bf16", replace(case, fused_attention=True), case) for case in attending]
        large, small, medium = (replace(case, bf16=True) for case in (large, small, medium))
        found += [("channels last in bf16", replace(case, channels_last=False), case) for case in (small, medium)]
        found += [("group norm in float32, not batch norm, bf16", replace(large, batch_norm=True), large)]
    return found


def main() -> None:
    """Print a row as soon as it is measured, then the table."""
    torch.set_num_threads(1)
    print(hardware(), flush=True)
    table = []
    for what, default, changed in rows():
        (before, after), (mib_before, mib_after) = compare(default, changed)
        named = changed.network
        if named != MAE_BASE:
            named += f", {'step' if changed.training else 'forward'}, {'x'.join(map(str, changed.size))}"
        ratio = before / after * changed.batch / default.batch
        table.append((what, named, changed.batch, before, after, ratio, mib_before, mib_after))
        print(*table[-1], flush=True)
    header = ("what", "network", "batch", "default, s", "with it, s", "times as fast, a crop", "MiB", "MiB with it")
    print_table("Speed on a CPU, one thread", header, table)


if __name__ == "__main__":
    main()
