"""Score the network on held-out boxes during training."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.metrics import Loss
from monai.engines import Evaluator
from monai.handlers import from_engine

from scripts.checkpoints.best_checkpoint import BestCheckpoint
from scripts.handlers.metric_logger import MetricLogger
from scripts.metrics.decoder_search import DecoderSearch
from scripts.ops.scoring.scores import directed_scores, headlines

VAL_LOSS = "val_loss"


class ValidationLoss(Loss):
    """The loss, averaged over batches of one size and over all processes.

    Args:
        loss: a callable on prediction and target.
        device: of the sums; that of the network.

    Example::

        SupervisedEvaluator(..., key_val_metric={"val_loss": ValidationLoss(loss)})
    """

    def __init__(self, loss: Callable[..., torch.Tensor], device: str | torch.device = "cpu") -> None:
        super().__init__(
            loss,
            output_transform=from_engine(["pred", "label"]),
            batch_size=_crops,
            device=device,
        )


class Validation:
    """Run a validator before the first iteration, every `interval` iterations, and after the last one.

    Unlike MONAI's ValidationHandler it can run before training, decodes boxes with a search over settings, keeps the
    best checkpoint by the result, and has a state for resuming.

    The key score decides which network is kept as the best; of equal ones the later, and never the untrained one. With
    a `decoder_search` the boxes are decoded: all scores are logged as val_NAME, the key score first, and the chosen
    settings as chosen_SETTING.

    With several processes each validates its own share; a process whose share of the boxes is empty only takes part in
    the sums. So the loader of process r holds items r, r + processes, ... (a `torch.utils.data.Subset`), of which
    there may be none.

    Args:
        validator: a MONAI evaluator, with the metric "val_loss", or with the decoder_search.
        interval: iterations between two validations.
        metric_logger: receives the scores.
        save_best: called at each new best; null to keep none.
        decoder_search: the metric that decodes and scores the validator's boxes; null where the loss decides.
        loss_validator: with a decoder_search, a second evaluator, whose "val_loss" is logged too; null for none.
        untrained: whether to validate before the first iteration too.

    Example::

        save_best = BestCheckpoint(RunFolder("runs/a"), network, recipe)
        Validation(evaluator, 5000, metric_logger, save_best, decoder_search=decoder_search).attach(trainer)
    """

    def __init__(
        self,
        validator: Evaluator,
        interval: int,
        metric_logger: MetricLogger,
        save_best: BestCheckpoint | None = None,
        decoder_search: DecoderSearch | None = None,
        loss_validator: Evaluator | None = None,
        untrained: bool = True,
    ) -> None:
        self.validator, self.interval, self.metric_logger, self.save_best = (
            validator,
            interval,
            metric_logger,
            save_best,
        )
        self.decoder_search, self.loss_validator, self.untrained = decoder_search, loss_validator, untrained
        self.key = VAL_LOSS if decoder_search is None else f"val_{decoder_search.metric}"
        self.lower_is_better = decoder_search is None or directed_scores()[decoder_search.metric]
        self.best: float | None = None
        self.best_iteration: int | None = None

    def attach(self, engine: Engine) -> None:
        """Attach to a training engine, after the metric logger and before the handler that saves checkpoints."""
        engine.add_event_handler(Events.STARTED, self._before_the_first)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._after_an_iteration)

    def measure(self, iteration: int) -> float:
        """Validate now, and return the key score."""
        scores = self._losses() if self.decoder_search is None else self._decoded(self.decoder_search)
        key = scores[self.key]
        self.metric_logger.log(iteration, scores)
        if iteration > 0 and self._is_best(key):
            self.best, self.best_iteration = key, iteration
            if self.save_best is not None:
                self.save_best(iteration, scores, None if self.decoder_search is None else self.decoder_search.chosen)
        self.metric_logger.restart_clock()
        return key

    def state_dict(self) -> dict[str, Any]:
        """State for the checkpoint, with the chosen decoder."""
        decoder = None if self.decoder_search is None else self.decoder_search.chosen
        return {"best": self.best, "best_iteration": self.best_iteration, "decoder": decoder, "key": self.key}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state.

        Raises:
            ValueError: its best score is another one than the key score, so that the two cannot be compared.
        """
        chosen_by = state.get("key", self.key)
        if chosen_by != self.key:
            name = str(chosen_by).removeprefix("val_")
            raise ValueError(
                f"its best network has the best {name}, not {self.key.removeprefix('val_')}: resume with --key_score "
                f"{name}, or choose a new --output_dir"
            )
        self.best, self.best_iteration = state["best"], state.get("best_iteration")
        if self.decoder_search is not None:
            self.decoder_search.chosen = state.get("decoder")

    def _losses(self) -> dict[str, float]:
        self.validator.run()
        return {VAL_LOSS: float(self.validator.state.metrics[VAL_LOSS])}

    def _decoded(self, decoder_search: DecoderSearch) -> dict[str, float]:
        """Return the key score, the loss, the chosen settings, and all other scores of the boxes."""
        if _length(self.validator):
            self.validator.run()
            found = {name: float(self.validator.state.metrics[name]) for name in decoder_search.scores}
            self.validator.state.output = self.validator.state.batch = None  # the boxes' maps are large
        else:
            decoder_search.reset()
            found = decoder_search.compute()
        scores = {self.key: found[decoder_search.metric]}
        if self.loss_validator is not None:
            self.loss_validator.run()
            scores[VAL_LOSS] = float(self.loss_validator.state.metrics[VAL_LOSS])
        scores |= {f"chosen_{name}": value for name, value in decoder_search.varied.items()}
        first = [
            s.name
            for s in headlines()
            if s.name in found and s.better == ("lower" if self.lower_is_better else "higher")
        ]
        return scores | {f"val_{name}": found[name] for name in (*first, *found) if f"val_{name}" != self.key}

    def _is_best(self, key: float) -> bool:
        """A score that is not a number is the worst."""
        if self.best is None or math.isnan(self.best):
            return True
        return key <= self.best if self.lower_is_better else key >= self.best

    def _before_the_first(self, engine: Engine) -> None:
        if self.untrained and engine.state.iteration == 0:
            self.measure(0)

    def _after_an_iteration(self, engine: Engine) -> None:
        iteration = int(engine.state.iteration)
        if iteration % self.interval == 0 or iteration == engine.state.epoch_length:
            self.measure(iteration)


def _crops(target: tuple[Any, ...]) -> int:
    """Number of crops of a target (image, mask)."""
    return len(target[0])


def _length(validator: Evaluator) -> int:
    """Batches of a validator's loader."""
    return len(validator.data_loader)  # type: ignore[arg-type]
