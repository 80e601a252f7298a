"""End training on Ctrl-C and SIGTERM, after the current iteration and with a checkpoint."""

import logging
import os
import signal
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from ignite.engine import Engine, Events

logger = logging.getLogger(__name__)


class Interrupt:
    """Terminate the engine on a signal; a second one, or one before iteration 1, ends the program at once.

    With several processes all of them end after the same iteration, whichever received the signal. `leave` ends the
    program with 128 + the signal's number (130 after Ctrl-C, 143 after SIGTERM), as shells expect.

    Args:
        resume_hint: option that resumes.

    Example::

        interrupt = Interrupt()
        interrupt.attach(trainer)
    """

    def __init__(self, resume_hint: str = "--resume true") -> None:
        self.resume_hint = resume_hint
        self.received = 0
        self._before: dict[int, Any] = {}
        self._process = os.getpid()

    def attach(self, engine: Engine) -> None:
        """Handle signals while the engine runs; attach before the handler that saves checkpoints."""
        engine.add_event_handler(Events.STARTED, self._install_handlers)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._end_if_requested)
        engine.add_event_handler(Events.COMPLETED, self._restore_handlers)

    def leave(self) -> None:
        """End the program where a signal ended training."""
        if self.received:
            raise SystemExit(128 + self.received)

    def _install_handlers(self, engine: Engine) -> None:
        self._process, self._engine = os.getpid(), engine
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # a data worker: its parent ends it
            return
        if self._engine.state.iteration == 0:
            logger.info("\nnothing was trained yet, so nothing is saved")
            self._end_at_once(number, frame)
        self.received = number
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        logger.info(f"\n{name}: finishing this iteration, then saving. A second signal ends at once, without saving.")
        for each in self._before:
            signal.signal(each, self._end_at_once)

    def _end_at_once(self, number: int, frame: FrameType | None) -> None:
        """End the program, also where the shell made it ignore Ctrl-C, as it does in the background."""
        if os.getpid() == self._process:
            self._restore_handlers()
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    def _end_if_requested(self, engine: Engine) -> None:
        self.received = _largest_over_processes(self.received)
        if self.received and engine.state.iteration < (engine.state.epoch_length or 0):
            engine.terminate()

    def _restore_handlers(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


def _largest_over_processes(value: int) -> int:
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return value
    largest = torch.tensor(value)
    dist.all_reduce(largest, op=dist.ReduceOp.MAX)
    return int(largest)
