"""The loss on held-out crops, measured while training goes on."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.metrics import Loss
from monai.engines import Evaluator
from monai.handlers import from_engine

from scripts.handlers.best_checkpoint import BestCheckpoint
from scripts.handlers.records import Recorder

VAL_LOSS = "val_loss"


class ValidationLoss(Loss):
    """The loss, averaged over batches of one size and over all processes.

    Args:
        loss: a callable on prediction and target.
        device: where sums are kept; that of the network.
    """

    def __init__(self, loss: Callable[..., torch.Tensor], device: str | torch.device = "cpu") -> None:
        super().__init__(
            loss,
            output_transform=from_engine(["pred", "label"]),
            batch_size=_crops,
            device=device,
        )


class Validate:
    """Run a validator before the first iteration, every so often, and after the last one.

    Args:
        validator: a MONAI evaluator with the metric "val_loss".
        interval: iterations between two validations.
        recorder: told of the scores.
        save_best: called at each new lowest loss; null to keep none.
    """

    def __init__(
        self, validator: Evaluator, interval: int, recorder: Recorder, save_best: BestCheckpoint | None = None
    ) -> None:
        self.validator, self.interval, self.recorder, self.save_best = validator, interval, recorder, save_best
        self.best: float | None = None

    def attach(self, engine: Engine) -> None:
        """Listen to a training engine; attach after the recorder and before what saves checkpoints."""
        engine.add_event_handler(Events.STARTED, self._before_the_first)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._after_an_iteration)

    def measure(self, iteration: int) -> float:
        """Validate now."""
        self.validator.run()
        val_loss = float(self.validator.state.metrics[VAL_LOSS])
        self.recorder.validation(iteration, {VAL_LOSS: val_loss})
        if self.best is None or val_loss < self.best:
            self.best = val_loss
            if self.save_best is not None and iteration > 0:
                self.save_best(iteration, val_loss)
        self.recorder.restart_clock()
        return val_loss

    def state_dict(self) -> dict[str, float | None]:
        """For the checkpoint."""
        return {"best": self.best}

    def load_state_dict(self, state: Mapping[str, float | None]) -> None:
        """From the checkpoint."""
        self.best = state["best"]

    def _before_the_first(self, engine: Engine) -> None:
        if engine.state.iteration == 0:
            self.measure(0)

    def _after_an_iteration(self, engine: Engine) -> None:
        iteration = int(engine.state.iteration)
        if iteration % self.interval == 0 or iteration == engine.state.epoch_length:
            self.measure(iteration)


def lower_is_better(now: float, best: float) -> bool:
    """For `metric_cmp_fn` of a MONAI engine whose key metric is an error."""
    return now < best


def _crops(target: tuple[Any, ...]) -> int:
    """Number of crops of a target (image, mask)."""
    return len(target[0])
