"""Make one optimizer step: the iteration function of the training engine."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from monai.engines.utils import IterationEvents
from torch.nn.parallel import DistributedDataParallel

from scripts.engines.prepare_batch import microbatches


class TrainingStep:
    """Forward, backward and step for one batch, for `SupervisedTrainer(iteration_update=...)`.

    One iteration of the engine is one step of the optimizer. With accumulation the process's share of the batch is
    divided into that many microbatches, which pass the network one after the other; gradient and loss curve are those
    of the undivided batch. The loss returned is the mean over all processes. Where the loss function has `.parts`,
    the terms of its last value by name, they are averaged in the same way and returned with it.

    Args:
        accumulation: microbatches of a step.
        clip: largest gradient norm; none when null.

    Example::

        trainer = SupervisedTrainer(..., iteration_update=TrainingStep(accumulation=2, clip=1.0))
    """

    def __init__(self, accumulation: int = 1, clip: float | None = None) -> None:
        if accumulation < 1:
            raise ValueError(f"accumulation {accumulation} is not a whole number of at least 1")
        self.accumulation = accumulation
        self.clip = clip

    def __call__(self, engine: Any, batch: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return [{"loss": scalar}], with "parts": {name: scalar} where the loss has terms: detached, on the device.

        The list is that of MONAI's decollated output, which its handlers read, such as those of `--tracking`.
        """
        engine.network.train()
        engine.optimizer.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=engine.state.device)
        terms: dict[str, torch.Tensor] = {}
        for number, microbatch in enumerate(microbatches(batch, self.accumulation), start=1):
            with _gradients_kept_local(engine.network, number < self.accumulation):
                loss += self._backward(engine, microbatch)
            for name, value in (getattr(engine.loss_function, "parts", None) or {}).items():
                terms[name] = terms.get(name, 0) + value.detach().to(loss) / self.accumulation
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_(engine.network.parameters(), self.clip)
        engine.optimizer.step()
        mean = mean_over_processes(torch.stack([loss, *terms.values()]))
        output: dict[str, Any] = {"loss": mean[0]}
        if terms:
            output["parts"] = dict(zip(terms, mean[1:], strict=True))
        engine.state.output = [output]
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return [output]

    def _backward(self, engine: Any, microbatch: Mapping[str, Any]) -> torch.Tensor:
        image, target, arguments, keywords = engine.prepare_batch(
            microbatch, engine.state.device, engine.non_blocking, **engine.to_kwargs
        )
        prediction = engine.inferer(image, engine.network, *arguments, **keywords)
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        loss = engine.loss_function(prediction, target) / self.accumulation
        engine.fire_event(IterationEvents.LOSS_COMPLETED)
        loss.backward()
        engine.fire_event(IterationEvents.BACKWARD_COMPLETED)
        share: torch.Tensor = loss.detach()
        return share


def mean_over_processes(value: torch.Tensor) -> torch.Tensor:
    """Return the mean of a tensor over all processes; the tensor itself where there is one process."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return value
    dist.all_reduce(value)
    return value / dist.get_world_size()


def _gradients_kept_local(network: torch.nn.Module, wanted: bool) -> AbstractContextManager[Any]:
    """Skip the exchange of gradients for all microbatches but the last."""
    wrapped = getattr(network, "_orig_mod", network)
    return wrapped.no_sync() if wanted and isinstance(wrapped, DistributedDataParallel) else nullcontext()
