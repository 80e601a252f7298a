"""A training step of ViT-B at ratio 0.9 beside MONAI's masked autoencoder of the same sizes, and what each ratio costs.

Run: `python -m tests.benchmarks.bench_mae_step`. MONAI's attention needs einops; without it ours is timed alone.
CPU: batch 8, float32, and bf16 where the processor has it. With a GPU also: bf16, compiled, batch 128, share of the
peak (MFU).
Both take the same optimizer, the same kept count and a loss on normalised hidden tokens.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from math import nan

import torch
from monai.networks.nets import MaskedAutoEncoderViT
from torch import nn

from scripts.engines.precision import has_bf16
from scripts.losses import HiddenTokenLoss
from scripts.networks import Encoder, MaskedAutoencoder, kept_tokens
from scripts.optimizers import parameter_groups
from scripts.transforms import RandTokenMask
from tests.benchmarks.side_by_side import fastest_seconds, hardware, print_table

SIZE, PATCH, GRID = (6, 96, 96), (1, 16, 16), (6, 6, 6)
VIT_BASE = {
    **{"width": 768, "depth": 12, "heads": 12},
    **{"decoder_width": 512, "decoder_depth": 4, "decoder_heads": 16},
}
GFLOP_A_STEP = 27.5
"""Of one sample at 0.9: three times the forward's 9.16 (2 x multiply-adds of matrix products, attention aside)."""
FORWARD_GFLOP = {0.0: 42.4, 0.5: 24.0, 0.75: 14.8, 0.9: 9.16}
PEAK_TFLOPS = {"H200": 989.0, "H100": 989.0, "A100": 312.0}
"""Dense bf16, by the makers' data sheets (SXM boards)."""


@dataclass
class Contender:
    """A network, the loss of one batch, and an optimizer."""

    network: nn.Module
    loss: Callable[[], torch.Tensor]
    optimizer: torch.optim.Optimizer
    autocast: torch.dtype | None = None

    def forward(self) -> torch.Tensor:
        device = next(self.network.parameters()).device.type
        with torch.autocast(device, self.autocast or torch.bfloat16, enabled=self.autocast is not None):
            return self.loss()

    def step(self) -> torch.Tensor:
        loss = self.forward()
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach()


def ours(
    image: torch.Tensor,
    ratio: float,
    fused: bool | None,
    autocast: torch.dtype | None = None,
    mode: str | None = None,
    sizes: Mapping[str, int] = VIT_BASE,
) -> Contender:
    """Our network; `mode` names how `torch.compile` is used, None for eager."""
    torch.manual_seed(0)
    encoder = Encoder(PATCH, sizes["width"], sizes["depth"], sizes["heads"])
    decoder = {name: value for name, value in sizes.items() if name.startswith("decoder_")}
    network = MaskedAutoencoder(encoder, **decoder).to(image.device)
    forward = network if mode is None else torch.compile(network, mode=mode, dynamic=False)
    loss = HiddenTokenLoss(PATCH)
    draw = RandTokenMask(GRID, ratio or 0.9).set_random_state(seed=0)
    masks = torch.stack([draw() for _ in image])
    kept = kept_tokens(masks).to(image.device) if ratio else None
    mask = masks.to(image.device)
    optimizer = torch.optim.AdamW(parameter_groups(network), lr=1e-5, fused=fused)
    return Contender(network, lambda: loss(forward(image, kept), (image, mask)), optimizer, autocast)


def monai(
    image: torch.Tensor,
    fused: bool | None,
    autocast: torch.dtype | None = None,
    mode: str | None = None,
    dtype: torch.dtype = torch.float32,
    sizes: Mapping[str, int] = VIT_BASE,
) -> Contender:
    """MONAI's network of the same sizes. Its sin-cos positions refuse width 512, so its decoder's are learnt."""
    torch.manual_seed(0)
    named = {"num_layers": sizes["depth"], "num_heads": sizes["heads"], "qkv_bias": True}
    named |= {"decoder_num_layers": sizes["decoder_depth"], "decoder_num_heads": sizes["decoder_heads"]}
    for name in ("", "decoder_"):
        named |= {f"{name}hidden_size": sizes[f"{name}width"], f"{name}mlp_dim": 4 * sizes[f"{name}width"]}
    network = MaskedAutoEncoderViT(1, SIZE, PATCH, masking_ratio=0.9, decoder_pos_embed_type="learnable", **named)
    network = network.to(image.device, dtype)
    forward = network if mode is None else torch.compile(network, mode=mode, dynamic=False)
    z, y, x = GRID

    def loss() -> torch.Tensor:
        prediction, hidden = forward(image.to(dtype))
        target = image.view(-1, z, y, 16, x, 16).permute(0, 1, 2, 4, 3, 5).reshape(-1, z * y * x, 256)
        target = (target - target.mean(2, keepdim=True)) / (target.var(2, correction=0, keepdim=True) + 1e-6).sqrt()
        return ((prediction.float() - target).square().mean(2) * hidden).sum() / hidden.sum()

    return Contender(network, loss, torch.optim.AdamW(network.parameters(), lr=1e-5, fused=fused), autocast)


def held_mib(contender: Contender) -> float:
    """MiB that forward keeps for backward, weights aside, each storage once."""
    weights = {p.untyped_storage().data_ptr() for p in contender.network.parameters()}
    held: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = contender.forward()
    del loss
    return sum(held.values()) / 2**20


def cpu_step(batch: int = 8, repeats: int = 6) -> None:
    """Samples/s and memory of the whole step, with each optimizer; bf16 where the processor has it.

    MONAI's stays in float32: in bf16 its positions meet tokens of another type, and it raises an error.
    """
    image = torch.randn(batch, 1, *SIZE, generator=torch.Generator().manual_seed(0))
    rows = []
    ways: list[tuple[str, bool | None, torch.dtype | None]] = [
        ("AdamW(fused=True), as our configs", True, None),
        ("AdamW, PyTorch's default", None, None),
    ]
    if has_bf16():
        ways.append(("AdamW(fused=True), ours in bf16", True, torch.bfloat16))
    for name, fused, autocast in ways:
        contenders = {"ours": ours(image, 0.9, fused, autocast)}
        if find_spec("einops"):
            contenders["monai"] = monai(image, fused)
        seconds = fastest_seconds({key: c.step for key, c in contenders.items()}, repeats)
        speed = {"monai": nan} | {key: batch / value for key, value in seconds.items()}
        memory = {"monai": nan} | {key: held_mib(c) for key, c in contenders.items()}
        rows.append(
            (name, speed["ours"], speed["monai"], speed["ours"] / speed["monai"], memory["ours"], memory["monai"])
        )
    print_table(
        f"MAE training step, ViT-B, ratio 0.9, CPU, float32 but where named, batch {batch} (reach 1.35)",
        ("optimizer", "ours, samples/s", "MONAI, samples/s", "ratio", "ours, MiB for backward", "MONAI, MiB"),
        rows,
    )


def cost_of_ratios(image: torch.Tensor, autocast: torch.dtype | None, repeats: int) -> None:
    """Forward and backward at each ratio over those without a mask, beside the share of the matrix products."""
    contenders = {ratio: ours(image, ratio, None, autocast) for ratio in FORWARD_GFLOP}

    def both(contender: Contender) -> Callable[[], None]:
        def run() -> None:
            contender.forward().backward()
            contender.network.zero_grad()
            synchronize(image.device)

        return run

    seconds = fastest_seconds({str(ratio): both(c) for ratio, c in contenders.items()}, repeats)
    rows = [
        (
            f"random {ratio}" if ratio else "no mask",
            gflop,
            gflop / FORWARD_GFLOP[0.0],
            seconds[str(ratio)] / len(image),
            seconds[str(ratio)] / seconds["0.0"],
        )
        for ratio, gflop in FORWARD_GFLOP.items()
    ]
    print_table(
        f"Cost of a ratio, forward and backward, {image.device.type}, batch {len(image)}",
        ("mask", "forward GFLOP", "share, theory", "seconds a sample", "share, measured"),
        rows,
    )


def synchronize(device: torch.device) -> None:
    """Wait for a GPU; nothing on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def step_speed(make: Callable[[], Contender], batch: int, steps: int = 30) -> tuple[float, float] | str:
    """(samples/s, peak GiB on a GPU) of a contender, or in a line why it does not survive."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    try:
        contender = make()
        device = next(contender.network.parameters()).device
        for _ in range(min(5, steps)):
            loss = contender.step()
        synchronize(device)
        best = float("inf")
        for _ in range(3):
            begin = time.perf_counter()
            for _ in range(steps):
                loss = contender.step()
            synchronize(device)
            best = min(best, (time.perf_counter() - begin) / steps)
    except Exception as error:  # a peer that fails in one precision is tried in the next; the reason is printed
        return f"{type(error).__name__}: {str(error).splitlines()[0][:80]}"
    if not torch.isfinite(loss):
        return "loss is not finite"
    return batch / best, torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else nan


def ways(image: torch.Tensor, sizes: Mapping[str, int] = VIT_BASE) -> dict[str, Callable[[], Contender]]:
    """How a step can be taken on a GPU; MONAI in every precision, the fastest that survives counts."""
    bf16 = torch.bfloat16
    return {
        "ours, bf16 autocast, compiled": lambda: ours(image, 0.9, True, bf16, "default", sizes),
        "ours, bf16 autocast, max-autotune": lambda: ours(image, 0.9, True, bf16, "max-autotune-no-cudagraphs", sizes),
        "ours, bf16 autocast, eager": lambda: ours(image, 0.9, True, bf16, None, sizes),
        "MONAI, bf16 autocast, compiled": lambda: monai(image, True, bf16, "default", sizes=sizes),
        "MONAI, bf16 autocast, eager": lambda: monai(image, True, bf16, sizes=sizes),
        "MONAI, bf16 weights, compiled": lambda: monai(image, True, None, "default", bf16, sizes),
        "MONAI, bf16 weights, eager": lambda: monai(image, True, None, None, bf16, sizes),
        "MONAI, tf32, compiled": lambda: monai(image, True, None, "default", sizes=sizes),
        "MONAI, tf32, eager": lambda: monai(image, True, sizes=sizes),
    }


def peak_tflops() -> float | None:
    """Dense bf16 of the GPU that is used; None where it is unknown."""
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return next((tflops for key, tflops in PEAK_TFLOPS.items() if key in name), None)


def gpu_step(batch: int = 128) -> None:
    """Samples/s, MFU and memory."""
    torch.set_float32_matmul_precision("high")
    image = torch.randn(batch, 1, *SIZE, device="cuda")
    peak = peak_tflops()
    results = {entry: step_speed(make, batch) for entry, make in ways(image).items()}
    rows: list[tuple[object, ...]] = []
    for entry, result in results.items():
        if isinstance(result, str):
            rows.append((entry, result, "", "", ""))
            continue
        tflops = result[0] * GFLOP_A_STEP / 1e3
        rows.append((entry, result[0], tflops, f"{tflops / peak:.1%}" if peak else "peak unknown", result[1]))
    header = ("what", "samples/s", "TFLOP/s", "MFU (aim 45 % on an H200)", "peak GiB")
    print_table(f"MAE training step, ViT-B, ratio 0.9, batch {batch}, {torch.cuda.get_device_name()}", header, rows)
    speeds = {e: r[0] for e, r in results.items() if not isinstance(r, str)}
    mine = max((v for e, v in speeds.items() if e.startswith("ours")), default=float("nan"))
    peer = max((v for e, v in speeds.items() if e.startswith("MONAI")), default=float("nan"))
    print(f"\nRatio of the fastest of each: {mine / peer:.2f} (reach 2.5)")


def main() -> None:
    """Print the tables."""
    print(hardware())
    if not find_spec("einops"):
        print("einops is not installed, so MONAI's network cannot be built: `pip install einops` adds its columns")
    cpu_step()
    cost_of_ratios(torch.randn(4, 1, *SIZE, generator=torch.Generator().manual_seed(0)), None, repeats=2)
    if torch.cuda.is_available():
        gpu_step()
        cost_of_ratios(torch.randn(128, 1, *SIZE, device="cuda"), torch.bfloat16, repeats=10)
    else:
        print("\nNo CUDA device here: the GPU table is left out.")


if __name__ == "__main__":
    main()
