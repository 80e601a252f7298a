"""One optimizer step: the iteration function of the training engine."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from monai.engines.utils import IterationEvents
from torch.nn.parallel import DistributedDataParallel

from scripts.engines.prepare_batch import split_batch


class TrainingStep:
    """Forward, backward and step for one batch, for `SupervisedTrainer(iteration_update=...)`.

    One iteration of the engine is one step of the optimizer. With accumulation the process's share of the batch goes
    through the network in that many parts, one after the other; the gradient, so the loss curve, is that of the
    undivided batch. The loss handed on is the mean over all processes. Where the loss function has `.parts`, the terms
    of its last value by name, they are averaged in the same way and handed on with it.

    Args:
        accumulation: parts that the batch is cut into.
        clip: largest gradient norm; none when null.
    """

    def __init__(self, accumulation: int = 1, clip: float | None = None) -> None:
        if accumulation < 1:
            raise ValueError(f"accumulation {accumulation} is not a whole number of at least 1")
        self.accumulation = accumulation
        self.clip = clip

    def __call__(self, engine: Any, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Returns {"loss": scalar}, and {"parts": {name: scalar}} where there are any: detached, on the device."""
        engine.network.train()
        engine.optimizer.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=engine.state.device)
        parts: dict[str, torch.Tensor] = {}
        for number, part in enumerate(split_batch(batch, self.accumulation), start=1):
            with _gradients_kept_local(engine.network, number < self.accumulation):
                loss += self._backward(engine, part)
            for name, value in (getattr(engine.loss_function, "parts", None) or {}).items():
                parts[name] = parts.get(name, 0) + value.detach().to(loss) / self.accumulation
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_(engine.network.parameters(), self.clip)
        engine.optimizer.step()
        mean = mean_over_processes(torch.stack([loss, *parts.values()]))
        output: dict[str, Any] = {"loss": mean[0]}
        if parts:
            output["parts"] = dict(zip(parts, mean[1:], strict=True))
        engine.state.output = output
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return output

    def _backward(self, engine: Any, part: Mapping[str, Any]) -> torch.Tensor:
        image, target, arguments, keywords = engine.prepare_batch(
            part, engine.state.device, engine.non_blocking, **engine.to_kwargs
        )
        prediction = engine.inferer(image, engine.network, *arguments, **keywords)
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        loss = engine.loss_function(prediction, target) / self.accumulation
        engine.fire_event(IterationEvents.LOSS_COMPLETED)
        loss.backward()
        engine.fire_event(IterationEvents.BACKWARD_COMPLETED)
        part_loss: torch.Tensor = loss.detach()
        return part_loss


def mean_over_processes(value: torch.Tensor) -> torch.Tensor:
    """The mean of a tensor over all processes; the tensor itself where there is one process."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return value
    dist.all_reduce(value)
    return value / dist.get_world_size()


def _gradients_kept_local(network: torch.nn.Module, wanted: bool) -> AbstractContextManager[Any]:
    """Skip the exchange of gradients for all parts of a batch but the last."""
    wrapped = getattr(network, "_orig_mod", network)
    return wrapped.no_sync() if wanted and isinstance(wrapped, DistributedDataParallel) else nullcontext()
