"""Ctrl-C and SIGTERM end training after the iteration at hand, with a checkpoint."""

import os
import signal
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from ignite.engine import Engine, Events


class Interrupt:
    """Ask the engine to end when a signal comes; a second one, or one before iteration 1, ends the program at once.

    With several processes all of them end after the same iteration, whichever received the signal. `leave` ends the
    program with 128 + the signal's number (130 after Ctrl-C, 143 after SIGTERM), as shells expect.

    Args:
        resume_hint: what to type to go on.
    """

    def __init__(self, resume_hint: str = "--resume true") -> None:
        self.resume_hint = resume_hint
        self.received = 0
        self._before: dict[int, Any] = {}
        self._process = os.getpid()

    def attach(self, engine: Engine) -> None:
        """Listen for signals while the engine runs; attach before what saves checkpoints."""
        engine.add_event_handler(Events.STARTED, self._listen)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._end_if_asked)
        engine.add_event_handler(Events.COMPLETED, self._deafen)

    def leave(self) -> None:
        """End the program where a signal ended training; else do nothing."""
        if self.received:
            raise SystemExit(128 + self.received)

    def _listen(self, engine: Engine) -> None:
        self._process, self._engine = os.getpid(), engine
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # a worker that prepares data: its parent ends it
            return
        if self._engine.state.iteration == 0:
            print("\nnothing was trained yet, so nothing is saved", flush=True)
            self._end_at_once(number, frame)
        self.received = number
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        print(f"\n{name}: finishing this iteration, then saving. Once more ends at once, without saving.", flush=True)
        for each in self._before:
            signal.signal(each, self._end_at_once)

    def _end_at_once(self, number: int, frame: FrameType | None) -> None:
        """End the program, also where the shell had it ignore Ctrl-C, as it does in the background."""
        if os.getpid() == self._process:
            self._deafen()
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    def _end_if_asked(self, engine: Engine) -> None:
        self.received = _largest_over_processes(self.received)
        if self.received and engine.state.iteration < (engine.state.epoch_length or 0):
            engine.terminate()

    def _deafen(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


def _largest_over_processes(value: int) -> int:
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return value
    largest = torch.tensor(value)
    dist.all_reduce(largest, op=dist.ReduceOp.MAX)
    return int(largest)
