"""Several losses on one prediction: each on its channels, with its weight and a name in the log."""

from collections.abc import Sequence

import torch
from torch import nn

from scripts.losses.known_voxels import Truth


class OnChannels(nn.Module):
    """A loss that sees some channels of the prediction and its target only.

    Args:
        loss: takes logits and (target, known).
        channels: which, counted from 0.

    Raises:
        ValueError: no channel, a negative one, or one given twice.

    Example:
        >>> from scripts.losses import TanhMSE
        >>> target, known = torch.ones(1, 3, 1, 2, 2), torch.ones(1, 3, 1, 2, 2, dtype=torch.bool)
        >>> OnChannels(TanhMSE(), channels=[2])(torch.zeros_like(target), (target, known)).item()
        1.0
    """

    def __init__(self, loss: nn.Module, channels: Sequence[int]) -> None:
        super().__init__()
        self.loss, self.channels = loss, [int(channel) for channel in channels]
        if not self.channels or min(self.channels) < 0 or len(set(self.channels)) != len(self.channels):
            raise ValueError(f"channels {list(channels)} must be different numbers from 0, at least one")

    def forward(self, prediction: torch.Tensor, truth: Truth) -> torch.Tensor:
        """Scalar loss of the chosen channels of (B, C, Z, Y, X).

        Raises:
            ValueError: a channel that the prediction lacks.
        """
        if max(self.channels) >= prediction.shape[1]:
            raise ValueError(
                f"channels {self.channels} of a prediction of shape {list(prediction.shape)}: it has channels 0 to "
                f"{prediction.shape[1] - 1}"
            )
        target, known = truth
        if prediction.shape[1] != target.shape[1] or prediction.shape[1] != known.shape[1]:
            raise ValueError(
                f"prediction {list(prediction.shape)}, target {list(target.shape)} and known {list(known.shape)} have "
                "different numbers of channels"
            )
        return self.loss(*_picked(self.channels, prediction, target, known))


def _picked(
    channels: list[int], prediction: torch.Tensor, target: torch.Tensor, known: torch.Tensor
) -> tuple[torch.Tensor, Truth]:
    """The channels of all three, as views where they follow each other."""
    first, last = channels[0], channels[-1] + 1
    index = slice(first, last) if channels == list(range(first, last)) else channels
    return prediction[:, index], (target[:, index], known[:, index])


class LossTerm(nn.Module):
    """One term of a `WeightedSum`.

    Args:
        name: what the log calls it.
        loss: takes logits and (target, known).
        weight: factor in the sum.
        channels: which channels it sees; all when not given.
    """

    def __init__(self, name: str, loss: nn.Module, weight: float = 1.0, channels: Sequence[int] | None = None) -> None:
        super().__init__()
        self.name, self.weight = str(name), float(weight)
        self.loss = loss if channels is None else OnChannels(loss, channels)

    def forward(self, prediction: torch.Tensor, truth: Truth) -> torch.Tensor:
        """The scalar loss, without the weight."""
        return self.loss(prediction, truth)


class WeightedSum(nn.Module):
    """Sum of weight times loss over the parts; `parts` has each one's value at the last call, unweighted and detached.

    In a config: {"_target_": "scripts.losses.WeightedSum", "terms": [{"_target_": "scripts.losses.LossTerm", "name":
    "binary_dice", "weight": 0.5, "channels": [0], "loss": {"_target_": "scripts.losses.SoftDice"}}, ...]}.

    Args:
        terms: at least one, each with a name of its own.

    Raises:
        ValueError: no terms, or a name given twice.

    Example:
        >>> from scripts.losses import TanhMSE
        >>> target, known = torch.ones(1, 3, 1, 2, 2), torch.ones(1, 3, 1, 2, 2, dtype=torch.bool)
        >>> loss = WeightedSum([LossTerm("distance_mse", TanhMSE(), weight=5.0, channels=[2])])
        >>> loss(torch.zeros_like(target), (target, known)).item(), loss.parts["distance_mse"].item()
        (5.0, 1.0)
    """

    def __init__(self, terms: Sequence[LossTerm]) -> None:
        super().__init__()
        names = [term.name for term in terms]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"terms are named {names}; there must be at least one, each with a name of its own")
        self.terms = nn.ModuleList(terms)
        self.weights = {term.name: term.weight for term in terms}
        self.parts: dict[str, torch.Tensor] = {}

    def forward(self, prediction: torch.Tensor, truth: Truth) -> torch.Tensor:
        """Scalar loss of logits (B, C, Z, Y, X) against (target, known) of that shape."""
        values = dict(zip(self.weights, [term(prediction, truth) for term in self.terms], strict=True))
        self.parts = {name: value.detach() for name, value in values.items()}
        return torch.stack([self.weights[name] * value for name, value in values.items()]).sum()
