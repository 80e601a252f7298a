"""The processes of the steps that run: noted on disk, and ended together when their experiment is stopped."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO

import psutil

RUNNING = "running"
"""Folder in that of an experiment, with a file for each step that runs: its host, its process and when it began."""
GRACE = 120.0
"""Seconds from the request to end until a step is killed; a training completes an iteration and saves."""


def run_process(words: Sequence[str], output: IO[str], environment: Mapping[str, str], folder: Path, name: str) -> int:
    """Run a command of a step and return its exit code.

    It has a session of its own, so that Ctrl-C in a terminal does not reach it a second time: a second one ends a
    training without saving.

    Args:
        words: the command.
        output: takes what it prints.
        environment: variables in addition to those of this process.
        folder: of the experiment.
        name: of the step.
    """
    process = subprocess.Popen(
        words, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **environment}, start_new_session=True
    )
    note = folder / RUNNING / name
    note.parent.mkdir(parents=True, exist_ok=True)
    try:
        note.write_text(f"{socket.gethostname()} {process.pid} {psutil.Process(process.pid).create_time()}")
        code = process.wait()
    except psutil.NoSuchProcess:  # it ended at once
        code = process.wait()
    note.unlink(missing_ok=True)
    return code


def end_processes(folder: Path) -> None:
    """Send Ctrl-C once to all steps of an experiment that run on this machine, and wait for their end.

    A step whose worker has ended is found by its note too.
    """
    found = []
    for note in (folder / RUNNING).glob("*"):
        host, number, began = note.read_text().split()
        if host != socket.gethostname():
            continue  # it may still run there
        try:
            process = psutil.Process(int(number))
            if process.create_time() == float(began):
                process.send_signal(signal.SIGINT)
                found.append(process)
        except psutil.NoSuchProcess:
            pass
        note.unlink(missing_ok=True)
    deadline = time.monotonic() + GRACE
    while (found := [process for process in found if _lives(process)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in found:
        process.kill()


def _lives(process: psutil.Process) -> bool:
    """Whether a process has not ended; its exit code stays for the one that started it."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@contextmanager
def ended_together(folder: Path) -> Iterator[None]:
    """End all steps of an experiment when the body is left by an error, Ctrl-C, SIGTERM or a closed terminal."""

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    numbers = (signal.SIGTERM, signal.SIGHUP) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    except BaseException:
        end_processes(folder)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
