"""The bundle from its command line, as users start, stop, kill and share it."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.bundles.conftest import (
    AFFINITY,
    BUNDLE,
    ROOT,
    TINY,
    TINY_SEGMENTATION,
    command,
    config,
    environment,
    losses,
    start,
)

FILES = [config("train"), str(TINY)]
LONG = 4000


def wait_for(folder: Path, iteration: int, process: subprocess.Popen[str]) -> None:
    """Until the log has an iteration."""
    log = folder / "log.jsonl"
    limit = time.monotonic() + 120
    while not (log.exists() and f'"iteration": {iteration},' in log.read_text()):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < limit
        time.sleep(0.02)


def validations(folder: Path) -> list[dict[str, float]]:
    """The scores of a log, one validation after the other."""
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [entry for entry in entries if "val_loss" in entry]


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_bit_and_ctrl_c_ends_one_with_a_checkpoint(train, volume, tmp_path):
    options = {"volumes": volume, "iterations": 60, "warm_up": 3, "save_interval": 7, "workers": 1}
    killed = start(command(FILES, **options, output_dir=tmp_path / "parted"))
    wait_for(tmp_path / "parted", 9, killed)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    stopped = start(command(FILES, **options, output_dir=tmp_path / "parted", resume="true"))
    wait_for(tmp_path / "parted", 20, stopped)
    os.killpg(stopped.pid, signal.SIGINT)  # as a terminal does: workers get it too
    printed, _ = stopped.communicate(timeout=60)
    if stopped.returncode:  # else it was faster than the signal
        assert stopped.returncode == 130, printed
        assert "finishing this iteration" in printed
        assert "--resume true" in printed.split("stopped after iteration")[1]
    parted = train(output_dir=tmp_path / "parted", iterations=60, warm_up=3, save_interval=7, resume=True)
    whole = train(output_dir=tmp_path / "whole", iterations=60, warm_up=3, save_interval=7)
    assert losses(parted) == losses(whole)


@pytest.mark.slow
def test_two_processes_have_the_loss_curve_of_one(train, volume, tmp_path):
    options = {"volumes": volume, "iterations": 8, "output_dir": tmp_path / "two"}
    words = command([config("train"), config("multi_gpu_train"), str(TINY)], **options)
    torchrun = [words[0], "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", *words[1:]]
    done = subprocess.run(torchrun, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("2 processes") == 1  # each line is shown once, by process 0
    assert losses(tmp_path / "two") == pytest.approx(losses(train(iterations=8)), rel=1e-4)


@pytest.mark.slow
def test_a_fine_tuning_that_ctrl_c_ends_resumes_to_the_bit(fine_tune, labelled, tmp_path):
    options = {"iterations": 30, "warm_up": 3, "val_interval": 10, "save_interval": 7}
    source = {"volumes": f"{labelled}:raw", "labels": f"{labelled}:labels", "workers": 1}
    files = [config("train", AFFINITY), str(TINY_SEGMENTATION)]
    stopped = start(command(files, **source, **options, output_dir=tmp_path / "parted"))
    wait_for(tmp_path / "parted", 4, stopped)
    os.killpg(stopped.pid, signal.SIGINT)  # as a terminal does: workers get it too
    printed, _ = stopped.communicate(timeout=120)
    assert (tmp_path / "parted" / "checkpoints" / "last.pt").exists()
    if stopped.returncode:  # else it was faster than the signal
        assert stopped.returncode == 130, printed
        assert "finishing this iteration" in printed
        assert "--resume true" in printed.split("stopped after iteration")[1]
    parted = fine_tune(output_dir=tmp_path / "parted", resume=True, **options)
    whole = fine_tune(output_dir=tmp_path / "whole", **options)
    assert losses(parted) == losses(whole)


@pytest.mark.slow
def test_two_processes_fine_tune_along_the_curve_of_one(fine_tune, labelled, tmp_path):
    source = {"volumes": f"{labelled}:raw", "labels": f"{labelled}:labels", "output_dir": tmp_path / "two"}
    words = command([config("train", AFFINITY), config("multi_gpu_train", AFFINITY), str(TINY_SEGMENTATION)], **source)
    torchrun = [words[0], "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", *words[1:]]
    done = subprocess.run(torchrun, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("2 processes") == 1  # each line is shown once, by process 0
    one = fine_tune(output_dir=tmp_path / "one")
    assert losses(tmp_path / "two") == pytest.approx(losses(one), rel=1e-3)
    scores = [validations(tmp_path / name) for name in ("two", "one")]
    assert [found.keys() for found in scores[0]] == [found.keys() for found in scores[1]]
    assert [found["val_loss"] for found in scores[0]] == pytest.approx([f["val_loss"] for f in scores[1]], rel=1e-3)


@pytest.mark.slow
def test_labels_of_another_shape_end_a_fine_tuning_with_one_line(labelled, voxels, tmp_path):
    np.save(tmp_path / "other.npy", voxels[:, :-4].astype(np.uint16))
    source = {"volumes": f"{labelled}:raw", "labels": tmp_path / "other.npy", "output_dir": tmp_path / "run"}
    words = command(["configs/train.json", str(TINY_SEGMENTATION)], **source)
    done = subprocess.run(words, cwd=AFFINITY, env=environment(), capture_output=True, text=True, timeout=200)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: labels")
    assert "(20, 36, 48)" in last
    assert "(20, 40, 48)" in last
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_misspelt_option_is_an_error_that_names_the_nearest_also_from_the_bundles_own_folder(volume, tmp_path):
    words = command(["configs/train.json", str(TINY)], volumes=volume, output_dir=tmp_path / "run", iteratons=5)
    done = subprocess.run(words, cwd=BUNDLE, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: unknown option --iteratons; did you mean --iterations?"
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_json_values_and_a_path_that_python_reads_as_a_number_are_what_was_typed(labelled, tmp_path):
    source = {"volumes": f"{labelled}:raw", "labels": f"{labelled}:labels", "iterations": 1}
    options = {"output_dir": "20260101_120000", "augment": "false", "clip": "null", "threads": "null"}
    files = [config("train", AFFINITY), str(TINY_SEGMENTATION)]
    subprocess.run(command(files, **source, **options), cwd=tmp_path, env=environment(), check=True, timeout=400)
    recipe = torch.load(tmp_path / "20260101_120000" / "checkpoints" / "last.pt", weights_only=True)["recipe"]
    assert (recipe["augment"], recipe["clip"]) == (False, None)


@pytest.mark.slow
def test_an_exported_copy_runs_outside_the_repository(volume, tmp_path):
    shutil.copytree(BUNDLE, tmp_path / "bundle", ignore=shutil.ignore_patterns("__pycache__", "runs"))
    assert not (tmp_path / "bundle" / "scripts").is_symlink()
    files = [str(tmp_path / "bundle" / "configs" / "train.json"), str(TINY)]
    (tmp_path / "elsewhere").mkdir()
    environ = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command(files, volumes=volume, output_dir="run", iterations=2),
        cwd=tmp_path / "elsewhere",
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert len(losses(tmp_path / "elsewhere" / "run")) == 2


def test_the_bare_command_is_the_published_recipe_on_the_synthetic_volume():
    from monai.bundle import ConfigParser

    parser = ConfigParser(ConfigParser.load_config_file(config("train")))
    wanted = {"volumes": "synthetic", "network": "vit_base", "token_mask": "random", "mask_ratio": 0.9, "batch": 128}
    wanted |= {"iterations": 100_000, "warm_up": 5_000, "crop": [6, 96, 96], "patch": [1, 16, 16], "lr": 7.5e-5}
    assert {name: parser.get_parsed_content(name) for name in wanted} == wanted


@pytest.mark.parametrize("name", ["vit_base", "vit_large", "small", "demo"])
def test_the_presets_are_networks(name):
    import torch
    from monai.bundle import ConfigParser

    parser = ConfigParser(ConfigParser.load_config_file(config("train")))
    parser["network"] = name
    with torch.device("meta"):
        assert parser.get_parsed_content("network_def")(torch.zeros(1, 1, 6, 96, 96)).shape == (1, 1, 6, 96, 96)


@pytest.mark.parametrize(("architecture", "guarded"), [("mae", False), ("residual_unet", True)])
def test_thin_crops_keep_the_precision_of_a_network_without_convolutions(architecture, guarded, monkeypatch):
    from monai.bundle import ConfigParser

    monkeypatch.setattr("scripts.engines.precision.has_bf16", lambda: True)
    parser = ConfigParser(ConfigParser.load_config_file(config("train")))
    parser["architecture"], parser["crop"], parser["device"] = architecture, [2, 32, 32], "$torch.device('cpu')"
    assert parser.get_parsed_content("used_precision") == ("fp32" if guarded else "bf16")
