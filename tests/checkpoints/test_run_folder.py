"""A run's folder is never written over."""

import os
import signal
import time

import pytest
import torch

from scripts.checkpoints.file import save_atomically
from scripts.checkpoints.run_folder import RunFolder


def test_looking_at_a_folder_writes_nothing(tmp_path):
    folder = RunFolder(tmp_path / "new")
    assert folder.start == 0
    assert not folder.holds_a_run
    assert not (tmp_path / "new").exists()


def test_an_earlier_run_is_refused_with_both_ways_out(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"iteration": 12, "loss": 1.0}\n')
    with pytest.raises(ValueError, match=r"iteration 12 is the last.*--resume true.*--output_dir"):
        RunFolder(tmp_path)
    assert RunFolder(tmp_path, resume="true").start == 0  # killed before its first checkpoint


def test_a_resumed_run_starts_after_its_last_checkpoint(tmp_path):
    content = {"format": 1, "network": {"weight": torch.zeros(1)}, "iteration": 30}
    save_atomically(content, tmp_path / "checkpoints" / "last.pt")
    assert RunFolder(tmp_path, resume=True).start == 30
    with pytest.raises(ValueError, match="a checkpoint without a log"):
        RunFolder(tmp_path)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file"):
        RunFolder(tmp_path / "file")


def test_a_folder_in_which_another_process_trains_is_refused(tmp_path):
    first, second = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run")
    holder = os.fork()
    if holder == 0:
        first.lock()
        time.sleep(60)
    while not (tmp_path / "run" / ".lock").exists() or not (tmp_path / "run" / ".lock").read_text():
        time.sleep(0.01)
    with pytest.raises(BlockingIOError, match=rf"run' is being written by process {holder} on host"):
        second.lock()
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    second.lock()
    second.unlock()
    assert list((tmp_path / "run").iterdir()) == []


def test_a_folder_that_another_process_trained_in_meanwhile_is_refused(tmp_path):
    folder = RunFolder(tmp_path)
    save_atomically({"format": 1, "network": {}, "iteration": 3}, folder.last)
    with pytest.raises(ValueError, match=r"changed since this program started.*--resume true"):
        folder.lock()


def test_unfinished_checkpoints_of_a_killed_run_are_removed_when_the_next_one_starts(tmp_path):
    folder = RunFolder(tmp_path)
    left = [folder.last.with_name(name) for name in (".last.pt.4242.tmp", ".best.pt.4242.partial")]
    kept = folder.last.with_name("iteration_0000100.pt")
    kept.parent.mkdir()
    for path in (*left, kept):
        path.write_bytes(b"0" * 1000)
    folder.lock()
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
