"""Record each optimizer step and send the record to log sinks, without making the GPU wait for the host."""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events

from scripts.handlers.sinks.log_sink import LogSink, StepRecord

KEPT = ("image", "region", "corner", "index", "skipped")
"""Keys of a batch that a record keeps: enough to name the location of a bad crop."""


class MetricLogger:
    """Record each optimizer step and send the record to the sinks, in their order.

    On a GPU the loss of a step is read after the next step has been queued, so that the device never waits for the
    host; `flush` catches up.

    Args:
        optimizer: its learning rate is recorded.
        samples: crops of one step, all processes.
        sinks: receive the records; null entries are left out, so that a config can disable one.

    Example::

        logger = MetricLogger(optimizer, samples=24, sinks=[JsonlLog("runs/a/log.jsonl"), Progress()])
        logger.attach(trainer)
        trainer.run()
        logger.flush()
        logger.close()
    """

    def __init__(self, optimizer: torch.optim.Optimizer, samples: int, sinks: Sequence[LogSink | None]) -> None:
        self.optimizer = optimizer
        self.samples = samples
        self.sinks = [sink for sink in sinks if sink is not None]
        self.elapsed = 0.0
        self._pending: deque[tuple[Any, ...]] = deque()

    def attach(self, engine: Engine) -> None:
        """Record the steps of a training engine; attach before the learning-rate schedule."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.GET_BATCH_STARTED, self._start_waiting)
        engine.add_event_handler(Events.GET_BATCH_COMPLETED, self._stop_waiting)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._record)

    def log(self, iteration: int, scores: Mapping[str, float]) -> None:
        """Send validation scores to the sinks, after the records of all earlier steps."""
        self._send(0)
        for sink in self.sinks:
            sink.on_scores(iteration, scores)
        self._clock = time.perf_counter()

    def flush(self) -> None:
        """Send the pending records, and have the sinks write them to disk."""
        self._send(0)
        for sink in self.sinks:
            sink.flush()

    def close(self) -> None:
        """Close all sinks; pending records are lost, so flush first."""
        for sink in self.sinks:
            sink.close()

    def restart_clock(self) -> None:
        """Exclude the time since the last step from the next record: validation, saving, drawing."""
        self._clock = time.perf_counter()

    def state_dict(self) -> dict[str, float]:
        """State for the checkpoint."""
        return {"elapsed": self.elapsed}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Restore the state from the checkpoint."""
        self.elapsed = float(state["elapsed"])

    def _start(self, engine: Engine) -> None:
        self._waiting = 0.0
        for sink in self.sinks:
            sink.on_start(engine.state.iteration, int(engine.state.epoch_length or 0))
        self._clock = time.perf_counter()

    def _start_waiting(self) -> None:
        self._waiting_since = time.perf_counter()

    def _stop_waiting(self) -> None:
        self._waiting += time.perf_counter() - self._waiting_since

    def _record(self, engine: Engine) -> None:
        now = time.perf_counter()
        seconds = now - self._clock
        self.elapsed += seconds
        lr = float(self.optimizer.param_groups[0]["lr"])
        state: Any = engine.state
        batch = {key: value for key, value in state.batch.items() if key in KEPT}
        terms: Mapping[str, torch.Tensor] = state.output[0].get("parts", {})
        losses, ready = _to_host(torch.stack([state.output[0]["loss"], *terms.values()]).detach())
        self._pending.append(
            (engine.state.iteration, losses, tuple(terms), ready, lr, seconds, self._waiting, self.elapsed, batch)
        )
        self._send(0 if ready is None else 1)
        self._waiting = 0.0
        self._clock = now

    def _send(self, keep: int) -> None:
        """Send pending records, all but the newest `keep`."""
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
                terms=dict(zip(names, terms, strict=True)),
            )
            for sink in self.sinks:
                sink.on_step(record)


def _to_host(losses: torch.Tensor) -> tuple[torch.Tensor, Any]:
    """Start the copy of a few numbers to the host; on a GPU also the event that completes with it."""
    if losses.device.type != "cuda":
        return losses, None
    host = torch.empty(losses.shape, dtype=losses.dtype, pin_memory=True)
    host.copy_(losses, non_blocking=True)
    ready = torch.cuda.Event()
    ready.record()
    return host, ready
