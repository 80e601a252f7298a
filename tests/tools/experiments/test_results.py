"""The table of an experiment: every run, the mean, the spread, and what is missing."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.tools.experiments.conditions import label_budget, recipe
from scripts.tools.experiments.grids import Experiment
from scripts.tools.experiments.results import collect, draw, markdown, spread, write_results

ERRORS = {("unetr", 2): (0.5, 0.7), ("unetr", 6): (0.2, 0.4)}


@pytest.fixture
def experiment(tmp_path):
    made = Experiment(
        out=tmp_path,
        bundle="b",
        bundles=Path("bundles"),
        volumes="v",
        labels="l",
        boxes={},
        seeds=(0, 1),
        conditions=label_budget(("2", "6"), ("unetr",)),
    )
    for condition in made.conditions:
        for seed in made.seeds:
            path = made.scores(condition, seed)
            path.parent.mkdir(parents=True)
            value = ERRORS["unetr", int(condition.value)][seed]
            path.write_text(json.dumps({"scores": [{"name": "adapted_rand_snemi3d", "value": value}]}))
    return made


def test_mean_and_deviation_are_those_of_the_seeds():
    assert spread([0.5, 0.7]) == "0.6000 +- 0.1414"
    assert spread([0.25]) == "0.2500"
    assert spread([0.25, math.nan]) == "0.2500 (1 of 2 without)"
    assert spread([math.nan]) == "-"


def test_the_table_has_every_run_and_the_mean(experiment):
    table = markdown(collect(experiment), experiment.seeds, "about")
    assert "| unetr_2_sections | 0.6000 +- 0.1414 |" in table
    assert all(f"| unetr_{n}_sections | {s} | {ERRORS['unetr', n][s]:.4f} |" in table for n in (2, 6) for s in (0, 1))


def test_a_title_has_the_direction_of_its_score_and_a_count_has_none(experiment):
    for condition in experiment.conditions:
        for seed in experiment.seeds:
            scores = [{"name": "gt_objects", "value": 3}, {"name": "voi_split", "value": 0.5}]
            experiment.scores(condition, seed).write_text(json.dumps({"scores": scores}))
    head = next(line for line in markdown(collect(experiment), experiment.seeds, "about").splitlines() if "|" in line)
    assert head == "| condition | objects | VOI split (bits) (lower is better) |"


def test_a_run_without_scores_is_counted_and_not_averaged(experiment):
    experiment.scores(experiment.conditions[0], 1).unlink()
    table = markdown(collect(experiment), experiment.seeds, "about")
    assert "| unetr_2_sections | 0.5000 (1 of 2 without) |" in table
    assert "| unetr_2_sections | 1 | - |" in table


def test_the_loss_on_the_validation_box_is_the_last_one_of_the_log(experiment):
    entries = [{"iteration": 1, "loss": 3.0}, {"iteration": 2, "val_loss": 1.5}, {"iteration": 4, "val_loss": 1.25}]
    text = "".join(json.dumps(entry) + "\n" for entry in entries) + '{"iteration": 5, "val'  # written while it trains
    (experiment.folder(experiment.conditions[0], 1) / "log.jsonl").write_text(text)
    table = markdown(collect(experiment), experiment.seeds, "about")
    assert "| condition | held-out loss (lower is better) | " in table
    assert "| unetr_2_sections | 1.2500 (1 of 2 without) | 0.6000 +- 0.1414 |" in table


def test_pairs_are_compared_seed_by_seed_and_only_where_nothing_else_differs(experiment):
    conditions = label_budget(("2", "6"), ("unetr", "unetr+pretrained"))[:3]  # 6 sections from scratch alone
    budget = replace(experiment, seeds=(0, 1, 2), conditions=conditions)
    errors = {0: (0.5, 0.7, 0.6), 1: (0.4, 0.75, 0.3), 2: (0.2, 0.4, 0.3)}
    for k, condition in enumerate(conditions):
        for seed in budget.seeds:
            path = budget.scores(condition, seed)
            path.parent.mkdir(parents=True, exist_ok=True)
            scores = [{"name": "adapted_rand_snemi3d", "value": errors[k][seed]}, {"name": "segments", "value": 7}]
            path.write_text(json.dumps({"scores": scores}))
    lines = markdown(collect(budget), budget.seeds, "about").splitlines()
    place = next(k for k, line in enumerate(lines) if line.startswith("Pre-trained minus scratch"))
    # differences -0.1, 0.05 and -0.3
    assert lines[place + 2 : place + 6] == [
        "| condition | Adapted Rand error (SNEMI3D) |",
        "|---|---|",
        "| unetr+pretrained_2_sections | -0.1167 +- 0.1756, 2 of 3 |",
        "",
    ]


def test_results_are_written_as_json_table_and_plot(experiment):
    _, files = write_results(experiment, "adapted_rand_snemi3d", "about")
    assert [path.name for path in files] == ["results.json", "results.md", "results.png"]
    stored = json.loads(files[0].read_text())
    assert stored["conditions"][1]["scores"]["adapted_rand_snemi3d"] == [0.2, 0.4]
    assert files[2].read_bytes().startswith(b"\x89PNG")


def test_the_plot_has_a_dot_for_every_run_and_a_line_through_the_means(experiment):
    axes = draw(collect(experiment), "adapted_rand_snemi3d").axes[0]
    drawn = [(line.get_marker(), [*map(tuple, line.get_xydata())]) for line in axes.lines]
    dots = {point for marker, points in drawn if marker == "o" for point in points}
    assert dots == {(2.0, 0.5), (2.0, 0.7), (6.0, 0.2), (6.0, 0.4)}
    (means,) = [points for marker, points in drawn if marker != "o"]
    assert means == [(2.0, pytest.approx(0.6)), (6.0, pytest.approx(0.3))]


def test_scores_beside_the_key_have_panels_of_their_own(experiment):
    for condition in experiment.conditions:
        for seed in experiment.seeds:
            path = experiment.scores(condition, seed)
            found = json.loads(path.read_text())["scores"]
            path.write_text(json.dumps({"scores": [*found, {"name": "voi_split", "value": seed + 0.25}]}))
    figure = draw(collect(experiment), "adapted_rand_snemi3d")
    titles = [axes.get_ylabel().splitlines()[0] for axes in figure.axes]
    assert titles == ["Adapted Rand error", "VOI split"]
    assert {y for line in figure.axes[1].lines for y in line.get_ydata()} == {0.25, 0.75, 1.25}


def test_methods_at_one_value_are_drawn_beside_each_other_with_their_names(experiment):
    one = replace(experiment, conditions=experiment.conditions[:1])
    axes = draw(collect(one), "adapted_rand_snemi3d").axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["unetr_2_sections"]
    assert axes.get_xscale() == "linear"


def test_recipes_are_subtracted_from_the_first_seed_by_seed(experiment):
    made = replace(experiment, conditions=recipe(("base", "erosion=0"), ("unetr",)))
    for condition, errors in zip(made.conditions, ((0.5, 0.7), (0.4, 0.8)), strict=True):
        for seed, value in enumerate(errors):
            path = made.scores(condition, seed)
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps({"scores": [{"name": "adapted_rand_snemi3d", "value": value}]}))
    table = markdown(collect(made), made.seeds, "about")
    assert "Each minus the first of the same seed" in table
    assert "| unetr_erosion=0 | 0.0000 +- 0.1414, 1 of 2 |" in table
    assert "Pre-trained minus scratch" not in table
