"""Freeze the pre-trained encoder for the first iterations, while the new decoder learns."""

from typing import Any

import torch
from ignite.engine import Engine
from monai.engines.utils import IterationEvents


class FreezeEncoder:
    """Leave the encoder's weights as they are, to the bit, for the first iterations; then train all.

    The encoder's gradients are dropped between backward and step. torch's optimizers skip a parameter without
    a gradient, so weight decay and momentum do not move it either, and gradient clipping, which comes after, takes
    the decoder alone. Backward still goes through the encoder: so several processes exchange the same gradients
    at every iteration, and a compiled network stays as it is. Needs no state: a resumed run knows its iteration.

    Args:
        network: with an attribute `encoder` if it is to be frozen; the plain one, neither compiled nor wrapped for
            several processes.
        iterations: optimizer steps, counted from the start of the run, that leave the encoder alone; 0: none.

    Raises:
        ValueError: fewer than 0 iterations, or a network without an encoder.

    Example::

        FreezeEncoder(network, iterations=1000).attach(trainer)
    """

    def __init__(self, network: torch.nn.Module, iterations: int) -> None:
        if iterations < 0:
            raise ValueError(f"iterations {iterations} of a frozen encoder must be 0 or more")
        encoder = getattr(network, "encoder", None)
        if iterations and not isinstance(encoder, torch.nn.Module):
            raise ValueError(
                f"{type(network).__name__} has no `encoder` to freeze: give the plain network of an architecture with "
                "one, or freeze 0"
            )
        self.encoder, self.iterations = encoder, iterations

    def attach(self, engine: Engine) -> None:
        """Act after each backward of a training engine (`TrainingStep`, or MONAI's own trainer), before its step."""
        if self.iterations:
            engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        """Drop the encoder's gradients while the engine's iteration, counted from 1, is one of the first."""
        if self.encoder is not None and engine.state.iteration <= self.iterations:
            self.encoder.zero_grad(set_to_none=True)
