"""Steps run in order or in parallel, each after those that it reads, and continue where they were stopped."""

from collections.abc import Mapping
from pathlib import Path

import distributed
import pytest

from scripts.blockwise.cluster import DaskWorkers
from scripts.tools.experiments.grids import Step
from scripts.tools.experiments.runner import DONE, run_steps


def append_names(out: Path, step: Step, environment: Mapping[str, str]) -> None:
    """Write the texts of the steps that come before, and the own name; `broken` fails."""
    if step.name == "broken" and "REPAIRED" not in environment:
        raise ValueError("step 'broken' ended with exit code 1")
    texts = [(out / f"{name}.txt").read_text() for name in step.after]
    with step.result.open("a") as file:
        file.write("".join(f"{text} " for text in texts) + step.name)
    (out / DONE / step.name).touch()


@pytest.fixture
def steps(tmp_path):
    """first, second after first, broken, last after broken."""
    after = {"first": (), "second": ("first",), "broken": (), "last": ("broken",)}
    return [Step(name, (), {}, tmp_path / f"{name}.txt", False, names) for name, names in after.items()]


def texts(steps: list[Step]) -> list[str | None]:
    return [step.result.read_text() if step.result.exists() else None for step in steps]


@pytest.fixture(scope="module")
def workers():
    """Two workers in threads of this process, which need not import torch again."""
    with (
        distributed.LocalCluster(2, threads_per_worker=1, processes=False, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        yield DaskWorkers(client)


def test_steps_run_in_order_and_begin_nothing_after_a_failure(steps, tmp_path):
    with pytest.raises(ValueError, match="step 'broken' ended"):
        run_steps(tmp_path, steps, run=append_names)
    assert texts(steps) == ["first", "first second", None, None]
    run_steps(tmp_path, steps, {"REPAIRED": "1"}, run=append_names)
    assert texts(steps) == ["first", "first second", "broken", "broken last"]


def test_each_step_is_reported_when_it_is_complete_and_one_that_was_complete_is_not(steps, tmp_path, workers):
    reported = []

    def on_complete(step):
        reported.append((step.name, step.result.exists()))

    run_steps(tmp_path, steps[:1], run=append_names, on_complete=on_complete)
    run_steps(tmp_path, steps[:2], {}, workers, append_names, on_complete)
    assert reported == [("first", True), ("second", True)]


def test_workers_run_each_step_once_after_those_that_it_reads(steps, tmp_path, workers):
    run_steps(tmp_path, steps, {"REPAIRED": "1"}, workers, append_names)
    expected = ["first", "first second", "broken", "broken last"]
    assert texts(steps) == expected
    run_steps(tmp_path, steps, {}, workers, append_names)  # all complete
    assert texts(steps) == expected


def test_workers_begin_nothing_after_a_failure_and_complete_what_runs(steps, tmp_path, workers):
    with pytest.raises(ValueError, match="step 'broken' ended"):
        run_steps(tmp_path, steps, {}, workers, append_names)
    assert texts(steps)[0] == "first"
    assert texts(steps)[2:] == [None, None]
