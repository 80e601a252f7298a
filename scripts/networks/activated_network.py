"""A network whose logits become maps: probabilities, or distances between -1 and 1."""

from collections.abc import Sequence

import torch
from torch import nn

ACTIVATIONS = ("sigmoid", "tanh")


class ActivatedNetwork(nn.Module):
    """A network followed by one activation a channel; for inference, scores and pictures, never for the loss.

    Args:
        network: (B, C, Z, Y, X) to logits (B, channels, Z, Y, X); its parameters stay its own.
        activations: for each output channel "sigmoid" (0 .. 1) or "tanh" (-1 .. 1).
        auxiliary: further channels of the network, behind the others, that only its loss sees; they are left out.

    Raises:
        ValueError: an activation of another name, none at all, or fewer than 0 auxiliary channels.

    Example:
        >>> maps = ActivatedNetwork(torch.nn.Conv3d(1, 2, 1), ["sigmoid", "tanh"])
        >>> maps(torch.zeros(1, 1, 2, 8, 8)).shape
        torch.Size([1, 2, 2, 8, 8])
    """

    activations: list[str]

    def __init__(self, network: nn.Module, activations: Sequence[str], auxiliary: int = 0) -> None:
        super().__init__()
        wrong = [name for name in activations if name not in ACTIVATIONS]
        if wrong or not activations:
            raise ValueError(
                f"activations {list(activations)} must be one of {', '.join(ACTIVATIONS)} for each output channel"
            )
        if auxiliary < 0:
            raise ValueError(f"auxiliary {auxiliary} must be 0 or more channels")
        self.network, self.auxiliary = network, int(auxiliary)
        self.activations = list(activations)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns float32 maps (B, channels, Z, Y, X)."""
        logits = self.network(image).float()
        if not torch.jit.is_tracing() and logits.shape[1] != len(self.activations) + self.auxiliary:
            raise ValueError(
                f"{logits.shape[1]} output channels, but {len(self.activations)} activations are named and "
                f"{self.auxiliary} channels are auxiliary"
            )
        maps: list[torch.Tensor] = []
        start = 0
        for stop in range(1, len(self.activations) + 1):  # a run of channels of one activation is one call
            if stop == len(self.activations) or self.activations[stop] != self.activations[start]:
                part = logits[:, start:stop]
                maps.append(part.sigmoid() if self.activations[start] == "sigmoid" else part.tanh())
                start = stop
        return maps[0] if len(maps) == 1 else torch.cat(maps, dim=1)
