"""`make demo`, as make would run it: steps in order, options that exist, and no step twice."""

import itertools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.bundles.test_configs import ROOT, commands

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
CLOCK = itertools.count(2_000_000_000, 10)
"""Times of files, seconds: each is newer than the one before."""
SEEDS = ("seed0", "seed1", "seed2")
STEPS = (
    "scripts synthesize",
    "sem_mae_pretrain/configs/demo.json",
    "--pretrained",
    "evaluate.json",
    "inference.json",
    "scripts decode",
    "scripts score",
    "scripts report",
)


@pytest.fixture
def copy(tmp_path) -> Path:
    """A folder with the Makefile, whose environment is ready."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").mkdir()
    made(tmp_path, ".venv/.ready")
    return tmp_path


def made(folder: Path, *files: str) -> None:
    """What a finished step leaves, the later the newer."""
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        time = next(CLOCK)
        os.utime(path, (time, time))


def planned(folder: Path) -> str:
    """What `make demo` would run, a command a line."""
    printed = subprocess.run(["make", "-n", "demo"], cwd=folder, capture_output=True, text=True, check=True).stdout
    return printed.replace("\\\n", " ")


def test_the_steps_follow_each_other(copy):
    text, place = planned(copy), -1
    for step in STEPS:
        place = text.find(step, place + 1)
        assert place >= 0, f"'{step}' is not where it should be in:\n{text}"


def test_every_option_of_a_step_exists_in_the_config_it_runs(copy):
    found = list(commands(planned(copy)))
    assert len(found) == 2 + 2 * len(SEEDS)
    for files, options in found:
        known = {key for file in files for key in json.loads((ROOT / file).read_text())}
        assert options - {"config_file"} <= known


def test_a_finished_step_is_not_run_again_and_a_stopped_training_resumes(copy):
    made(copy, "runs/demo/volume.h5", "runs/demo/pretrain.done")
    made(copy, "runs/demo/seed1/log.jsonl")
    text = planned(copy)
    assert "synthesize" not in text
    assert "sem_mae_pretrain" not in text
    assert "--output_dir runs/demo/seed1 --resume true" in text
    assert text.count("--resume true") == 1


def test_the_seeds_start_from_one_pretraining_and_differ_in_the_seed_alone(copy):
    lines = [line for line in planned(copy).splitlines() if "--labels" in line]
    assert sorted(part for line in lines for part in re.findall(r"--seed \d ", line)) == [
        "--seed 0 ",
        "--seed 1 ",
        "--seed 2 ",
    ]
    assert len({re.sub(r"seed ?\d", "", line) for line in lines}) == 1


def test_runs_of_the_demos_old_layout_are_left_alone(copy):
    made(copy, "runs/demo/log.jsonl", "runs/demo/checkpoints/best.pt", "runs/demo/curve.png")
    text = planned(copy)
    assert "--output_dir runs/demo/pretrain\n" in text
    assert "--resume" not in text


def test_a_finished_demo_prints_its_table_and_runs_nothing(copy):
    made(copy, "runs/demo/volume.h5", "runs/demo/pretrain.done")
    made(copy, *(f"runs/demo/{seed}.done" for seed in SEEDS))
    made(copy, *(f"runs/demo/{seed}/evaluation/scores.json" for seed in SEEDS))
    made(copy, "runs/demo/affinities.h5", "runs/demo/affinities_instances.h5", "runs/demo/scores.json")
    made(copy, "runs/demo/report.html")
    text = planned(copy)
    assert "scripts compare " + " ".join(f"runs/demo/{seed}/evaluation/scores.json" for seed in SEEDS) in text
    assert "--titles seed0,seed1,seed2 --spread" in text
    assert "runs/demo/report.html" in text
    assert "monai.bundle" not in text
