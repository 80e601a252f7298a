"""Scores of an experiment: every run, mean and standard deviation over the seeds, as JSON, table and plot."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from scripts.checkpoints.run_files import LOG
from scripts.data.files.replacing import replacing
from scripts.handlers.validation import VAL_LOSS
from scripts.ops.scoring.scores import Score, headlines
from scripts.tools.experiments.grids import RESULTS, Condition, Experiment
from scripts.visualize.figure_file import new_figure, save_figure

HELD_OUT = Score("held_out_loss", math.nan, "lower", "loss on fixed crops of the validation box", "held-out loss")
"""Of the last validation of a run; the other scores are those of the test box."""
BESIDE = ("voi_split", "voi_merge", HELD_OUT.name)
"""Scores that have a panel beside that of the key score."""


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
    """Read the scores of all runs on the test box, and their losses on the validation box."""
    rows = []
    for condition in experiment.conditions:
        tables = [
            _read(experiment.scores(condition, seed)) | _read_loss(experiment.folder(condition, seed) / LOG)
            for seed in experiment.seeds
        ]
        names = [score.name for score in (HELD_OUT, *headlines()) if any(score.name in table for table in tables)]
        rows.append(Row(condition, {name: [table.get(name, math.nan) for table in tables] for name in names}))
    return rows


def markdown(rows: Sequence[Row], seeds: Sequence[int], about: str) -> str:
    """Tables of mean and standard deviation of each headline score, of pairs of runs of one seed, and of every run."""
    labels = {score.name: _titled(score) for score in (HELD_OUT, *headlines())}
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
    lines += paired(rows, [name for name in names if directions()[name]])
    return "\n".join([*lines, "", "Every run:", "", *_table(["condition", "seed", *head[1:]], runs), ""])


def paired(rows: Sequence[Row], names: Sequence[str]) -> list[str]:
    """Lines of a table of pre-trained minus scratch, or of each recipe minus the first; none where there is no pair.

    Args:
        rows: of all conditions.
        names: of scores that have a better direction.
    """
    by_name = {row.condition.name: row for row in rows}
    starts = [
        (scratch, row)
        for row in rows
        if row.condition.pretraining is not None
        for scratch in rows
        if scratch.condition.pretraining is None
        and scratch.condition.fine_tuning == row.condition.fine_tuning
        and scratch.condition.overlays == row.condition.overlays
    ]
    recipes = [(by_name[row.condition.against], row) for row in rows if row.condition.against]
    return _differences("Pre-trained minus scratch", starts, names) + _differences(
        "Each minus the first", recipes, names
    )


def _differences(title: str, pairs: Sequence[tuple[Row, Row]], names: Sequence[str]) -> list[str]:
    if not pairs:
        return []
    cells = [[row.condition.name, *(_difference(base, row, name) for name in names)] for base, row in pairs]
    labels = {score.name: score.label for score in (HELD_OUT, *headlines())}
    title += " of the same seed, mean and standard deviation, and in how many seeds it is better:"
    return ["", title, "", *_table(["condition", *(labels[name] for name in names)], cells)]


def _difference(base: Row, other: Row, name: str) -> str:
    """`-0.0460 +- 0.0480, 5 of 5`; pairs without a score are left out."""
    both = zip(base.values.get(name, []), other.values.get(name, []), strict=False)
    found = [after - before for before, after in both if not math.isnan(after - before)]
    better = [value for value in found if (value < 0 if directions()[name] == "lower" else value > 0)]
    return f"{spread(found)}, {len(better)} of {len(found)}" if found else "-"


def directions() -> dict[str, str]:
    """Score -> "lower", "higher" or "" for a count: what is better."""
    return {score.name: score.better for score in (HELD_OUT, *headlines())}


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
        experiment: whose complete runs are in the table.
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
    """Return a figure: a panel for each of the key score, the VOI and the held-out loss that the runs have."""
    methods = list(dict.fromkeys(row.condition.method for row in rows))
    values = {row.condition.value for row in rows}
    numbered = len(values) > 1 and None not in values
    shown = [key, *(name for name in BESIDE if name != key and any(name in row.values for row in rows))]
    fig = new_figure(1.5 + (3.0 if numbered else 1.5 + 0.75 * len(rows)) * len(shown), 4.0)
    panels = fig.subplots(1, len(shown), squeeze=False)[0]
    for axes, name in zip(panels, shown, strict=True):
        _draw_score(axes, rows, name, methods, numbered)
    if numbered or len(methods) < len(rows):  # else each has its name below
        handles, labels = panels[0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside upper left", ncols=len(methods), frameon=False)  # covers no run
    return fig


def _draw_score(axes: Any, rows: Sequence[Row], name: str, methods: Sequence[str], numbered: bool) -> None:
    """A dot for every run, and the means, as a line over several values or a dash over each name."""
    for colour, method in enumerate(methods):
        own = [(k, row) for k, row in enumerate(rows) if row.condition.method == method and name in row.values]
        beside = 1.04 ** (colour - (len(methods) - 1) / 2)  # so that no method covers another
        places = [beside * float(row.condition.value or 1) if numbered else float(k) for k, row in own]
        for place, (_, row) in zip(places, own, strict=True):
            axes.plot([place] * len(row.values[name]), row.values[name], "o", color=f"C{colour}", alpha=0.4)
        means = [mean([v for v in row.values[name] if not math.isnan(v)] or [math.nan]) for _, row in own]
        axes.plot(places, means, "-_" if numbered else "_", color=f"C{colour}", markersize=14, label=method or "mean")
    if numbered:
        axes.set_xscale("log")
        ticks = sorted({float(row.condition.value) for row in rows if row.condition.value is not None})
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel(rows[0].condition.axis)
    else:
        slant = {"rotation": 20, "ha": "right"} if len(rows) > 3 else {}
        axes.set_xticks(range(len(rows)), [row.condition.name for row in rows], **slant)
        axes.set_xlim(-0.5, len(rows) - 0.5)
    titles = {score.name: _titled(score).replace(" (", "\n(") for score in (HELD_OUT, *headlines())}
    axes.set_ylabel(titles.get(name, name))
    axes.grid(alpha=0.3)


def _titled(score: Score) -> str:
    """The label of a score, with the direction that is better if it has one."""
    return f"{score.label} ({score.better} is better)" if score.better else score.label


def _read(path: Path) -> dict[str, float]:
    if not path.exists():
        return {}
    scores = json.loads(path.read_text(encoding="utf-8"))["scores"]
    return {score["name"]: math.nan if score["value"] is None else float(score["value"]) for score in scores}


def _read_loss(path: Path) -> dict[str, float]:
    """The last loss on the validation box in the log of a run."""
    if not path.exists():
        return {}
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    found = [float(entry[VAL_LOSS]) for entry in entries if entry.get(VAL_LOSS) is not None]
    return {HELD_OUT.name: found[-1]} if found else {}


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(head) + " |", "|---" * len(head) + "|", *("| " + " | ".join(row) + " |" for row in rows)]


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def _json(value: float) -> float | None:
    return None if math.isnan(value) else value
