"""Tables counted block by block add up to the table of the volumes."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from scripts.blockwise.contingency import table_on_workers
from scripts.blockwise.workers import ThisProcess
from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.contingency_blocks import table_of_volumes
from scripts.tools.cli import main


@pytest.fixture
def labels(tmp_path, monkeypatch):
    """truth.h5 and pred.h5 in the working folder; (truth, pred)."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(3)
    truth, pred = generator.integers(0, 5, (7, 20, 33)), generator.integers(0, 9, (7, 20, 33)).astype(np.uint16)
    for name, array in (("truth", truth), ("pred", pred)):
        with h5py.File(f"{name}.h5", "w") as file:
            file.create_dataset("labels", data=array, chunks=(2, 8, 8))
    return truth, pred


@pytest.mark.parametrize("border", [0, 2])
def test_tables_of_blocks_are_the_table_of_the_box(labels, border):
    truth, pred = labels
    box = "1:6,3:20,0:30"
    expected = table_of_volumes(truth, pred, box=box, mask=pred, border=border)
    found = table_on_workers("truth.h5", "pred.h5", box, "pred.h5:labels", border, ThisProcess(), voxels=500)
    assert found == expected
    assert found != ContingencyTable.empty()


def test_a_part_is_counted_where_it_is_and_a_mask_of_its_grid_with_it(labels):
    truth, pred = labels
    with h5py.File("part.h5", "w") as file:
        file.create_dataset("labels", data=pred[2:6, :, 5:30]).attrs["offset"] = (2, 0, 5)
        file["mask"] = pred[2:6, :, 5:30] % 2
    box = "2:6,0:20,5:30"
    found = table_on_workers("truth.h5", "part.h5:labels", box, "part.h5:mask", 0, ThisProcess(), voxels=500)
    assert found == table_of_volumes(truth, pred, box=box, mask=pred % 2)


def test_scores_of_two_workers_are_those_of_one_process(labels):
    main(["score", "pred.h5", "truth.h5", "--out=one.json"])
    main(["score", "pred.h5", "truth.h5", "--out=two.json", "--workers=2"])
    one, two = (json.loads(Path(f"{name}.json").read_text()) for name in ("one", "two"))
    assert one["scores"] == two["scores"]
    assert len(one["scores"]) > 10
