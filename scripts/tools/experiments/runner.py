"""Run the steps of an experiment: skip what is complete, resume what was stopped."""

import functools
import json
import logging
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.blockwise.cluster import DaskWorkers
from scripts.checkpoints.run_files import CHECKPOINTS, LAST
from scripts.data.files.replacing import replacing
from scripts.engines.duration import duration
from scripts.engines.progress_bar import ProgressBar
from scripts.tools.experiments.grids import PRETRAININGS, RESULTS, RUNS, Experiment, Step
from scripts.tools.experiments.step_processes import RUNNING, ended_together, run_process

GRID = "grid.json"
"""In the folder of an experiment: the commands of all its steps."""
LOGS = "logs"
"""Folder with the output of each step."""
DONE = "done"
"""Folder with a file for each step whose command ended without an error: a run that was stopped has files too."""
SHOWN = 3
"""Last lines of a failed step's log that the error shows."""

Run = Callable[..., None]
"""What runs a step: (folder of the experiment, step, environment=...); raises ValueError where it fails."""

logger = logging.getLogger(__name__)


def command(step: Step, resume: bool = False) -> list[str]:
    """The command of a step, as typed in the root of the repository."""
    files = step.config[0] if len(step.config) == 1 else repr(list(step.config))
    words = [sys.executable, "-m", "monai.bundle", "run", "--config_file", files]
    for name, value in step.settings.items():
        words += [f"--{name}", _written(value)]
    return [*words, "--resume", "true"] if resume else words


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
    for folder in (RUNS, PRETRAININGS, LOGS, DONE, RUNNING):
        shutil.rmtree(out / folder, ignore_errors=True)
    for file in (RESULTS, RESULTS.replace(".json", ".md"), RESULTS.replace(".json", ".png"), GRID):
        (out / file).unlink(missing_ok=True)


def run_steps(
    out: Path,
    steps: Sequence[Step],
    environment: Mapping[str, str] | None = None,
    workers: DaskWorkers | None = None,
    run: Run | None = None,
    on_complete: Callable[[Step], object] | None = None,
) -> None:
    """Run every step that is not complete.

    Args:
        out: folder of the experiment, which takes the logs.
        steps: in order.
        environment: variables in addition to those of this process.
        workers: run as many steps at once as there are of them, each after those whose results it reads; None: one
            after the other.
        run: what runs a step; by default `run_step`.
        on_complete: called in this process with each step that became complete.

    Raises:
        ValueError: a step failed; names its log, its last lines and how to continue. With workers, steps that run
            then are completed first, and no other one is begun.
    """
    for folder in (LOGS, DONE):
        (out / folder).mkdir(parents=True, exist_ok=True)
    left = [step for step in steps if not is_complete(out, step)]
    bar = ProgressBar(len(steps), len(steps) - len(left), "step", every_seconds=0.0)
    began = time.monotonic()

    def on_begin(step: Step) -> None:
        bar.write(f"step {steps.index(step) + 1} of {len(steps)}: {step.name}")

    arguments = (functools.partial(run or run_step, out, environment=environment or {}), left, on_begin)
    ended = _one_by_one(*arguments) if workers is None else _in_parallel(*arguments, workers)
    with ended_together(out):
        for number, step in enumerate(ended, 1):
            if on_complete is not None:
                on_complete(step)
            rest = duration((time.monotonic() - began) / number * (len(left) - number))
            bar.update(1, lambda step=step, rest=rest: f"{step.name} is complete; about {rest} left")  # type: ignore[misc]
    bar.close()


def is_complete(out: Path, step: Step) -> bool:
    """Whether the command of a step ended without an error and its result is there."""
    return (out / DONE / step.name).exists() and step.result.exists()


def _one_by_one(run: Callable[[Step], None], steps: Sequence[Step], on_begin: Callable[[Step], None]) -> Iterator[Step]:
    """Run steps in their order; yield each when it is complete."""
    for step in steps:
        on_begin(step)
        run(step)
        yield step


def _in_parallel(
    run: Callable[[Step], None], steps: Sequence[Step], on_begin: Callable[[Step], None], workers: DaskWorkers
) -> Iterator[Step]:
    """Run the first steps that wait for none, one on each worker; yield each when it is complete."""
    waiting = list(steps)
    running: dict[Any, Step] = {}
    failure: BaseException | None = None
    while True:
        unfinished = {step.name for step in (*waiting, *running.values())}
        ready = [step for step in waiting if not unfinished & set(step.after)] if failure is None else []
        for step in ready[: max(1, workers.count) - len(running)]:
            on_begin(step)
            waiting.remove(step)
            running[workers.submit(run, step)] = step
        if not running:
            break
        for future in workers.wait_for_any(list(running)):
            step = running.pop(future)
            error = future.exception()
            failure = failure or error
            if error is None:
                yield step
    if failure is not None:
        raise failure if isinstance(failure, ValueError) else ValueError(f"a worker failed: {failure}") from failure


def run_step(out: Path, step: Step, environment: Mapping[str, str]) -> None:
    """Run the command of one step, its output in a log, and note when it ended well.

    Raises:
        ValueError: another exit code than 0, or no result.
    """
    log = out / LOGS / f"{step.name}.log"
    stopped = step.trains and (Path(str(step.settings["output_dir"])) / CHECKPOINTS / LAST).exists()
    words = command(step, resume=stopped)
    with log.open("a", encoding="utf-8") as file:
        print(shlex.join(words[1:]), file=file, flush=True)
        code = run_process(words, file, environment, out, step.name)
    if code != 0 or not step.result.exists():
        lines = [
            line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()
        ]
        cause = [line for line in lines[-SHOWN:] if line.startswith("error: ")] or lines[-SHOWN:]
        raise ValueError(
            f"step '{step.name}' ended with exit code {code}: {' / '.join(cause).removeprefix('error: ')}; "
            f"its output is in '{log}'; the same command continues with this step"
        )
    (out / DONE / step.name).touch()


def _written(value: object) -> str:
    """A value as the command line takes it."""
    if value is None:
        return "null"
    return json.dumps(value) if isinstance(value, (bool, list, dict)) else str(value)
