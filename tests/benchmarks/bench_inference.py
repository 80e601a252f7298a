"""Sliding-window inference beside MONAI's, same network and windows, in one run; larger windows with --windows.

`python -m tests.benchmarks.bench_inference [--only small] [--windows] [--repeats 3]`

Times are processor seconds, on as many threads as torch is given (OMP_NUM_THREADS). MONAI's inferer is given the padded
volume, and the fastest of its ways is taken; ours pads by itself. The small network is one convolution, so that what is
around it shows; the medium one a UNETR of 3.3 M parameters.
"""

import argparse
import time
from collections.abc import Callable, Mapping

import torch
from monai.inferers import SlidingWindowInferer
from torch import nn

from scripts.inferers.volume_inferer import VolumeInferer
from scripts.networks import UNETR, ActivatedNetwork, Encoder, even_taps
from scripts.ops.box import Size3
from tests.benchmarks.bench_mae_step import synchronize
from tests.benchmarks.side_by_side import fastest_seconds, hardware, print_table

PAD, WINDOW = (3, 48, 48), (6, 96, 96)
LARGER = ((6, 96, 96), (6, 192, 192), (12, 160, 160))


def processor_seconds(contenders: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Least processor time of each contender, warmed once, taking turns: other work on the machine counts little."""
    best = dict.fromkeys(contenders, float("inf"))
    for turn in range(repeats + 1):
        for name, call in contenders.items():
            begin = time.process_time()
            call()
            best[name] = min(best[name], time.process_time() - begin) if turn else float("inf")
    return best


class Small(nn.Sequential):
    """3x3x3 convolution to three maps."""

    def __init__(self) -> None:
        super().__init__(nn.Conv3d(1, 3, 3, padding=1), nn.Sigmoid())


def medium() -> nn.Module:
    """A UNETR of width 192, depth 4, with narrow levels."""
    encoder = Encoder((1, 16, 16), 192, 4, 4)
    return ActivatedNetwork(UNETR(encoder, 3, even_taps(4, (1, 16, 16)), (64, 48, 32, 16, 8)), ["sigmoid"] * 3)


def beside_monai(
    name: str, network: nn.Module, shape: tuple[int, int, int], batches: tuple[int, ...], repeats: int
) -> tuple[object, ...]:
    """One row: voxels/s of both, each with its fastest batch, and the largest difference of their maps."""
    image = torch.rand((1, 1, *shape), generator=torch.Generator().manual_seed(0)) * 2 - 1
    (z, y, x) = PAD

    def monais(batch: int, buffered: int | None) -> torch.Tensor:
        padded = nn.functional.pad(image, (x, x, y, y, z, z), mode="reflect")
        inferer = SlidingWindowInferer(WINDOW, batch, 0.5, mode="gaussian", buffer_steps=buffered, buffer_dim=0)
        return inferer(padded, network)[..., z:-z, y:-y, x:-x].contiguous()

    contenders = {f"MONAI, batch {n}": lambda n=n: monais(n, None) for n in batches}
    contenders["MONAI, batch 4, buffered"] = lambda: monais(4, 1)
    ours = {n: VolumeInferer(flips=1, batch=n) for n in batches}
    contenders |= {f"ours, batch {n}": lambda n=n: ours[n](image, network) for n in batches}
    with torch.no_grad():
        seconds = processor_seconds(contenders, repeats)
        difference = float((contenders["ours, batch 4"]() - contenders["MONAI, batch 4"]()).abs().max())
    fastest = {
        who: min((taken, called) for called, taken in seconds.items() if called.startswith(who))
        for who in ("ours", "MONAI")
    }
    voxels = image.numel() / 1e6
    (our_seconds, our_way), (their_seconds, their_way) = fastest["ours"], fastest["MONAI"]
    return (
        name,
        f"{voxels / our_seconds:.4g} ({our_way})",
        f"{voxels / their_seconds:.4g} ({their_way})",
        their_seconds / our_seconds,
        f"{difference:.1e}",
    )


def device_speeds(
    network: nn.Module, shape: Size3, window: Size3, batch: int, device: torch.device, repeats: int = 2
) -> dict[str, float]:
    """Mvoxel/s of ours and of MONAI's by the clock, with the same windows, padding and blending; bf16 on a GPU.

    Args:
        network: on the device.
        shape: of the volume, z, y, x.
        window: which the network sees at once.
        batch: windows that the network is given at once.
        device: where volume and network are.
    """
    image = torch.rand((1, 1, *shape), generator=torch.Generator().manual_seed(0)).to(device) * 2 - 1
    stride = tuple(max(1, size // 2) for size in window)
    pad = tuple(size // 2 for size in window)
    (z, y, x) = pad
    bf16 = device.type == "cuda"
    ours = VolumeInferer(window, stride, flips=1, batch=batch, pad=pad, precision="bf16" if bf16 else "fp32")
    monais = SlidingWindowInferer(window, batch, 0.5, mode="gaussian")

    def theirs() -> None:
        padded = nn.functional.pad(image, (x, x, y, y, z, z), mode="reflect")
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            monais(padded, network)
        synchronize(device)

    def mine() -> None:
        ours(image, network)
        synchronize(device)

    with torch.no_grad():
        seconds = fastest_seconds({"ours": mine, "MONAI": theirs}, repeats)
    return {who: image.numel() / taken / 1e6 for who, taken in seconds.items()}


def larger_windows(repeats: int) -> list[tuple[object, ...]]:
    """Voxels/s of the medium network by window: stride half of it, no flips, two at a time, as torch is slow on one."""
    network, shape = medium().eval(), (6, 384, 384)
    image = torch.rand((1, 1, *shape), generator=torch.Generator().manual_seed(0)) * 2 - 1
    contenders = {}
    for window in LARGER:
        stride = tuple(size // 2 for size in window)
        inferer = VolumeInferer(window, stride, 1, batch=2)
        contenders["x".join(map(str, window))] = lambda inferer=inferer: inferer(image, network)
    with torch.no_grad():
        seconds = processor_seconds(contenders, repeats)
    first = next(iter(seconds.values()))
    return [(name, image.numel() / taken / 1e6, first / taken) for name, taken in seconds.items()]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", action="store_true", help="measure larger windows instead")
    parser.add_argument("--only", choices=("small", "medium"), help="one network alone")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(hardware(), flush=True)
    torch.manual_seed(0)
    if options.windows:
        print_table(
            "Larger windows, medium network", ("window", "Mvoxel/s", "x 6x96x96"), larger_windows(options.repeats)
        )
        return
    header = ("network", "ours, Mvoxel/s", "MONAI, Mvoxel/s", "ratio", "largest difference")
    for size, name, network, shape in (
        ("small", "one convolution", Small(), (12, 240, 240)),
        ("medium", "UNETR, medium", medium(), (4, 96, 336)),
    ):
        if options.only in (None, size):
            row = beside_monai(name, network.eval(), shape, (4,), options.repeats)
            print_table(f"{name}: windows 6x96x96, stride 3x48x48, Gaussian, no flips (reach: 1)", header, [row])


if __name__ == "__main__":
    main()
