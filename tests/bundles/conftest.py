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

import h5py
import numpy as np
import pytest
import torch
from monai.bundle import ConfigWorkflow

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "bundles" / "sem_mae_pretrain"
TINY = Path(__file__).with_name("tiny.json")
AFFINITY = ROOT / "bundles" / "sem_neuron_affinity"
TINY_SEGMENTATION = Path(__file__).with_name("tiny_segmentation.json")
SEGMENTATIONS = sorted(path.parents[1] for path in (ROOT / "bundles").glob("*/configs/evaluate.json"))
"""The bundles that fine-tune, evaluate and predict."""


def config(name: str, bundle: Path = BUNDLE) -> str:
    """Path of a config of a bundle."""
    return str(bundle / "configs" / f"{name}.json")


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


@pytest.fixture(scope="session")
def cells() -> tuple[np.ndarray, np.ndarray]:
    """(z, y, x) uint8 bright cells with dark borders, and their uint32 ids, which go on through all sections."""
    z, y, x = np.indices((20, 40, 48))
    y, x = y + z // 4, x + z // 5
    label = (1 + y // 11 * 8 + x // 9).astype(np.uint32)
    label[(y % 11 < 2) | (x % 9 < 2)] = 0
    noise = np.random.RandomState(0).normal(0, 12, label.shape)
    return np.clip(np.where(label > 0, 190, 60) + noise, 0, 255).astype(np.uint8), label


@pytest.fixture(scope="session")
def labelled(tmp_path_factory, cells) -> Path:
    """The cells as raw and labels of an HDF5 file."""
    path = tmp_path_factory.mktemp("labelled") / "cells.h5"
    with h5py.File(path, "w") as file:
        for name, voxels in zip(("raw", "labels"), cells, strict=True):
            file[name] = voxels
        file.attrs["resolution"] = [30.0, 6.0, 6.0]
    return path


@pytest.fixture(scope="session")
def pretrained(volume, tmp_path_factory) -> Path:
    """The best.pt of a pre-training whose encoder is that of tiny_segmentation.json."""
    folder = tmp_path_factory.mktemp("pretrained") / "run"
    options = {"volumes": str(volume), "output_dir": str(folder), "patch": [1, 4, 4], "crop": [4, 16, 16], "threads": 1}
    before = sys.excepthook, list(sys.path)
    run_workflow([config("train"), str(TINY)], iterations=2, **options)
    sys.excepthook, sys.path[:] = before
    return folder / "checkpoints" / "best.pt"


@pytest.fixture
def fine_tune(labelled, tmp_path):
    """Run a bundle's train.json with tiny sizes in this process; returns the folder of the run."""

    def run(*overlays: str, output_dir: Path | None = None, bundle: Path = AFFINITY, **options) -> Path:
        folder = tmp_path / "run" if output_dir is None else output_dir
        files = [config("train", bundle), *[config(name, bundle) for name in overlays], str(TINY_SEGMENTATION)]
        source = {"volumes": f"{labelled}:raw", "labels": f"{labelled}:labels"}
        run_workflow(files, **{**source, "output_dir": str(folder), **options})
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
