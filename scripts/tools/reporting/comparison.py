"""Scores of runs side by side: seeds of one setting are one column, with mean and range."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.checkpoints.run_files import BEST, CHECKPOINTS, LAST
from scripts.ops.scoring.scores import Score, declared_scores, headlines
from scripts.tools.reporting.runs import Run

COUNTED = {name for name, score in declared_scores().items() if isinstance(score.value, int)}
"""Scores that are whole numbers."""
LOCATED = ("split_objects", "merged_segments")
"""Scores that count what the viewer can go to."""
TITLE_SETTINGS = 3
"""Settings in the title of a column; where more differ, it has the run's name instead."""
VAL_LOSS = Score(
    "val_loss",
    math.nan,
    "lower",
    "validation loss: mean over the fixed crops of the validation box",
    "loss on the validation box",
    True,
)


@dataclass(frozen=True)
class Column:
    """Runs that differ in the seed alone.

    Attributes:
        title: `pre-trained`, with the settings in which columns differ.
        runs: by seed.
    """

    title: str
    runs: Sequence[Run]

    def values(self, name: str) -> list[float]:
        """One number a run, those that are not defined left out."""
        found = [score.value for run in self.runs for score in run.scores if score.name == name]
        return [value for value in found if not math.isnan(value)]

    @property
    def seeds(self) -> str:
        """`2 (seeds 0, 1)`, or how many runs there are."""
        seeds = [str(run.recipe["seed"]) for run in self.runs if "seed" in run.recipe]
        named = f" ({'seed' if len(seeds) == 1 else 'seeds'} {', '.join(seeds)})" if seeds else ""
        return f"{len(self.runs)}{named}"


def columns(runs: Sequence[Run]) -> list[Column]:
    """Runs of one task by their settings, pre-trained ones first; seed, and the encoder's path where it follows the
    seed, do not separate them.
    """
    varied = [key for key in _keys(runs) if key not in ("seed", "pretrained") and _differs(runs, key)]
    titled = [key for key in varied if not any(isinstance(run.recipe.get(key), Mapping) for run in runs)]
    grouped = _grouped(runs, varied)
    if any(len({run.recipe.get("seed") for run in alike}) < len(alike) for alike in grouped.values()):
        grouped = _grouped(runs, [*varied, "pretrained"])
        titled = [*titled, "pretrained"]
    made = []
    for alike in grouped.values():
        first = alike[0]
        words = [
            f"{key.replace('_', ' ')} {_short(first.recipe.get(key))}"
            for key in titled
            if first.recipe.get(key) is not None
        ]
        start = [] if first.pretrains else [first.start]
        if len(words) > TITLE_SETTINGS:
            words = [first.name + ("" if len(alike) == 1 else " and its other seeds")]
        if any(run.test for run in runs) and not first.test:
            words.append("not evaluated: scores on the validation box")
        ordered = sorted(alike, key=lambda run: str(run.recipe.get("seed", "")))
        made.append(Column(", ".join([*start, *words]) or first.name, ordered))
    return sorted(made, key=lambda column: (not column.runs[0].recipe.get("pretrained"), column.title))


@dataclass(frozen=True)
class Cell:
    """Mean of a column, the range where it has several values, and whether no other column is better."""

    mean: str
    span: str = ""
    best: bool = False


@dataclass(frozen=True)
class Row:
    """A score: its label, the number of its definition from 1, a cell for each column (None without a value), which
    direction is better, and whether it counts errors that have a position.
    """

    label: str
    note: int
    cells: Sequence[Cell | None]
    better: str
    located: bool


@dataclass(frozen=True)
class ScoreTables:
    """The main scores, all others, and their definitions, of which the first `shown` belong to the main ones."""

    main: Sequence[Row]
    rest: Sequence[Row]
    definitions: Sequence[str]
    shown: int


def score_tables(found: Sequence[Column]) -> ScoreTables | None:
    """Scores of columns; None where no run has any."""
    known: dict[str, Score] = {}
    for score in (score for column in found for run in column.runs for score in run.scores):
        known.setdefault(score.name, VAL_LOSS if score.name == VAL_LOSS.name else score)
    if not known:
        return None
    main = [known[name] for name in _main_names() if name in known]
    rest = [score for score in known.values() if score not in main]
    definitions = list(dict.fromkeys(score.definition for score in [*main, *rest]))

    def row(score: Score) -> Row:
        best = _best(found, score.name, score.better)
        cells = [_cell(column, score.name, best) for column in found]
        note = definitions.index(score.definition) + 1
        return Row(_label(score.name), note, cells, score.better, score.name in LOCATED)

    shown = len({score.definition for score in main})  # the rest have theirs beside them
    return ScoreTables(list(map(row, main)), list(map(row, rest)), definitions, shown)


def summary(found: Sequence[Column]) -> str:
    """One line: the first of the main scores, column by column; empty where there is none."""
    for name in _main_names():
        if name in COUNTED:
            continue
        values = [(column, column.values(name)) for column in found]
        if any(given for _, given in values):
            parts = [f"{column.title} {' '.join(_numbers(given, name)).strip()}" for column, given in values if given]
            return f"{_label(name)}: {'; '.join(parts)}"
    return ""


def _main_names() -> list[str]:
    """Names of the scores of the first table."""
    return [*(score.name for score in headlines()), VAL_LOSS.name]


def _label(name: str) -> str:
    known = {**declared_scores(), VAL_LOSS.name: VAL_LOSS}
    return known[name].label if name in known else name


def _grouped(runs: Sequence[Run], keys: Sequence[str]) -> dict[Any, list[Run]]:
    groups: dict[Any, list[Run]] = {}
    for run in runs:
        values = (bool(run.recipe.get("pretrained")), bool(run.test), *(repr(run.recipe.get(key)) for key in keys))
        groups.setdefault(values, []).append(run)
    return groups


def _keys(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(key for run in runs for key in run.recipe))


def _differs(runs: Sequence[Run], key: str) -> bool:
    return len({repr(run.recipe.get(key)) for run in runs}) > 1


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    if isinstance(value, str) and "/" in value:
        parts = [part for part in value.split("/") if part not in (CHECKPOINTS, BEST, LAST)]
        return parts[-1] if parts else value
    return str(value)


def _best(found: Sequence[Column], name: str, better: str) -> float | None:
    """The best mean, where there are several columns and a better direction."""
    means = [_mean(column.values(name)) for column in found if column.values(name)]
    if len(set(means)) < 2 or better not in ("lower", "higher"):
        return None
    return min(means) if better == "lower" else max(means)


def _cell(column: Column, name: str, best: float | None) -> Cell | None:
    values = column.values(name)
    return Cell(*_numbers(values, name), best is not None and _mean(values) == best) if values else None


def _numbers(values: Sequence[float], name: str) -> tuple[str, str]:
    """`0.1234` and nothing, or `0.1234` and `[0.1200 to 0.1268]` of several."""
    counted = name in COUNTED
    mean = f"{_mean(values):,.{0 if _mean(values).is_integer() else 1}f}" if counted else f"{_mean(values):.4f}"
    if len(values) == 1:
        return mean, ""
    low, high = (f"{value:,.0f}" if counted else f"{value:.4f}" for value in (min(values), max(values)))
    return mean, f"[{low} to {high}]"


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
