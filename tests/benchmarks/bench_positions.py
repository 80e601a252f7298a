"""How soon does a small masked autoencoder learn to continue plane waves, by the range of its position frequencies?"""

from collections.abc import Callable

import torch

from scripts.losses import HiddenTokenLoss
from scripts.networks import Encoder, MaskedAutoencoder, kept_tokens, mae, sincos_positions, vit
from scripts.optimizers import parameter_groups
from tests.benchmarks.side_by_side import hardware, print_table

PATCH, GRID, BATCH, STEPS, EVERY = (1, 8, 8), (3, 6, 6), 16, 600, 100


def waves(generator: torch.Generator) -> torch.Tensor:
    """(B, 1, Z, Y, X) plane waves of random direction, phase and length, the same in all sections."""
    y, x = torch.meshgrid(torch.arange(GRID[1] * PATCH[1]), torch.arange(GRID[2] * PATCH[2]), indexing="ij")
    angle, phase, pace = torch.rand(3, BATCH, 1, 1, generator=generator)
    along = torch.cos(6.28 * angle) * y + torch.sin(6.28 * angle) * x
    return torch.sin((0.15 + 0.1 * pace) * along + 6.28 * phase)[:, None, None].repeat(1, 1, GRID[0], 1, 1)


def losses(frequency_range: float) -> list[float]:
    """Training loss every `EVERY` steps, half of the tokens hidden; 1 is predicting each token's mean."""

    def positions(grid: tuple[int, int, int], width: int, device: torch.device | None = None) -> torch.Tensor:
        return sincos_positions(grid, width, device, frequency_range)

    ours: Callable[..., torch.Tensor] = vit.sincos_positions
    vit.sincos_positions = mae.sincos_positions = positions
    torch.manual_seed(0)
    network = MaskedAutoencoder(Encoder(PATCH, 96, 3, 3), 64, 2, 2)
    optimizer = torch.optim.AdamW(parameter_groups(network, 0.05), lr=2e-3, betas=(0.9, 0.95))
    warm_up = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 30))
    generator, loss, curve = torch.Generator().manual_seed(0), HiddenTokenLoss(PATCH), []
    tokens = GRID[0] * GRID[1] * GRID[2]
    for step in range(1, STEPS + 1):
        image = waves(generator)
        mask = (torch.rand(BATCH, tokens, generator=generator).argsort(1) < tokens // 2).view(BATCH, *GRID)
        optimizer.zero_grad()
        error = loss(network(image, kept_tokens(mask)), (image, mask))
        error.backward()
        optimizer.step()
        warm_up.step()
        if step % EVERY == 0:
            curve.append(error.item())
    vit.sincos_positions = mae.sincos_positions = ours
    return curve


def main() -> None:
    """Print one row a range."""
    print(hardware())
    steps = [f"loss at {step}" for step in range(EVERY, STEPS + 1, EVERY)]
    rows = [[f"{chosen:g}", *losses(chosen)] for chosen in (10.0, 100.0, 10000.0)]
    print_table("Positions: range of the frequencies", ["range", *steps], rows)


if __name__ == "__main__":
    main()
