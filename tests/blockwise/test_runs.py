"""Block-wise runs that are stopped, killed, resumed, spread over workers, and asked for what cannot be."""

import contextlib
import hashlib
import json
import logging
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest
import zarr

from scripts.blockwise.cluster import open_workers
from scripts.blockwise.workers import BlockError, ThisProcess
from scripts.ops.decoding.decoders import MeanAgglomeration
from scripts.ops.targets.noised_affinities import noised_affinities
from scripts.tools.cli import main
from tests.blockwise.tiny_volumes import decoded_in_blocks, end_this_process, plan_of

ROOT = Path(__file__).parents[2]
SETTINGS = {"high": 0.999, "size": 20, "dust": 30}
OPTIONS = ["--decoder=agglomeration", *(f"--{name}={value}" for name, value in SETTINGS.items())]


class StopAfter(ThisProcess):
    """Stops in the middle of a run: after so many blocks, or before the file of a block is complete."""

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks

    def run(self, task, folder, numbers):
        for result in super().run(task, folder, numbers):
            if self.blocks == 0:
                raise KeyboardInterrupt
            self.blocks -= 1
            yield result


@pytest.fixture(scope="module")
def maps(cells):
    return np.round(noised_affinities(cells, 1.0) * 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path, maps):
    """maps.zarr with chunks of 4 x 16 x 16 voxels."""
    array = zarr.create_array(str(tmp_path / "maps.zarr"), shape=maps.shape, dtype="uint8", chunks=(3, 4, 16, 16))
    array[:] = maps
    return tmp_path


def content(store: Path) -> str:
    """SHA-256 of all files of a folder, by name."""
    found = hashlib.sha256()
    for file in sorted(path for path in store.rglob("*") if path.is_file()):
        found.update(str(file.relative_to(store)).encode() + file.read_bytes())
    return found.hexdigest()


def error_of(capsys, *words):
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    assert stop.value.code == 2
    return capsys.readouterr().err.strip()


def test_a_run_that_stops_after_any_block_resumes_to_the_same_result(tmp_path, maps):
    part = maps[:, :4, :20, :20]
    expected = MeanAgglomeration(**SETTINGS)(part)
    for blocks in (0, 1, 2, 5, 7, 9, 30):
        run = tmp_path / str(blocks)
        plan_of(run, part, (4, 10, 20), "agglomeration", SETTINGS)
        if blocks < 10:  # five steps of two blocks
            with pytest.raises(KeyboardInterrupt):
                decoded_in_blocks(run, StopAfter(blocks))
        np.testing.assert_array_equal(decoded_in_blocks(run)["labels"], expected)


def test_memory_and_blocks_and_workers_write_the_same_bytes(folder, maps):
    command = ["decode", f"{folder}/maps.zarr", *OPTIONS]
    main([*command, f"--out={folder}/memory.zarr"])
    main([*command, f"--out={folder}/blocks.zarr", "--blocks=8,32,64"])
    main([*command, f"--out={folder}/workers.zarr", "--blocks=12,32,16", "--workers=4"])
    assert len({content(folder / f"{name}.zarr") for name in ("memory", "blocks", "workers")}) == 1
    np.testing.assert_array_equal(zarr.open(folder / "blocks.zarr")["labels"][:], MeanAgglomeration(**SETTINGS)(maps))
    assert not list(folder.glob("*.partial"))


def test_a_box_with_several_thresholds_and_small_objects_removed(folder, maps):
    command = ["decode", f"{folder}/maps.zarr", *OPTIONS, "--threshold=0.2,0.5", "--box=1:12,3:40,:", "--smallest=200"]
    main([*command, f"--out={folder}/memory.zarr"])
    main([*command, f"--out={folder}/blocks.zarr", "--blocks=8,32,32"])
    memory, blocks = zarr.open(folder / "memory.zarr"), zarr.open(folder / "blocks.zarr")
    assert sorted(blocks) == sorted(memory) == ["labels_0.2", "labels_0.5"]
    for name in memory:
        np.testing.assert_array_equal(blocks[name][:], memory[name][:])
        assert blocks[name].dtype == memory[name].dtype
    assert blocks.attrs["offset"] == [1, 3, 0]
    assert dict(blocks.attrs) == dict(memory.attrs)


def started(command, folder, files):
    """Run a command until so many blocks are done, of whatever step, and one of them by this run."""

    def done():
        return len(list((folder / "out.zarr.partial").rglob("*.arrays")))

    files = max(files, done() + 1)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    run = subprocess.Popen(command, start_new_session=True, **quiet)
    while run.poll() is None and done() < files:
        time.sleep(0.01)
    return run


def a_worker_of(run):
    """A child of the run's fork server, which may just be starting."""
    while run.poll() is None:
        for child in psutil.Process(run.pid).children():
            with contextlib.suppress(psutil.Error):
                if "forkserver" in " ".join(child.cmdline()) and (workers := child.children()):
                    return workers[-1]
        time.sleep(0.01)
    raise AssertionError("the run ended before a worker was found")


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_bytes_of_one_that_was_not(folder):
    command = ["decode", f"{folder}/maps.zarr", *OPTIONS, "--blocks=8,32,32"]
    main([*command, f"--out={folder}/whole.zarr"])
    command = [sys.executable, "-m", "scripts", *command, f"--out={folder}/out.zarr", "--resume"]
    files = sorted(random.Random(3).sample(range(1, 30), 3))  # 8 blocks in 4 steps
    for number, words in zip(files[:2], ([], ["--workers=2"]), strict=True):
        run = started([*command, *words], folder, number)
        os.killpg(run.pid, signal.SIGKILL)  # the client and its workers
        run.wait()
        assert not (folder / "out.zarr").exists()
    run = started([*command, "--workers=2"], folder, files[2])
    try:
        a_worker_of(run).kill()  # another is started in its place
    finally:
        assert run.wait() == 0
    assert content(folder / "out.zarr") == content(folder / "whole.zarr")


def test_a_block_that_fails_twice_stops_the_run_which_resumes(tmp_path, maps):
    plan_of(tmp_path, maps[:, :4, :20, :20], (4, 10, 20), "agglomeration", SETTINGS)
    (tmp_path / "links").touch()  # where a folder should be
    place = r"block 0 \(voxels 0:4,0:10,0:20 of the box\) failed twice: FileExistsError"
    with pytest.raises(BlockError, match=place):
        decoded_in_blocks(tmp_path)
    (tmp_path / "links").unlink()
    expected = MeanAgglomeration(**SETTINGS)(maps[:, :4, :20, :20])
    np.testing.assert_array_equal(decoded_in_blocks(tmp_path)["labels"], expected)


@pytest.mark.slow
def test_a_block_that_kills_its_worker_twice_stops_the_run_with_memory_and_smaller_blocks(tmp_path, maps):
    plan_of(tmp_path, maps[:, :4, :20, :20], (4, 10, 20), "agglomeration", SETTINGS, chunk=(4, 5, 5))
    with open_workers(2) as workers, pytest.raises(BlockError) as stop:
        list(workers.run(end_this_process, tmp_path, range(2)))
    assert re.search(
        r"block \d \(voxels .* of the box\) ended its worker 2 times, most likely for lack of memory: its arrays take "
        r"about 0.0\d GiB of the [\d.]+ that a worker may take; .* blocks: --blocks 4,\d+,\d+$",
        str(stop.value),
    )


def test_a_worker_that_is_slow_to_end_fails_nothing_and_warns_of_nothing(monkeypatch, caplog):
    distributed = pytest.importorskip("distributed")

    class Slow(distributed.LocalCluster):
        def close(self, timeout=None):
            super().close(timeout)
            logging.getLogger("distributed.nanny").warning("Worker process still alive")
            raise TimeoutError

    monkeypatch.setattr(distributed, "LocalCluster", Slow)
    with open_workers(2) as workers:
        assert workers.client.submit(max, 1, 2).result() == 2
    assert "still alive" not in caplog.text
    assert logging.getLogger("distributed.nanny").level < logging.ERROR  # as before


def test_an_unfinished_run_is_resumed_only_with_the_same_settings(folder, capsys):
    plan_of(folder / "out.zarr.partial", np.zeros((3, 1, 2, 2), np.uint8), (1, 1, 1), "zwatershed", {})
    command = ["decode", f"{folder}/maps.zarr", *OPTIONS, "--blocks=4,16,16", f"--out={folder}/out.zarr"]
    assert "has an unfinished run; continue it with --resume" in error_of(capsys, *command)
    line = error_of(capsys, *command, "--resume")
    assert "was begun with other settings" in line
    assert "decoder was zwatershed, is agglomeration" in line
    assert "block was [1, 1, 1], is (4, 16, 16)" in line.replace("(1, 1, 1)", "[1, 1, 1]")


def test_a_run_of_affinities_that_state_their_offsets_is_resumed(tmp_path, maps, monkeypatch):
    four = np.concatenate([maps, maps[:1]])[:, :4, :20, :20]
    array = zarr.create_array(str(tmp_path / "maps.zarr"), data=four, chunks=(4, 4, 10, 20))
    array.attrs["offsets"] = [[-1, 0, 0], [0, -1, 0], [0, 0, -1], [-2, 0, 0]]
    command = ["decode", f"{tmp_path}/maps.zarr", *OPTIONS, "--blocks=4,10,20", f"--out={tmp_path}/out.zarr"]
    with monkeypatch.context() as patch:
        patch.setattr("scripts.blockwise.cluster.ThisProcess", lambda: StopAfter(1))
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            main(command)
    assert (tmp_path / "out.zarr.partial").exists()
    main([*command, "--resume"])
    expected = MeanAgglomeration(**SETTINGS)(four[:3])
    np.testing.assert_array_equal(zarr.open(tmp_path / "out.zarr")["labels"][:], expected)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--blocks=4,16,20",), "--blocks 4,16,20 is no multiple of the chunk 4,16,16"),
        (("--blocks=4,16",), "--blocks '4,16' is not 3 whole numbers"),
        (("--workers=0",), "--workers '0' is not a whole number from 1 to 1024"),
        (("--workers=2", "--scheduler=tcp://head:8786"), "--workers and --scheduler: give one of them"),
        (("--scheduler_file=none.json",), "scheduler file 'none.json' does not exist"),
        (("--blocks=4,16,16", "--mask=none.h5"), "none.h5"),
    ],
)
def test_what_blocks_cannot_do_is_one_line(folder, capsys, words, message):
    assert message in error_of(capsys, "decode", f"{folder}/maps.zarr", *OPTIONS, f"--out={folder}/o.zarr", *words)


def test_hdf5_and_decoders_of_one_piece_are_refused_with_the_memory_they_need(folder, capsys):
    command = ["decode", f"{folder}/maps.zarr", "--workers=2"]
    line = error_of(capsys, *command, *OPTIONS, f"--out={folder}/o.h5")
    assert "which HDF5 cannot; give a .zarr; in memory it takes about 0.00 GiB" in line
    line = error_of(capsys, *command, "--decoder=bcd", f"--out={folder}/o.zarr")
    assert "decoder 'bcd' does not go block by block" in line
    assert "GiB are allowed" in line


def test_a_bad_voxel_stops_the_run_with_its_block_and_what_resumes(folder, capsys, maps):
    wrong = maps.astype(np.float32) / 255
    wrong[1, 5, 20, 30] = np.nan
    with h5py.File(folder / "maps.h5", "w") as file:
        file.create_dataset("maps", data=wrong, chunks=(3, 4, 16, 16))
    line = error_of(capsys, "decode", f"{folder}/maps.h5", *OPTIONS, f"--out={folder}/o.zarr", "--blocks=4,16,16")
    assert "block 0 (voxels 0:4,0:16,0:16 of the box)" not in line
    assert "holds NaN" in line
    assert line.endswith("the same command with --resume")
    assert json.loads((folder / "o.zarr.partial/plan.json").read_text())["block"] == [4, 16, 16]


def commands_of_slurm() -> list[list[str]]:
    """What `docs/scaling.md` lets Slurm run: of a scheduler, then of a worker."""
    page = (ROOT / "docs" / "scaling.md").read_text()
    found = [shlex.split(command) for command in re.findall(r'^sbatch .*--wrap "(.*)"$', page, re.MULTILINE)]
    return [[sys.executable, *words[1:]] for words in found]


@contextlib.contextmanager
def running(commands, folder):
    """Run commands in a folder, whose code alone they find, until the scheduler has written its file."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True, "cwd": folder}
    quiet["env"] = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    processes = [subprocess.Popen(command, **quiet) for command in commands]
    try:
        while not (folder / "scheduler.json").exists():
            assert processes[0].poll() is None
            time.sleep(0.1)
        yield
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.slow
def test_what_slurm_runs_in_the_documentation_decodes_the_volume(folder, maps):
    scheduler, worker = commands_of_slurm()
    scheduler += ["--port", "0", "--no-dashboard"]  # the ports of the documentation may be in use
    (folder / "scripts").symlink_to(ROOT / "scripts")  # as in the project's folder
    with running((scheduler, worker), folder):
        command = ["decode", f"{folder}/maps.zarr", *OPTIONS, f"--out={folder}/out.zarr", "--blocks=12,32,32"]
        main([*command, f"--scheduler_file={folder}/scheduler.json", "--resume"])
    np.testing.assert_array_equal(zarr.open(folder / "out.zarr")["labels"][:], MeanAgglomeration(**SETTINGS)(maps))


@pytest.mark.slow
def test_a_scheduler_without_the_code_is_refused_before_work(folder, capsys):
    scheduler = [*commands_of_slurm()[0], "--port", "0", "--no-dashboard"]
    with running([scheduler], folder):
        command = ["decode", f"{folder}/maps.zarr", *OPTIONS, f"--out={folder}/out.zarr", "--blocks=12,32,32"]
        line = error_of(capsys, *command, f"--scheduler_file={folder}/scheduler.json")
    assert "the scheduler does not find the project's code (" in line
    assert line.endswith("start it by `python -m dask scheduler` in the project's folder")
    assert not (folder / "out.zarr").exists()
