"""Tiny networks for inference in blocks, which workers import, and what can happen to a worker."""

import os
import signal
from pathlib import Path

import torch
from torch import nn

from scripts.networks.activated_network import ActivatedNetwork


def tiny_network() -> ActivatedNetwork:
    """3x3x3 and 1x1x1 convolutions, whose bits depend on the size of a batch and on one thread or several."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = nn.Conv3d(1, 4, 3, padding=1), nn.GELU(), nn.Conv3d(4, 2, 1)
    return ActivatedNetwork(nn.Sequential(*layers), ["sigmoid"] * 2).eval()


class Fails(ActivatedNetwork):
    """A tiny network that kills its process or runs out of memory.

    Args:
        kills: whether it kills; else it asks for more memory than there is.
        after: batches that it computes before, in each process.
        file: made when it happens, and then it does not happen again; None: it does, always.
    """

    def __init__(self, kills: bool = False, after: int = 0, file: Path | None = None) -> None:
        super().__init__(tiny_network().network, ["sigmoid"] * 2)
        self.kills, self.left, self.file = kills, after, file

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """As `tiny_network`, if nothing happens."""
        self.left -= 1
        if self.left < 0 and not (self.file and self.file.exists()):
            if self.file:
                self.file.touch()
            if self.kills:
                os.kill(os.getpid(), signal.SIGKILL)
            torch.empty(2**60)
        return super().forward(image)
