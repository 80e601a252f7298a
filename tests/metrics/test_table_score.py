"""The ignite metric: tables are summed over batches and processes, volumes stay apart, scores are never averaged."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from ignite.exceptions import NotComputableError

from scripts.handlers.score_table import ScoreTable
from scripts.metrics import TableScore
from scripts.metrics.score_report import as_json, markdown_table
from scripts.ops.scoring.adapted_rand import snemi3d_error
from scripts.ops.scoring.contingency import ContingencyTable, side_by_side
from scripts.ops.scoring.scores import Score, score_values

ROOT = Path(__file__).parents[2]


def pair(seed, shape=(3, 12, 12)):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 6, shape, generator=generator), torch.randint(0, 6, shape, generator=generator)


def test_windows_of_a_named_volume_score_as_the_whole():
    pred, gt = pair(0)
    metric = TableScore()
    for z in range(3):
        metric.update((pred[None, None, z : z + 1], gt[None, None, z : z + 1], "one"))
    assert metric.table() == ContingencyTable.from_arrays(gt, pred)
    assert repr(metric.compute()) == repr(score_values(metric.table()))  # by text: nan is nan


def test_volumes_of_a_batch_are_different_volumes():
    pred, gt = pair(1, (2, 1, 3, 12, 12))
    whole = TableScore(score=snemi3d_error)
    whole.update((pred, gt))
    apart = side_by_side([ContingencyTable.from_arrays(gt[k], pred[k]) for k in range(2)])
    assert whole.compute() == snemi3d_error(apart)
    assert whole.compute() != snemi3d_error(ContingencyTable.from_arrays(gt, pred))
    for items in (([*pred], [*gt]), ([*pred], [*gt], ["a", "b"])):
        listed = TableScore(score=snemi3d_error)
        listed.update(items)
        assert listed.compute() == whole.compute()


def test_reset_forgets_and_nothing_seen_is_an_error():
    metric = TableScore(score=snemi3d_error)
    metric.update(pair(2))
    metric.reset()
    with pytest.raises(NotComputableError, match="no volume was scored"):
        metric.compute()


def test_labels_are_not_changed_and_float_labels_are_refused():
    pred, gt = pair(3)
    before = pred.clone(), gt.clone()
    TableScore().update((pred, gt))
    assert torch.equal(pred, before[0])
    assert torch.equal(gt, before[1])
    with pytest.raises(ValueError, match="prediction is of type float32"):
        TableScore().update((pred.float(), gt))
    with pytest.raises(ValueError, match="1 predictions, 1 ground truths and 2 names"):
        TableScore().update((pred, gt, ["a", "b"]))
    with pytest.raises(ValueError, match=r"labels of shape \(12, 12\)"):
        TableScore().update((pred[0], gt[0]))


def test_an_evaluator_gets_the_numbers_and_the_handler_writes_them(tmp_path):
    batches = [pair(4, (1, 1, 3, 12, 12)), pair(5, (1, 1, 3, 12, 12))]
    engine = Engine(lambda _, batch: batch)
    TableScore().attach(engine, "instances")
    TableScore(score=snemi3d_error).attach(engine, "a_rand")
    ScoreTable(tmp_path / "eval").attach(engine)
    engine.run(batches)
    expected = snemi3d_error(side_by_side(ContingencyTable.from_arrays(gt, pred) for pred, gt in batches))
    assert engine.state.metrics["a_rand"] == engine.state.metrics["adapted_rand_snemi3d"] == expected
    written = json.loads((tmp_path / "eval" / "scores.json").read_text())
    by_name = {score["name"]: score for score in written["scores"]}
    assert by_name["adapted_rand_snemi3d"]["value"] == expected
    assert "SNEMI3D arithmetic" in by_name["adapted_rand_snemi3d"]["definition"]
    assert by_name["a_rand"]["value"] == expected
    assert written["epoch"] == 1
    assert f"| {expected:.6f} " in (tmp_path / "eval" / "scores.md").read_text()
    ScoreTable(tmp_path, name="few", metrics=["voi_split"]).attach(engine)
    engine.run(batches)
    assert [s["name"] for s in json.loads((tmp_path / "few.json").read_text())["scores"]] == ["voi_split"]
    ScoreTable(tmp_path, metrics=["dice"]).attach(engine)
    with pytest.raises(ValueError, match="metric 'dice' was not computed; there are"):
        engine.run(batches)


def test_what_is_not_defined_is_null_in_json_and_reported_in_the_table():
    scores = [Score("voi_split", float("nan"), "lower", "bits"), Score("voxels", 3, "", "count")]
    assert json.loads(as_json(scores, {"box": "0:1"}))["scores"][0]["value"] is None
    table = markdown_table(scores)
    assert "not defined" in table
    assert "[2] count" in table


WORKER = """
import sys, json
import torch, torch.distributed as dist
from scripts.metrics import TableScore
rank, world, store, out = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
if world > 1:
    dist.init_process_group("gloo", init_method="file://" + store, rank=rank, world_size=world)
metric = TableScore()
for k in range(rank, 5, world):  # 5 volumes: unequal shares
    generator = torch.Generator().manual_seed(k)
    pred, gt = (torch.randint(0, 6, (1, 1, 4, 12, 12), generator=generator) + (k == 4) * 2**60 for _ in range(2))
    for half in range(2):  # named volumes are scored in halves
        part = slice(2 * half, 2 * half + 2)
        metric.update((pred[:, :, part], gt[:, :, part], f"volume {k}"))
generator = torch.Generator().manual_seed(9)
pred, gt = (torch.randint(0, 6, (4, 12, 12), generator=generator) for _ in range(2))
share = slice(rank * 4 // world, (rank + 1) * 4 // world)
metric.update((pred[share], gt[share], "between processes"))
open(out + str(rank), "w").write(json.dumps(metric.compute()))
if world > 1:
    dist.destroy_process_group()
"""


def test_two_processes_score_as_one(tmp_path):
    def run(world):
        command = [sys.executable, "-c", WORKER]
        out = tmp_path / f"of_{world}_"
        processes = [
            subprocess.Popen([*command, str(rank), str(world), str(tmp_path / "store"), str(out)], cwd=ROOT)
            for rank in range(world)
        ]
        assert [process.wait(timeout=120) for process in processes] == [0] * world
        return [json.loads(Path(f"{out}{rank}").read_text()) for rank in range(world)]

    (alone,) = run(1)
    first, second = run(2)
    assert repr(first) == repr(second) == repr(alone)  # by text: nan is nan
    assert alone["voxels"] == 6 * 4 * 144
    assert np.isfinite(alone["adapted_rand_snemi3d"])
