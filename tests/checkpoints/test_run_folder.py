"""A run's folder is never written over."""

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
