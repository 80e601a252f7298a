"""Muon for the matrices of transformer blocks, AdamW for all other parameters, as one optimizer."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from scripts.optimizers.parameter_groups import parameter_groups

MOMENTUM = 0.95
"""Of Muon, as its author has it (K. Jordan 2024, https://kellerjordan.github.io/posts/muon)."""


def pretraining_optimizer(
    name: str, network: nn.Module, lr: float, weight_decay: float, betas: Sequence[float]
) -> torch.optim.Optimizer:
    """Build the optimizer of a pre-training.

    Args:
        name: "adamw", or "muon" for `MuonAdamW`.
        network: the plain network, neither compiled nor wrapped for several processes.
        lr: learning rate.
        weight_decay: of matrices.
        betas: of AdamW.

    Raises:
        ValueError: another name; muon for a network without transformer blocks.
    """
    chosen = (float(betas[0]), float(betas[1]))
    if name == "adamw":
        return torch.optim.AdamW(parameter_groups(network, weight_decay), lr=lr, betas=chosen, fused=True)
    if name == "muon":
        return MuonAdamW(network, lr, weight_decay, chosen)
    raise ValueError(f"optimizer_name '{name}' is not one of adamw, muon")


class MuonAdamW(torch.optim.Optimizer):
    """Muon (`torch.optim.Muon`) for the matrices in transformer blocks; AdamW for embeddings, norms, biases, heads.

    Muon's steps are scaled to the size of AdamW's (Liu et al. 2025, arXiv:2502.16982), so one learning rate and weight
    decay serve both. State and groups are saved and loaded as those of any optimizer.

    Args:
        network: the plain network; blocks are the members of its module lists whose names end in `blocks`.
        lr: learning rate.
        weight_decay: of matrices; norms, biases and every other 1-D parameter do not decay.
        betas: of AdamW.

    Raises:
        ValueError: a network without matrices in blocks.
    """

    def __init__(
        self, network: nn.Module, lr: float, weight_decay: float = 0.05, betas: tuple[float, float] = (0.9, 0.95)
    ) -> None:
        hidden = block_matrices(network)
        if not hidden:
            raise ValueError(
                f"optimizer_name muon is for the matrices of transformer blocks, which {type(network).__name__} has "
                "not; use --optimizer_name adamw"
            )
        in_blocks = {id(matrix) for matrix in hidden}
        others = [
            {**group, "params": [p for p in group["params"] if id(p) not in in_blocks]}
            for group in parameter_groups(network, weight_decay)
        ]
        self.muon = torch.optim.Muon(
            [{"name": "matrices of blocks", "params": hidden}],
            lr=lr,
            weight_decay=weight_decay,
            momentum=MOMENTUM,
            adjust_lr_fn="match_rms_adamw",
        )
        self.adamw = torch.optim.AdamW(others, lr=lr, betas=betas, fused=True)
        super().__init__([*self.muon.param_groups, *self.adamw.param_groups], {"lr": lr})
        self._share()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make one step of both."""
        loss = self.muon.step(closure)
        self.adamw.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of both."""
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        """Let both optimizers work on the groups and the state of this one."""
        count = len(self.muon.param_groups)
        self.muon.param_groups, self.adamw.param_groups = self.param_groups[:count], self.param_groups[count:]
        self.muon.state = self.adamw.state = self.state


def block_matrices(network: nn.Module) -> list[nn.Parameter]:
    """The trained 2-D parameters in module lists whose names end in `blocks`."""
    return [
        parameter
        for name, parameter in network.named_parameters()
        if parameter.requires_grad and parameter.ndim == 2 and any(part.endswith("blocks") for part in name.split("."))
    ]
