"""A search on workers has the table of one process."""

import h5py
import numpy as np
import pytest

from scripts.ops.targets.noised_affinities import noised_affinities
from scripts.tools.cli import main


@pytest.fixture
def command(tmp_path, monkeypatch, cells):
    """A search over pred.h5 and truth.h5 in the working folder."""
    monkeypatch.chdir(tmp_path)
    for name, array in (("pred", noised_affinities(cells, 1.0).astype(np.float16)), ("truth", cells)):
        with h5py.File(f"{name}.h5", "w") as file:
            file.create_dataset("volume", data=array)
    options = ["--box=0:8,:,:", "--high=0.97", "--size=20", "--threshold=0.1,0.3,0.5", "--dust=30"]
    return ["tune", "pred.h5", "truth.h5", "agglomeration", *options]


def test_the_table_of_two_workers_is_that_of_one_process(command, tmp_path, scheduler):
    main([*command, "--out=one"])
    main([*command, "--out=two", f"--scheduler={scheduler}"])
    tables = [(tmp_path / name / "search.md").read_text() for name in ("one", "two")]
    assert tables[0] == tables[1]
    assert len(tables[0].splitlines()) == 4 + 3
    records = [sorted((tmp_path / name / "search.jsonl").read_text().splitlines()) for name in ("one", "two")]
    assert records[0] == records[1]
    assert not list(tmp_path.glob(".settings-*"))


def test_labels_that_do_not_fit_are_refused_before_a_worker_is_asked(command, scheduler, capsys):
    with h5py.File("truth.h5", "a") as file:
        del file["volume"]
        file.create_dataset("volume", data=np.ones((12, 48, 70), np.int64))
    with pytest.raises(SystemExit):
        main([*command, "--out=two", f"--scheduler={scheduler}"])
    line = capsys.readouterr().err.strip()
    assert line.startswith("error: box 0:8,0:48,0:70 ends at x=70, outside the volume")
    assert "\n" not in line
