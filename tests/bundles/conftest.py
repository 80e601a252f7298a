"""Run the bundle's configs, in this process or from their command line, on a volume of a few thousand voxels."""

import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

with warnings.catch_warnings():  # ignite imports torch's scripted optimizers, which torch calls deprecated
    warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
    import ignite.engine  # noqa: F401

import numpy as np
import pytest
import torch
from monai.bundle import ConfigWorkflow

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "bundles" / "sem_mae_pretrain"
TINY = Path(__file__).with_name("tiny.json")


def config(name: str) -> str:
    """Path of a config of the bundle."""
    return str(BUNDLE / "configs" / f"{name}.json")


@pytest.fixture(autouse=True)
def _a_process_as_it_was(monkeypatch):
    """A run sets a hook for errors, signals, the path and the number of threads; put them back."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(sys, "path", list(sys.path))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def voxels() -> np.ndarray:
    """(z, y, x) uint8 waves, different in each section."""
    z, y, x = np.meshgrid(np.arange(20), np.arange(40), np.arange(48), indexing="ij")
    waves = np.sin(y / 3 + z / 5) + np.cos(x / 4 - z / 3) + 0.3 * np.random.RandomState(0).standard_normal(z.shape)
    return np.clip(waves * 40 + 128, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def volume(tmp_path_factory, voxels) -> Path:
    """The waves as a .npy file."""
    path = tmp_path_factory.mktemp("volumes") / "waves.npy"
    np.save(path, voxels)
    return path


@pytest.fixture
def train(volume, tmp_path):
    """Run train.json with tiny sizes in this process; returns the folder of the run."""

    def run(*overlays: str, output_dir: Path | None = None, **options) -> Path:
        folder = tmp_path / "run" if output_dir is None else output_dir
        files = [config("train"), *[config(name) for name in overlays], str(TINY)]
        run_workflow(files, **{"volumes": str(volume), "output_dir": str(folder), **options})
        return folder

    return run


def run_workflow(files: list[str], **options) -> ConfigWorkflow:
    """Initialize, run and finalize, as `monai.bundle run` does."""
    workflow = ConfigWorkflow(files, logging_file=False, **options)
    workflow.initialize()
    workflow.run()
    workflow.finalize()
    return workflow


def command(files: list[str], **options) -> list[str]:
    """The command line of a run."""
    words = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(files)]
    return words + [word for name, value in options.items() for word in (f"--{name}", str(value))]


def environment() -> dict[str, str]:
    """One thread, and no bar."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def start(words: list[str], cwd: Path = ROOT) -> subprocess.Popen[str]:
    """A run of its own, away from this process's signals."""
    return subprocess.Popen(
        words,
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def losses(folder: Path) -> dict[int, float]:
    """Training loss by iteration; a repeated iteration is an error."""
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    found: dict[int, float] = {}
    for entry in entries:
        if "loss" in entry:
            assert entry["iteration"] not in found
            found[entry["iteration"]] = entry["loss"]
    return found
