"""Muon for the matrices of transformer blocks, AdamW for all other parameters, as one optimizer."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import nn

from scripts.optimizers.parameter_groups import parameter_groups

MOMENTUM, ITERATIONS = 0.95, 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of Muon and its Newton-Schulz iteration (K. Jordan 2024, https://kellerjordan.github.io/posts/muon)."""


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


class Muon(torch.optim.Optimizer):
    """Step along the orthogonalized momentum of each matrix; the step has the size of AdamW's (arXiv:2502.16982).

    `torch.optim.Muon` with `adjust_lr_fn="match_rms_adamw"`, but for the precision: that computes in bfloat16, which
    takes most of a step on a processor without bf16 instructions; here it is so on a GPU alone.

    Args:
        groups: of matrices.
        lr: learning rate.
        weight_decay: decoupled, as AdamW's.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float, weight_decay: float) -> None:
        super().__init__(groups, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make one step; matrices without a gradient keep their values."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is not None:
                    self._step(matrix, matrix.grad, group["lr"], group["weight_decay"])
        return loss

    def _step(self, matrix: nn.Parameter, gradient: torch.Tensor, lr: float, weight_decay: float) -> None:
        state = self.state[matrix]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        momentum = state["momentum_buffer"].lerp_(gradient, 1 - MOMENTUM)
        direction = orthogonalized(gradient.lerp(momentum, MOMENTUM))
        matrix.mul_(1 - lr * weight_decay)
        matrix.add_(direction, alpha=-lr * 0.2 * math.sqrt(max(matrix.shape)))


def orthogonalized(matrix: torch.Tensor) -> torch.Tensor:
    """(rows, columns) to about the nearest matrix whose singular values are all 1; they end between 0.7 and 1.2."""
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    wide = wide.to(torch.bfloat16 if matrix.is_cuda else torch.float32)
    wide = wide / wide.norm().clamp(min=1e-7)
    rows, columns = wide.shape
    by_gram = wide.dtype == torch.float32 and columns >= 2 * rows
    wide = _iterated_by_gram(wide) if by_gram else _iterated(wide)
    return (wide.T if matrix.shape[0] > matrix.shape[1] else wide).to(matrix.dtype)


def _iterated(wide: torch.Tensor) -> torch.Tensor:
    """(rows, columns) after the Newton-Schulz iterations."""
    a = COEFFICIENTS[0]
    for _ in range(ITERATIONS):
        wide = torch.addmm(wide, _even_terms(wide @ wide.T), wide, beta=a)
    return wide


def _iterated_by_gram(wide: torch.Tensor) -> torch.Tensor:
    """The same by (rows, rows) matrices alone, which commute; faster where there are many columns."""
    a = COEFFICIENTS[0]
    gram = wide @ wide.T
    factor = _even_terms(gram)
    factor.diagonal().add_(a)
    product = factor
    for _ in range(ITERATIONS - 1):
        gram = factor @ gram @ factor
        factor = _even_terms(gram)
        factor.diagonal().add_(a)
        product = factor @ product
    return product @ wide


def _even_terms(gram: torch.Tensor) -> torch.Tensor:
    """b G + c G G of a (rows, rows) product G."""
    _, b, c = COEFFICIENTS
    return torch.addmm(gram, gram, gram, beta=b, alpha=c)


class MuonAdamW(torch.optim.Optimizer):
    """Muon for the matrices in transformer blocks; AdamW for embeddings, norms, biases, heads.

    Muon's steps are scaled to the size of AdamW's, so one learning rate and weight decay serve both. State and groups
    are saved and loaded as those of any optimizer.

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
        self.muon = Muon([{"name": "matrices of blocks", "params": hidden}], lr, weight_decay)
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
