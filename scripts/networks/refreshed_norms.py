"""Batch norm on another volume: take its averages anew, by one pass of the network over that volume."""

from collections.abc import Callable

from torch import nn


def refresh_norms(network: nn.Module, see_volume: Callable[[], object]) -> None:
    """Replace the running averages of batch norm by the mean over what the network sees, each batch alike.

    A layer's averages are those of features that its predecessors normalise by the batch, as in training. All else of
    the network stays as it is: weights, and whether a module is in training or evaluation.

    Args:
        network: in evaluation.
        see_volume: calls the network on windows of the volume, without gradients.

    Raises:
        ValueError: a network without batch norm.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm3d)]
    if not norms:
        raise ValueError("the network has no batch norm: there is nothing to take anew")
    momentum = [each.momentum for each in norms]
    for each in norms:
        each.reset_running_stats()
        each.momentum = None  # the mean over all batches
        each.train()
    try:
        see_volume()
    finally:
        for each, before in zip(norms, momentum, strict=True):
            each.momentum = before
            each.eval()
