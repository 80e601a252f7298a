"""The fine-tuning network: its size, a forward pass of one crop, and on a GPU a training step.

Run: `python -m tests.benchmarks.bench_unetr [vit_base|vit_large ...]`; both sizes when none is named.
The forward pass is of 1x6x96x96, batch 1, as in the paper's Table 3, from scratch beside loaded weights: what a weight
is must not change what it costs. Two crops at once are timed too: on a CPU, PyTorch leaves its fast 3D convolution for
a slower one where a single crop is small. With a GPU also: batch 24 in bf16, compiled, beside float32 eager.
"""

import io
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from scripts.checkpoints.pretrained_encoder import load_pretrained_encoder
from scripts.networks import UNETR, Encoder, even_taps
from scripts.optimizers import layer_decay_groups, parameter_groups
from tests.benchmarks.bench_mae_step import Contender, peak_tflops, step_speed, synchronize
from tests.benchmarks.side_by_side import fastest_seconds, hardware, print_table

SIZE, PATCH = (6, 96, 96), (1, 16, 16)
ENCODERS = {"vit_base": (768, 12, 12), "vit_large": (1152, 24, 16)}
DECODERS = {"published": (512, 256, 128, 64, 32), "light": (256, 128, 64, 32, 16)}


def build(encoder: str, decoder: str) -> UNETR:
    """A network with 3 output channels, from a fixed seed."""
    torch.manual_seed(0)
    part = Encoder(PATCH, *ENCODERS[encoder])
    return UNETR(part, 3, even_taps(part.depth, PATCH), DECODERS[decoder])


def loaded(encoder: str, decoder: str) -> UNETR:
    """The same with an encoder from a file, by the path that `--pretrained` takes."""
    network = build(encoder, decoder)
    weights = {f"encoder.{k}": v + 0.01 * torch.randn_like(v) for k, v in network.encoder.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        torch.save(weights, Path(folder) / "encoder.pt")
        load_pretrained_encoder(network, Path(folder) / "encoder.pt")
    return network


def gmac(make: Callable[[], nn.Module], size: tuple[int, int, int] = SIZE) -> tuple[float, float]:
    """Million parameters, and 1e9 multiply-adds of a forward pass of one crop; no memory, no time."""
    with torch.device("meta"):
        network = make()
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 1, *size))
    return sum(p.numel() for p in network.parameters()) / 1e6, counter.get_total_flops() / 2e9


def forward_pass(encoder: str, device: torch.device, repeats: int) -> None:
    """Seconds of one crop, scratch and loaded, published and light."""
    image = torch.randn(1, 1, *SIZE, generator=torch.Generator().manual_seed(0)).to(device)
    rows = []
    for decoder in DECODERS:
        networks = {"scratch": build(encoder, decoder), "loaded": loaded(encoder, decoder)}
        calls = {k: _forward(n.to(device).eval(), image) for k, n in networks.items()}
        calls["two"] = _forward(networks["loaded"], image.expand(2, -1, -1, -1, -1).contiguous())
        seconds = fastest_seconds(calls, repeats)
        parameters, multiply_adds = gmac(partial(build, encoder, decoder))
        scratch, pretrained = seconds["scratch"], seconds["loaded"]
        speed = 2 * multiply_adds / scratch
        ratio = pretrained / scratch
        rows.append((decoder, parameters, multiply_adds, scratch, pretrained, ratio, speed, seconds["two"] / 2))
    header: tuple[str, ...] = (
        "decoder",
        "M parameters",
        "G multiply-adds",
        "scratch, s",
        "loaded, s",
        "loaded / scratch",
        "GFLOP/s",
    )
    header += ("two at once, s each",)
    print_table(f"Forward of 1x6x96x96, batch 1, {encoder}, float32, {device.type}", header, rows)


def _forward(network: UNETR, image: torch.Tensor) -> Callable[[], None]:
    def run() -> None:
        with torch.inference_mode():
            network(image)
        synchronize(image.device)

    return run


def contender(
    make: Callable[[], nn.Module],
    batch: int,
    bf16: bool,
    compiled: bool,
    tf32: bool = True,
    device: str = "cuda",
    size: tuple[int, int, int] = SIZE,
) -> Contender:
    """A training step of a network with 3 output channels: logits, a loss, AdamW; layer-wise rates of an encoder."""
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32
    network = make().to(device)
    forward = torch.compile(network, dynamic=False) if compiled else network
    image = torch.randn(batch, 1, *size, device=device)
    target = (torch.rand(batch, 3, *size, device=device) > 0.5).float()
    groups = layer_decay_groups(network, 1e-5, 0.05, 0.65) if hasattr(network, "encoder") else parameter_groups(network)
    return Contender(
        network,
        lambda: F.binary_cross_entropy_with_logits(forward(image).float(), target),
        torch.optim.AdamW(groups, lr=1e-5, fused=True),
        torch.bfloat16 if bf16 else None,
    )


def training_step(encoder: str, batch: int = 24) -> None:
    """Samples/s, share of the peak and memory; bf16 compiled beside float32 eager."""
    peak = peak_tflops()
    for decoder in DECODERS:
        ways = {
            "bf16, compiled": {"bf16": True, "compiled": True},
            "bf16, eager": {"bf16": True, "compiled": False},
            "tf32, eager": {"bf16": False, "compiled": False},
            "float32, eager": {"bf16": False, "compiled": False, "tf32": False},
        }
        gflop = 6 * gmac(partial(build, encoder, decoder))[1]  # multiply and add, forward and twice that backward
        speeds: dict[str, float] = {}
        rows: list[tuple[object, ...]] = []
        for way, options in ways.items():
            make = partial(contender, partial(build, encoder, decoder), batch, **options)
            result = step_speed(make, batch, steps=10)
            if isinstance(result, str):
                rows.append((way, result, "", "", ""))
                continue
            speeds[way] = result[0]
            tflops = result[0] * gflop / 1e3
            share = f"{tflops / peak:.1%}" if peak else "peak unknown"
            rows.append((way, result[0], tflops, share, result[1]))
        title = f"Training step, {encoder}, {decoder} decoder, batch {batch}, {torch.cuda.get_device_name()}"
        print_table(title, ("what", "samples/s", "TFLOP/s", "MFU of bf16 peak", "peak GiB"), rows)
        if {"bf16, compiled", "float32, eager"} <= speeds.keys():
            print(f"\nbf16 compiled over float32 eager: {speeds['bf16, compiled'] / speeds['float32, eager']:.2f}")


def main(encoders: list[str]) -> None:
    """Print the tables."""
    unknown = [name for name in encoders if name not in ENCODERS]
    if unknown:
        raise SystemExit(f"no encoder {unknown}; choose among {', '.join(ENCODERS)}")
    print(hardware())
    for encoder in encoders or list(ENCODERS):
        forward_pass(encoder, torch.device("cpu"), repeats=3)
        if torch.cuda.is_available():
            forward_pass(encoder, torch.device("cuda"), repeats=20)
            training_step(encoder)
    if not torch.cuda.is_available():
        print("\nNo CUDA device here: the GPU tables are left out.")


if __name__ == "__main__":
    main(sys.argv[1:])
