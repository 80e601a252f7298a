"""Run the steps of an experiment one after the other: skip what is complete, resume what was stopped."""

import json
import logging
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.checkpoints.run_files import CHECKPOINTS, LAST
from scripts.data.files.replacing import replacing
from scripts.engines.duration import duration
from scripts.engines.progress_bar import ProgressBar
from scripts.tools.experiments.grids import PRETRAININGS, RESULTS, RUNS, Experiment, Step

GRID = "grid.json"
"""In the folder of an experiment: the commands of all its steps."""
LOGS = "logs"
"""Folder with the output of each step."""
DONE = "done"
"""Folder with a file for each step whose command ended without an error: a run that was stopped has files too."""
SHOWN = 3
"""Last lines of a failed step's log that the error shows."""

logger = logging.getLogger(__name__)


def command(step: Step, resume: bool = False) -> list[str]:
    """The command of a step, as typed in the root of the repository."""
    files = step.config[0] if len(step.config) == 1 else repr(list(step.config))
    words = [sys.executable, "-m", "monai.bundle", "run", "--config_file", files]
    for name, value in step.settings.items():
        words += [f"--{name}", _written(value)]
    return [*words, "--resume", "true"] if resume else words


def check_configs(steps: Sequence[Step]) -> None:
    """Raise ValueError for a config file that does not exist."""
    for file in dict.fromkeys(config for step in steps for config in step.config):
        if not Path(file).is_file():
            raise ValueError(f"'{file}' does not exist; start in the root of the repository, and check the overlays")


def check_grid(experiment: Experiment, steps: Sequence[Step]) -> None:
    """Write `grid.json`, or compare the steps with those of the one that is there.

    Raises:
        ValueError: the folder holds another grid.
    """
    grid = experiment.out / GRID
    wanted = {step.name: command(step)[1:] for step in steps}
    if grid.exists():
        there = json.loads(grid.read_text(encoding="utf-8"))
        changed = [name for name in there if name in wanted and there[name] != wanted[name]]
        if changed or not there.keys() <= wanted.keys():
            name = changed[0] if changed else next(name for name in there if name not in wanted)
            raise ValueError(
                f"'{grid}' is of another experiment (it differs in '{name}'); give another --out, or the same options"
            )
    with replacing(grid, overwrite=True) as partial:
        partial.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")


def remove_experiment(out: Path) -> None:
    """Remove the runs, logs and results in the folder of an experiment; leaves a folder without `grid.json` alone."""
    if not (out / GRID).exists():
        return
    for folder in (RUNS, PRETRAININGS, LOGS, DONE):
        shutil.rmtree(out / folder, ignore_errors=True)
    for file in (RESULTS, RESULTS.replace(".json", ".md"), RESULTS.replace(".json", ".png"), GRID):
        (out / file).unlink(missing_ok=True)


def run_steps(experiment: Experiment, steps: Sequence[Step], environment: Mapping[str, str] | None = None) -> None:
    """Run every step that is not complete.

    Args:
        experiment: whose folder takes the logs.
        steps: in order.
        environment: variables in addition to those of this process.

    Raises:
        ValueError: a step failed; names its log, its last lines and how to continue.
    """
    for folder in (LOGS, DONE):
        (experiment.out / folder).mkdir(parents=True, exist_ok=True)
    left = [step for step in steps if not is_complete(experiment, step)]
    bar = ProgressBar(len(steps), len(steps) - len(left), "step", every_seconds=0.0)
    spent = 0.0
    for number, step in enumerate(left, 1):
        began = time.monotonic()
        bar.write(f"step {len(steps) - len(left) + number} of {len(steps)}: {step.name}")
        _run(experiment, step, environment or {})
        spent += time.monotonic() - began
        rest = duration(spent / number * (len(left) - number))
        bar.update(1, lambda step=step, rest=rest: f"{step.name} is complete; about {rest} left")  # type: ignore[misc]
    bar.close()


def is_complete(experiment: Experiment, step: Step) -> bool:
    """Whether the command of a step ended without an error and its result is there."""
    return (experiment.out / DONE / step.name).exists() and step.result.exists()


def _run(experiment: Experiment, step: Step, environment: Mapping[str, str]) -> None:
    log = experiment.out / LOGS / f"{step.name}.log"
    stopped = step.trains and (Path(str(step.settings["output_dir"])) / CHECKPOINTS / LAST).exists()
    words = command(step, resume=stopped)
    with log.open("a", encoding="utf-8") as file:
        print(shlex.join(words[1:]), file=file, flush=True)
        done = subprocess.run(
            words, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **environment}, check=False
        )
    if done.returncode != 0 or not step.result.exists():
        lines = [
            line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()
        ]
        cause = [line for line in lines[-SHOWN:] if line.startswith("error: ")] or lines[-SHOWN:]
        raise ValueError(
            f"step '{step.name}' ended with exit code {done.returncode}: {' / '.join(cause).removeprefix('error: ')}; "
            f"its output is in '{log}'; the same command continues with this step"
        )
    (experiment.out / DONE / step.name).touch()


def _written(value: object) -> str:
    """A value as the command line takes it."""
    if value is None:
        return "null"
    return json.dumps(value) if isinstance(value, (bool, list, dict)) else str(value)
