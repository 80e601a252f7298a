"""Time to quality: CPU seconds until the error of hidden tokens passes 0.95 and 0.90, beside MONAI's network.

`python -m tests.benchmarks.time_to_quality [my.h5:raw]`, by default on the synthetic volume; needs einops. Ours as the
demo pre-trains it, with each optimizer; MONAI's network of the same sizes with a loss and a loop as one writes them by
hand. The same crops and batch, a warm-up and a cosine to 0 over each one's own number of steps, each in a process of
its own; seconds of forward, backward and step alone, on one thread. The first 90 % of the sections train, the rest
validate (256 fixed crops and masks; a token's mean scores 1).
"""

import argparse
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from monai.networks.nets import MaskedAutoEncoderViT
from monai.optimizers import WarmupCosineSchedule
from monai.transforms import Compose
from torch import nn

from scripts.data import CropDataset, image_regions
from scripts.engines import chosen_precision, keep_freed_memory
from scripts.losses import HiddenTokenLoss
from scripts.networks import Encoder, MaskedAutoencoder, kept_tokens
from scripts.optimizers import pretraining_optimizer
from scripts.transforms import RandSymmetryd, RandTokenMaskd, ScaleGreyd
from tests.benchmarks.side_by_side import hardware, print_table

CROP, PATCH, GRID, BATCH = (2, 32, 32), (1, 8, 8), (2, 4, 4), 32
SIZES = {"width": 96, "depth": 3, "heads": 6, "decoder_width": 64, "decoder_depth": 2, "decoder_heads": 4}
QUALITIES = (0.95, 0.90)
EVERY, CROPS = 50, 256
CONTENDERS = {"muon": "ours, Muon", "adamw": "ours, AdamW", "monai": "MONAI's, AdamW"}
Batch = tuple[torch.Tensor, torch.Tensor]


@dataclass
class Learner:
    """A network, the loss of a batch (image, mask), and the optimizer."""

    network: nn.Module
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    optimizer: torch.optim.Optimizer


def ours(optimizer: str, lr: float, precision: str) -> Learner:
    """Our network, loss and optimizer, in a process that keeps freed memory, as our configs do."""
    keep_freed_memory()
    bf16 = chosen_precision(precision, torch.device("cpu")) == "bf16"
    encoder = Encoder(PATCH, SIZES["width"], SIZES["depth"], SIZES["heads"])
    network = MaskedAutoencoder(encoder, **{name: size for name, size in SIZES.items() if name.startswith("decoder_")})
    loss = HiddenTokenLoss(PATCH)
    chosen = pretraining_optimizer(optimizer, network, lr, 0.05, (0.9, 0.95))

    def forward(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            prediction = network(image, kept_tokens(mask))
        return loss(prediction.float(), (image, mask))

    return Learner(network, forward, chosen)


def monai(lr: float, ratio: float) -> Learner:
    """MONAI's network; it draws its masks itself, and its sin-cos positions refuse width 64, so these are learnt."""
    named = {"num_layers": SIZES["depth"], "num_heads": SIZES["heads"], "qkv_bias": True}
    named |= {"decoder_num_layers": SIZES["decoder_depth"], "decoder_num_heads": SIZES["decoder_heads"]}
    for name in ("", "decoder_"):
        named |= {f"{name}hidden_size": SIZES[f"{name}width"], f"{name}mlp_dim": 4 * SIZES[f"{name}width"]}
    network = MaskedAutoEncoderViT(1, CROP, PATCH, masking_ratio=ratio, decoder_pos_embed_type="learnable", **named)
    (z, y, x), (_, p, q) = GRID, PATCH

    def loss(image: torch.Tensor, _mask: torch.Tensor) -> torch.Tensor:
        prediction, hidden = network(image)
        target = image.view(-1, z, y, p, x, q).permute(0, 1, 2, 4, 3, 5).reshape(-1, z * y * x, p * q)
        target = (target - target.mean(2, keepdim=True)) / (target.var(2, correction=0, keepdim=True) + 1e-6).sqrt()
        return ((prediction - target).square().mean(2) * hidden).sum() / hidden.sum()

    return Learner(network, loss, torch.optim.AdamW(network.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=0.05))


def batches(volume: str, split: str, seed: int, ratio: float, augment: bool) -> Iterator[Batch]:
    """Images and masks of a split, without end."""
    regions = image_regions(volume, split, None, CROP)
    chain = [ScaleGreyd("image"), *([RandSymmetryd("image")] if augment else []), RandTokenMaskd(GRID, ratio)]
    crops, first = CropDataset(regions, CROP, seed=seed, transform=Compose(chain)), 0
    while True:
        items = [crops[first + i] for i in range(BATCH)]
        first += BATCH
        yield tuple(torch.stack([torch.as_tensor(item[name]) for item in items]) for name in ("image", "mask"))


def validation_error(learner: Learner, held_out: list[Batch]) -> float:
    """Mean error of the hidden tokens; masks that a network draws itself are the same each time."""
    learner.network.eval()
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        error = sum(float(learner.loss(*batch)) for batch in held_out) / len(held_out)
    learner.network.train()
    return error


def curve(make: Callable[[], Learner], volume: str, steps: int, seed: int, ratio: float) -> list[tuple[float, float]]:
    """(CPU seconds, validation error) of a training, printed, up to the last quality."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    learner, spent = make(), 0.0
    schedule = WarmupCosineSchedule(learner.optimizer, warmup_steps=steps // 20, t_total=steps)
    fixed = batches(volume, "validation", 2023, ratio, augment=False)
    held_out = [next(fixed) for _ in range(CROPS // BATCH)]
    points = []
    for step, batch in zip(range(1, steps + 1), batches(volume, "training", seed, ratio, augment=True), strict=False):
        begin = time.process_time()
        learner.optimizer.zero_grad()
        learner.loss(*batch).backward()
        learner.optimizer.step()
        schedule.step()
        spent += time.process_time() - begin
        if step % EVERY == 0:
            points.append((spent, validation_error(learner, held_out)))
            print(f"  step {step}: {spent:.1f} s of CPU time, error {points[-1][1]:.4f}", flush=True)
            if points[-1][1] <= QUALITIES[-1]:
                break
    return points


def seconds_to(points: list[tuple[float, float]], quality: float) -> float | None:
    """CPU seconds at the first validation that is not above a quality; None where none is."""
    return next((spent for spent, error in points if error <= quality), None)


def main() -> None:
    """Print every run as it ends, then the ratios."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("volume", nargs="?", default="synthetic")
    options.add_argument("--which", nargs="+", default=[*CONTENDERS], choices=[*CONTENDERS])
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--muon_steps", type=int, default=800)
    options.add_argument("--adamw_steps", type=int, default=4000, help="of AdamW, ours and MONAI's")
    options.add_argument("--mask_ratio", type=float, default=0.5)
    options.add_argument("--lr", type=float, default=0.001, help="of AdamW, ours and MONAI's")
    options.add_argument("--muon_lr", type=float, default=0.003)
    options.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"), help="of ours")
    given = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # the process of a training ends with this one
    torch.set_num_threads(1)
    print(hardware())
    muon, adamw = (given.muon_lr, given.muon_steps), (given.lr, given.adamw_steps)
    contenders = {
        "muon": (partial(ours, "muon", muon[0], given.precision), muon[1]),
        "adamw": (partial(ours, "adamw", adamw[0], given.precision), adamw[1]),
        "monai": (partial(monai, adamw[0], given.mask_ratio), adamw[1]),
    }
    rows = []
    for seed in given.seeds:
        for name in given.which:
            make, steps = contenders[name]
            with multiprocessing.get_context("spawn").Pool(1) as process:
                points = process.apply(curve, (make, given.volume, steps, seed, given.mask_ratio))
            reached = [seconds_to(points, quality) for quality in QUALITIES]
            last = points[-1]
            rows.append((seed, CONTENDERS[name], *(f"over {last[0]:.0f}" if r is None else r for r in reached), *last))
            print(*rows[-1], flush=True)
    header = ("seed", "which", *(f"CPU s to {quality}" for quality in QUALITIES), "CPU s in all", "last error")
    print_table(f"Time to quality, {given.volume}, batches of {BATCH} crops", header, rows)


if __name__ == "__main__":
    main()
