"""Threshold search: the best by rule, every row kept, the same after a stop and in any order, blind to the test box."""

import json

import pytest

from scripts.metrics.decoder_grid import check_boxes, grid, search
from scripts.ops.box import Box

SETTINGS = grid({"low": [0.1, 0.2], "high": [0.7, 0.8, 0.9]})


def error_of(setting):
    """Least at high = 0.8, whatever low is."""
    return {"error": abs(setting["high"] - 0.8), "accuracy": -setting["low"]}


class Counting:
    """A score that remembers how often it was asked."""

    def __init__(self, stop_after=100):
        self.calls, self.stop_after = 0, stop_after

    def __call__(self, setting):
        self.calls += 1
        if self.calls > self.stop_after:
            raise KeyboardInterrupt
        return error_of(setting)


def test_a_grid_varies_the_last_name_fastest():
    assert SETTINGS[:4] == [
        {"low": 0.1, "high": 0.7},
        {"low": 0.1, "high": 0.8},
        {"low": 0.1, "high": 0.9},
        {"low": 0.2, "high": 0.7},
    ]


def test_of_equal_settings_the_first_given_is_best():
    assert SETTINGS[search(SETTINGS, error_of, "error", lower_is_better=True).best] == {"low": 0.1, "high": 0.8}
    assert search(SETTINGS, error_of, "accuracy", lower_is_better=False).best == 0


def test_the_table_holds_every_setting_and_marks_the_best():
    table = search(SETTINGS, error_of, "error", lower_is_better=True)
    lines = table.markdown().splitlines()
    assert "lower is better" in lines[0]
    assert len(lines) == 4 + 6
    assert [i for i, line in enumerate(lines) if "<-" in line] == [4 + 1]


def test_a_stopped_search_resumes_where_it_was_and_ends_alike(tmp_path):
    record = tmp_path / "search.jsonl"
    with pytest.raises(KeyboardInterrupt):
        search(SETTINGS, Counting(4), "error", lower_is_better=True, record=record)
    with record.open("a") as cut:
        cut.write('{"subject": "", "setting": {"lo')  # the machine stopped in the middle of a line
    score = Counting()
    table = search(SETTINGS, score, "error", lower_is_better=True, record=record)
    assert score.calls == 2
    assert table == search(SETTINGS, error_of, "error", lower_is_better=True)
    assert len([json.loads(line) for line in record.read_text().splitlines()]) == 6


def test_the_order_in_which_settings_are_scored_changes_nothing(tmp_path):
    def backwards(settings):
        return [(place, error_of(settings[place])) for place in reversed(range(len(settings)))]

    record = tmp_path / "r.jsonl"
    spread = search(SETTINGS, Counting(0), "error", lower_is_better=True, spread=backwards, record=record)
    assert spread == search(SETTINGS, Counting(0), "error", lower_is_better=True, record=record)
    assert spread == search(SETTINGS, error_of, "error", lower_is_better=True)


def test_a_record_of_something_else_is_refused(tmp_path):
    record = tmp_path / "search.jsonl"
    search(SETTINGS[:1], error_of, "error", lower_is_better=True, record=record, subject="a.h5 0:8")
    with pytest.raises(ValueError, match=r"records the search of 'a.h5 0:8', not of 'b.h5'"):
        search(SETTINGS, error_of, "error", lower_is_better=True, record=record, subject="b.h5")
    record.write_text("nonsense\n")
    with pytest.raises(ValueError, match="line 1, is no record"):
        search(SETTINGS, error_of, "error", lower_is_better=True, record=record)


def test_the_test_box_is_never_seen():
    check_boxes(Box((0, 0, 0), (8, 64, 64)), Box((8, 0, 0), (16, 64, 64)))
    check_boxes(Box((0, 0, 0), (8, 64, 64)), None)
    with pytest.raises(ValueError, match=r"0:9,0:64,0:64 shares voxels with the test box 8:16,0:64,0:64"):
        check_boxes(Box((0, 0, 0), (9, 64, 64)), Box((8, 0, 0), (16, 64, 64)))


def test_the_plot_is_written(tmp_path):
    search(SETTINGS, error_of, "error", lower_is_better=True).plot(tmp_path / "search.png")
    assert (tmp_path / "search.png").read_bytes()[:4] == b"\x89PNG"


def test_nothing_to_search_twice_the_same_and_unknown_metrics_are_errors(tmp_path):
    with pytest.raises(ValueError, match="0 settings"):
        search([], error_of, "error", lower_is_better=True)
    with pytest.raises(ValueError, match="2 settings, 1 of them different"):
        search(SETTINGS[:1] * 2, error_of, "error", lower_is_better=True)
    with pytest.raises(ValueError, match="no metric 'voi'; it has: error, accuracy"):
        search(SETTINGS, error_of, "voi", lower_is_better=True)
    with pytest.raises(ValueError, match="no values for"):
        grid({"low": []})
