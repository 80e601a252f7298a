"""Steps that run are ended together, once, and so that a training can save."""

import sys
import threading
import time

import pytest

from scripts.tools.experiments.step_processes import RUNNING, end_processes, ended_together, run_process

SAVES = """
import pathlib, signal, sys, time
def save(number, frame):
    with open(sys.argv[1], "a") as file:
        file.write("saved ")
    sys.exit(130)
signal.signal(signal.SIGINT, save)
pathlib.Path(sys.argv[2]).touch()
time.sleep(60)
"""
"""Like a training: ends with a checkpoint on Ctrl-C."""


def begin(tmp_path, name, codes) -> threading.Thread:
    """Run `SAVES` as a step in a thread, which waits for it, as a worker does; returns when it can be interrupted."""
    words = [sys.executable, "-c", SAVES, str(tmp_path / f"{name}.txt"), str(tmp_path / f"{name}.ready")]

    def run() -> None:
        with (tmp_path / f"{name}.log").open("w") as output:
            codes.append(run_process(words, output, {}, tmp_path, name))

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 30
    while not (tmp_path / f"{name}.ready").exists() or not (tmp_path / RUNNING / name).exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return thread


def test_all_steps_are_interrupted_once_and_waited_for(tmp_path):
    codes: list[int] = []
    threads = [begin(tmp_path, name, codes) for name in ("one", "other")]
    with pytest.raises(KeyboardInterrupt), ended_together(tmp_path):
        raise KeyboardInterrupt
    for thread in threads:
        thread.join(10)
    assert codes == [130, 130]
    assert [(tmp_path / f"{name}.txt").read_text() for name in ("one", "other")] == ["saved ", "saved "]
    assert not [*(tmp_path / RUNNING).iterdir()]


def test_a_note_of_a_process_that_ended_or_of_another_machine_ends_nothing(tmp_path):
    codes: list[int] = []
    thread = begin(tmp_path, "step", codes)
    note = tmp_path / RUNNING / "step"
    host, number, began = note.read_text().split()
    for text in (f"{host} {number} {float(began) - 100}", f"elsewhere {number} {began}", f"{host} 4194305 {began}"):
        note.write_text(text)
        end_processes(tmp_path)
        assert note.exists() == text.startswith("elsewhere")  # the step may still run there
    assert not (tmp_path / "step.txt").exists()
    note.write_text(f"{host} {number} {began}")
    end_processes(tmp_path)
    thread.join(10)
    assert codes == [130]


def test_a_step_that_ends_at_once_gives_its_exit_code_and_its_output(tmp_path):
    with (tmp_path / "log").open("w") as output:
        words = [sys.executable, "-c", "import os; print(os.environ['GIVEN']); raise SystemExit(3)"]
        assert run_process(words, output, {"GIVEN": "seven"}, tmp_path, "step") == 3
    assert (tmp_path / "log").read_text() == "seven\n"
    assert not [*(tmp_path / RUNNING).iterdir()]
