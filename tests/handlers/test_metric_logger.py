"""Each iteration is recorded once, and every sink receives the same record."""

import io
import json
import resource
from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Engine, Events

from scripts.checkpoints.run_log import keep_until, read_log
from scripts.engines.duration import duration
from scripts.handlers.metric_logger import MetricLogger
from scripts.handlers.seeding import SeedEachIteration, iteration_seed
from scripts.handlers.sinks import JsonlLog, LogSink, NonFiniteGuard, Progress, StepRecord
from scripts.handlers.sinks.nonfinite_guard import broken_crops


def record(iteration: int, loss: float = 0.5, **changes) -> StepRecord:
    fields = {"learning_rate": 1e-3, "samples": 8, "seconds": 0.5, "waiting": 0.1, "elapsed": 1.0, "batch": {}}
    return StepRecord(iteration=iteration, loss=loss, **{**fields, **changes})


class Heard(LogSink):
    def __init__(self) -> None:
        self.records: list[StepRecord] = []
        self.flushed = 0

    def on_step(self, record: StepRecord) -> None:
        self.records.append(record)

    def flush(self) -> None:
        self.flushed += 1


def test_the_rate_recorded_is_the_one_the_step_was_made_with():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    heard = Heard()
    metric_logger = MetricLogger(optimizer, samples=4, sinks=[heard, None])

    def step(engine, batch):
        return [{"loss": torch.tensor(float(batch["index"][0]))}]

    def halve(engine):
        optimizer.param_groups[0]["lr"] *= 0.5

    engine = Engine(step)
    metric_logger.attach(engine)
    engine.add_event_handler(Events.ITERATION_COMPLETED, halve)
    engine.run([{"index": [k], "mask": None} for k in range(3)], max_epochs=1)
    assert [(r.iteration, r.loss, r.learning_rate) for r in heard.records] == [(1, 0, 0.5), (2, 1, 0.25), (3, 2, 0.125)]
    assert all(set(r.batch) == {"index"} for r in heard.records)
    assert metric_logger.state_dict()["elapsed"] == pytest.approx(sum(r.seconds for r in heard.records), abs=1e-4)


def test_the_log_has_each_iteration_once_after_a_kill_between_checkpoints(tmp_path):
    log = JsonlLog(tmp_path / "log.jsonl")
    log.on_start(0, 9)
    for k in (1, 2, 3, 4):
        log.on_step(record(k))
    log.on_scores(2, {"val_loss": 0.7})
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"iteration": 5, "lo')  # killed here; the checkpoint is of iteration 2
    log.close()
    log = JsonlLog(tmp_path / "log.jsonl")
    log.on_start(2, 9)
    log.on_step(record(3))
    log.close()
    entries = read_log(tmp_path / "log.jsonl")
    assert [entry["iteration"] for entry in entries if "loss" in entry] == [1, 2, 3]
    assert [entry["val_loss"] for entry in entries if "val_loss" in entry] == [0.7]


def test_skipped_crops_are_counted_in_the_log(tmp_path):
    log = JsonlLog(tmp_path / "log.jsonl")
    log.on_start(0, 2)
    log.on_step(record(1, batch={"skipped": torch.tensor([0, 2, 1])}))
    log.on_step(record(2, batch={"skipped": torch.tensor([0, 0, 0])}))
    log.close()
    assert [entry.get("skipped") for entry in read_log(tmp_path / "log.jsonl")] == [3, None]


def test_a_value_that_is_not_finite_is_null_in_the_log(tmp_path):
    log = JsonlLog(tmp_path / "log.jsonl")
    log.on_start(0, 1)
    log.on_step(record(1, loss=float("nan")))
    log.close()
    assert read_log(tmp_path / "log.jsonl")[0]["loss"] is None


def test_a_line_that_is_not_json_inside_the_log_is_named(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"iteration": 1}\nhello\n{"iteration": 2}\n')
    with pytest.raises(ValueError, match="line 2"):
        keep_until(path, 1)
    assert "hello" in path.read_text()


def test_away_from_a_terminal_progress_is_a_line_now_and_then():
    stream = io.StringIO()
    progress = Progress(every_seconds=3600, stream=stream)
    progress.on_start(0, 50)
    for k in range(1, 51):
        progress.on_step(record(k))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("iteration 1/50: loss 0.5000")
    assert "2.00 iterations/s" in lines[0]
    assert "16.0 samples/s" in lines[0]
    assert "24 s left" in lines[0]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.254, "0.25 s"), (40, "40 s"), (720, "12 min"), (12600, "3.5 h"), (90000, "25 h"), (15 * 86400, "15 days")],
)
def test_a_duration_is_written_in_its_largest_units(seconds, words):
    assert duration(seconds) == words


def test_a_loss_that_is_not_finite_names_iteration_rate_and_the_broken_crop():
    image = torch.zeros(3, 1, 2, 2, 2)
    image[1, 0, 1, 1, 1] = float("inf")
    batch = {
        "image": image,
        "region": torch.tensor([0, 1, 0]),
        "corner": torch.tensor([[0, 0, 0], [4, 5, 6], [1, 1, 1]]),
    }
    assert broken_crops(batch) == [(1, [4, 5, 6])]
    guard = NonFiniteGuard(lambda region, corner: f"volume{region} at {corner}")
    guard.on_step(record(6, batch=batch))
    with pytest.raises(
        FloatingPointError, match=r"iteration 7 is nan at learning rate 0\.001; .*volume1 at \[4, 5, 6\]"
    ):
        guard.on_step(record(7, loss=float("nan"), batch=batch))


def test_randomness_of_an_iteration_depends_on_seed_iteration_and_process_alone():
    drawn = {}
    for rank in (0, 1):
        for k in (7, 8):
            SeedEachIteration(3, rank)(SimpleNamespace(state=SimpleNamespace(iteration=k)))
            drawn[rank, k] = torch.rand(1).item()
    assert len(set(drawn.values())) == 4
    torch.rand(5)
    SeedEachIteration(3, 1)(SimpleNamespace(state=SimpleNamespace(iteration=7)))
    assert torch.rand(1).item() == drawn[1, 7]
    assert 0 <= iteration_seed(2**40, 10**9, 4096) < 2**63


def test_a_log_line_reads_as_json(tmp_path):
    log = JsonlLog(tmp_path / "log.jsonl")
    log.on_start(0, 1)
    log.on_step(record(1))
    log.close()
    entry = json.loads((tmp_path / "log.jsonl").read_text())
    assert entry == {
        "iteration": 1,
        "loss": 0.5,
        "lr": 1e-3,
        "samples_per_s": 16.0,
        "seconds": 0.5,
        "waiting": 0.1,
        "elapsed": 1.0,
    }


def test_a_full_disk_is_reported_with_its_remedy_when_the_log_is_closed_too(tmp_path):
    log = JsonlLog(tmp_path / "log.jsonl")
    log.on_start(0, 2)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        for write in (lambda: log.on_step(record(1)), log.close):
            with pytest.raises(OSError, match=r"no space left for '.*log\.jsonl'.* resume with --resume true"):
                write()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    log.close()
