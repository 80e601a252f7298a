"""The record of each iteration, and the listeners that print it, plot it, write it down or judge it."""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from ignite.engine import Engine, Events


@dataclass(frozen=True)
class StepRecord:
    """One optimizer step.

    Args:
        iteration: counted from 1.
        loss: mean over the whole batch, all processes.
        learning_rate: the one this step was made with.
        samples: crops of this step, all processes.
        seconds: wall time since the step before.
        waiting: the part of it that went into waiting for data.
        elapsed: wall seconds of training since iteration 1, earlier parts of a resumed run included.
        batch: the crops of this process, to say where a bad one lies.
        parts: the terms of the loss by name, where it is a sum.
    """

    iteration: int
    loss: float
    learning_rate: float
    samples: int
    seconds: float
    waiting: float
    elapsed: float
    batch: Mapping[str, Any]
    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def samples_per_second(self) -> float:
        """Crops a second of this step alone."""
        return self.samples / self.seconds if self.seconds > 0 else 0.0


class LogSink:
    """What a listener may hear; each method does nothing unless overridden."""

    def begin(self, start: int, iterations: int) -> None:
        """Training begins after iteration `start` and goes on to `iterations`."""

    def training(self, record: StepRecord) -> None:
        """An iteration was completed."""

    def validation(self, iteration: int, scores: Mapping[str, float]) -> None:
        """Scores on the validation box, by name."""

    def flush(self) -> None:
        """Everything heard so far must be safe on the disk: a checkpoint follows."""

    def close(self) -> None:
        """Training ended, or failed."""


class MetricLogger:
    """Make a record of each iteration and tell the listeners, in their order.

    On a GPU the loss of an iteration is read when the next one has been queued, so that the device never waits for the
    host; `flush` catches up.

    Args:
        optimizer: whose learning rate is recorded.
        samples: crops of one step, all processes.
        listeners: who hears of it; null is left out, so that a config can disable one.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, samples: int, listeners: Sequence[LogSink | None]) -> None:
        self.optimizer = optimizer
        self.samples = samples
        self.listeners = [listener for listener in listeners if listener is not None]
        self.elapsed = 0.0
        self._pending: deque[tuple[Any, ...]] = deque()

    def attach(self, engine: Engine) -> None:
        """Listen to a training engine; to be attached before the learning-rate schedule."""
        engine.add_event_handler(Events.STARTED, self._begin)
        engine.add_event_handler(Events.GET_BATCH_STARTED, self._ask)
        engine.add_event_handler(Events.GET_BATCH_COMPLETED, self._receive)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._record)

    def validation(self, iteration: int, scores: Mapping[str, float]) -> None:
        """Pass validation scores on, after the records of the iterations before them."""
        self._tell(0)
        for listener in self.listeners:
            listener.validation(iteration, scores)
        self._clock = time.perf_counter()

    def flush(self) -> None:
        """Tell what is pending, and have the listeners put it on the disk."""
        self._tell(0)
        for listener in self.listeners:
            listener.flush()

    def close(self) -> None:
        """End all listeners; what is still pending is lost, so flush first."""
        for listener in self.listeners:
            listener.close()

    def restart_clock(self) -> None:
        """Leave out of the next record what happened until now: validation, saving, drawing."""
        self._clock = time.perf_counter()

    def state_dict(self) -> dict[str, float]:
        """For the checkpoint."""
        return {"elapsed": self.elapsed}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """From the checkpoint."""
        self.elapsed = float(state["elapsed"])

    def _begin(self, engine: Engine) -> None:
        self._waiting = 0.0
        for listener in self.listeners:
            listener.begin(engine.state.iteration, int(engine.state.epoch_length or 0))
        self._clock = time.perf_counter()

    def _ask(self) -> None:
        self._asked = time.perf_counter()

    def _receive(self) -> None:
        self._waiting += time.perf_counter() - self._asked

    def _record(self, engine: Engine) -> None:
        now = time.perf_counter()
        seconds = now - self._clock
        self.elapsed += seconds
        lr = float(self.optimizer.param_groups[0]["lr"])
        state: Any = engine.state
        batch = {key: value for key, value in state.batch.items() if key in ("image", "region", "corner", "index")}
        parts: Mapping[str, torch.Tensor] = state.output.get("parts", {})
        losses, ready = _to_host(torch.stack([state.output["loss"], *parts.values()]).detach())
        self._pending.append(
            (engine.state.iteration, losses, tuple(parts), ready, lr, seconds, self._waiting, self.elapsed, batch)
        )
        self._tell(0 if ready is None else 1)
        self._waiting = 0.0
        self._clock = now

    def _tell(self, keep: int) -> None:
        while len(self._pending) > keep:
            iteration, losses, names, ready, lr, seconds, waiting, elapsed, batch = self._pending.popleft()
            if ready is not None:
                ready.synchronize()
            loss, *terms = losses.tolist()
            record = StepRecord(
                iteration=iteration,
                loss=loss,
                learning_rate=lr,
                samples=self.samples,
                seconds=round(seconds, 6),
                waiting=round(waiting, 6),
                elapsed=round(elapsed, 3),
                batch=batch,
                parts=dict(zip(names, terms, strict=True)),
            )
            for listener in self.listeners:
                listener.training(record)


def _to_host(losses: torch.Tensor) -> tuple[torch.Tensor, Any]:
    """Start the copy of a few numbers to the host; the event, if any, says when they are there."""
    if losses.device.type != "cuda":
        return losses, None
    host = torch.empty(losses.shape, dtype=losses.dtype, pin_memory=True)
    host.copy_(losses, non_blocking=True)
    ready = torch.cuda.Event()
    ready.record()
    return host, ready
