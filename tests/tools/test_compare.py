"""`python -m scripts compare`: headline scores of several evaluations, a column each."""

import numpy as np
import pytest

from scripts.metrics.score_report import as_json
from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.scores import all_scores, declared_scores, headlines
from scripts.tools.cli import main

TRUTH = np.array([[[1, 1, 1, 1, 2, 2]]])


@pytest.fixture
def files(tmp_path):
    """Scores of a perfect segmentation, and of one that splits object 1."""
    paths = []
    for name, found in (("perfect", TRUTH), ("split", np.array([[[1, 1, 3, 3, 2, 2]]]))):
        path = tmp_path / name / "scores.json"
        path.parent.mkdir()
        path.write_text(as_json(all_scores(ContingencyTable.from_arrays(TRUTH, found)), {}))
        paths.append(str(path))
    return paths


def test_headlines_stand_side_by_side_with_their_direction(files, capsys):
    main(["compare", *files])
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["score", "perfect", "split", "better"]
    assert [row.split("  ")[0] for row in rows] == [score.label for score in headlines()]
    assert next(row for row in rows if row.startswith("VOI split")).split()[-3:] == ["0.0000", "0.6667", "lower"]


def test_runs_of_several_seeds_have_a_mean_and_a_deviation(files, capsys):
    main(["compare", *files, "--spread"])
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["score", "perfect", "split", "mean", "+-", "sd", "better"]
    row = next(row for row in rows if row.startswith("VOI split"))
    assert row.split()[-6:] == ["0.0000", "0.6667", "0.3333", "+-", "0.4714", "lower"]


def test_every_score_has_one_label(files):
    labels = [score.label for score in declared_scores().values()]
    assert len(set(labels)) == len(labels)


def test_a_file_of_something_else_is_one_line(files, tmp_path, capsys):
    (tmp_path / "other.json").write_text("[1, 2]")
    for words, error in (
        ([files[0], str(tmp_path / "other.json")], "other.json' is not a file of scores"),
        ([files[0], "--titles", "a,b"], "--titles a,b are 2 titles for 1 files"),
        ([files[0], "--spread"], "--spread needs two files of scores or more"),
        ([], "no file of scores is named"),
    ):
        with pytest.raises(SystemExit):
            main(["compare", *words])
        assert error in capsys.readouterr().err
