"""Scores of an experiment: every run, mean and standard deviation over the seeds, as JSON, table and plot."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from scripts.data.files.replacing import replacing
from scripts.ops.scoring.scores import Score, headlines
from scripts.tools.experiments.grids import RESULTS, Condition, Experiment
from scripts.visualize.figure_file import new_figure, save_figure


@dataclass(frozen=True)
class Row:
    """One condition.

    Attributes:
        condition: what was run.
        values: score -> value of each seed, in the order of the seeds; nan where the run has none.
    """

    condition: Condition
    values: dict[str, list[float]]


def collect(experiment: Experiment) -> list[Row]:
    """Read the scores of all runs on the test box."""
    rows = []
    for condition in experiment.conditions:
        tables = [_read(experiment.scores(condition, seed)) for seed in experiment.seeds]
        names = [score.name for score in headlines() if any(score.name in table for table in tables)]
        rows.append(Row(condition, {name: [table.get(name, math.nan) for table in tables] for name in names}))
    return rows


def markdown(rows: Sequence[Row], seeds: Sequence[int], about: str) -> str:
    """A table with mean and standard deviation of each headline score, and one with every run."""
    labels = {score.name: _titled(score) for score in headlines()}
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    head = ["condition", *(labels[name] for name in names)]
    summary = [[row.condition.name, *(spread(row.values.get(name, [])) for name in names)] for row in rows]
    runs = [
        [
            row.condition.name,
            str(seed),
            *(_number(row.values[name][k]) if name in row.values else "-" for name in names),
        ]
        for row in rows
        for k, seed in enumerate(seeds)
    ]
    lines = [
        about,
        "",
        f"Mean and standard deviation over seeds {', '.join(map(str, seeds))}:",
        "",
        *_table(head, summary),
    ]
    return "\n".join([*lines, "", "Every run:", "", *_table(["condition", "seed", *head[1:]], runs), ""])


def spread(values: Sequence[float]) -> str:
    """`0.1234 +- 0.0056`; one value has no deviation; runs without a score are counted."""
    there = [value for value in values if not math.isnan(value)]
    if not there:
        return "-"
    text = _number(mean(there)) + (f" +- {_number(stdev(there))}" if len(there) > 1 else "")
    return text + (f" ({len(values) - len(there)} of {len(values)} without)" if len(there) < len(values) else "")


def write_results(experiment: Experiment, key: str, about: str) -> tuple[str, list[Path]]:
    """Write results.json, results.md and results.png into the folder of the experiment.

    Args:
        experiment: with all runs complete.
        key: the score of the plot.
        about: first paragraph of the table: the command.

    Returns:
        The table, and the three paths.
    """
    rows = collect(experiment)
    table = markdown(rows, experiment.seeds, about)
    path = experiment.out / RESULTS
    content = {
        "about": about,
        "seeds": list(experiment.seeds),
        "conditions": [
            {
                "name": row.condition.name,
                "scores": {name: [_json(v) for v in values] for name, values in row.values.items()},
            }
            for row in rows
        ],
    }
    for file, text in ((path, json.dumps(content, indent=2) + "\n"), (path.with_suffix(".md"), table)):
        with replacing(file, overwrite=True) as partial:
            partial.write_text(text, encoding="utf-8")
    return table, [path, path.with_suffix(".md"), save_figure(draw(rows, key), path.with_suffix(".png"))]


def draw(rows: Sequence[Row], key: str) -> Any:
    """Return a figure: a dot for every run, and the means, as a line over values or a dash over each name."""
    methods = list(dict.fromkeys(row.condition.method for row in rows))
    numbered = all(row.condition.value is not None for row in rows)
    fig = new_figure(7.0, 4.0)
    axes = fig.add_subplot()
    for colour, method in enumerate(methods):
        own = [(k, row) for k, row in enumerate(rows) if row.condition.method == method and key in row.values]
        places = [float(row.condition.value) if row.condition.value is not None else float(k) for k, row in own]
        for place, (_, row) in zip(places, own, strict=True):
            axes.plot([place] * len(row.values[key]), row.values[key], "o", color=f"C{colour}", alpha=0.4)
        means = [mean([v for v in row.values[key] if not math.isnan(v)] or [math.nan]) for _, row in own]
        axes.plot(places, means, "-_" if numbered else "_", color=f"C{colour}", markersize=14, label=method or "mean")
    if numbered:
        axes.set_xscale("log")
        ticks = sorted({float(row.condition.value) for row in rows if row.condition.value is not None})
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
    else:
        slant = {"rotation": 20, "ha": "right"} if len(rows) > 3 else {}
        axes.set_xticks(range(len(rows)), [row.condition.name for row in rows], **slant)
        axes.set_xlim(-0.5, len(rows) - 0.5)
    axes.set_ylabel(next((_titled(score).replace(" (", "\n(") for score in headlines() if score.name == key), key))
    axes.legend()
    axes.grid(alpha=0.3)
    return fig


def _titled(score: Score) -> str:
    """The label of a score, with the direction that is better if it has one."""
    return f"{score.label} ({score.better} is better)" if score.better else score.label


def _read(path: Path) -> dict[str, float]:
    if not path.exists():
        return {}
    scores = json.loads(path.read_text(encoding="utf-8"))["scores"]
    return {score["name"]: math.nan if score["value"] is None else float(score["value"]) for score in scores}


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(head) + " |", "|---" * len(head) + "|", *("| " + " | ".join(row) + " |" for row in rows)]


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def _json(value: float) -> float | None:
    return None if math.isnan(value) else value
