"""Batch norm on another volume: take its averages anew, by one pass of the network over that volume."""

from collections.abc import Callable

from torch import nn


def refresh_norms(network: nn.Module, see_volume: Callable[[], object]) -> None:
    """Replace the running averages of batch norm by the mean over what the network sees, each batch alike.

    A layer's averages are those of features that its predecessors normalise by the batch, as in training. All else of
    the network stays as it is: weights, and whether a module is in training or evaluation.

    Args:
        network: in evaluation.
        see_volume: calls the network on windows of the volume, without gradients. Where it fails, the averages stay as
            they were.

    Raises:
        ValueError: a network without batch norm, or that saw nothing.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm3d)]
    if not norms:
        raise ValueError("the network has no batch norm: there is nothing to take anew")
    momentum = [each.momentum for each in norms]
    averages = [{name: value.clone() for name, value in each.named_buffers()} for each in norms]
    for each in norms:
        each.reset_running_stats()
        each.momentum = None  # the mean over all batches
        each.train()
    try:
        see_volume()
        if any(each.num_batches_tracked == 0 for each in norms):
            raise ValueError("the network saw nothing of the volume, so it has no averages: choose another box or mask")
    except BaseException:
        for each, before in zip(norms, averages, strict=True):
            for name, value in each.named_buffers():
                value.copy_(before[name])
        raise
    finally:
        for each, rate in zip(norms, momentum, strict=True):
            each.momentum = rate
            each.eval()
