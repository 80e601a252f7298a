"""Scores of runs side by side: seeds of one setting are one column, with mean and range."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.ops.scoring.scores import Score, declared_scores, headlines
from scripts.tools.reporting.markup import NOTHING, table, text
from scripts.tools.reporting.runs import Run

COUNTED = {name for name, score in declared_scores().items() if isinstance(score.value, int)}
"""Scores that are whole numbers."""
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


def columns(runs: Sequence[Run]) -> list[Column]:
    """Runs of one task by their settings, pre-trained ones first; seed, and the encoder's path where it follows the
    seed, do not part them.
    """
    varied = [key for key in _keys(runs) if key not in ("seed", "pretrained") and _differs(runs, key)]
    told = [key for key in varied if not any(isinstance(run.recipe.get(key), Mapping) for run in runs)]
    grouped = _grouped(runs, varied)
    if any(len({run.recipe.get("seed") for run in alike}) < len(alike) for alike in grouped.values()):
        grouped = _grouped(runs, [*varied, "pretrained"])
        told = [*told, "pretrained"]
    made = []
    for alike in grouped.values():
        first = alike[0]
        words = [
            f"{key.replace('_', ' ')} {_short(first.recipe.get(key))}"
            for key in told
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


def score_tables(found: Sequence[Column], task: str) -> str:
    """HTML: the main scores, the rest folded away, and the definitions that their numbers point to; the task keeps
    anchors apart.
    """
    known: dict[str, Score] = {}
    for score in (score for column in found for run in column.runs for score in run.scores):
        known.setdefault(score.name, VAL_LOSS if score.name == VAL_LOSS.name else score)
    main = [known[name] for name in _main_names() if name in known]
    rest = [score for score in known.values() if score not in main]
    meanings = {score.name: score.definition for score in [*main, *rest]}
    numbers = {definition: k for k, definition in enumerate(dict.fromkeys(meanings.values()), start=1)}
    head = ["score", *(text(column.title) for column in found), "better"]
    shown = len({meanings[score.name] for score in main})  # the rest have theirs beside them
    seeds = ["runs", *(_seeds(column) for column in found), ""]

    def row(score: Score) -> list[str]:
        number = numbers[meanings[score.name]]
        note = f'<sup><a href="#{task}-definition-{number}">{number}</a></sup>'
        best = _best(found, score.name, score.better)
        cells = (_cell(column, score.name, best) for column in found)
        return [f"{text(_label(score.name))} {note}", *cells, text(score.better)]

    parts = [table(head, [seeds, *map(row, main)], "Mean over seeds [lowest to highest]; the best mean is bold")]
    if rest:
        others = table(head, list(map(row, rest)), "All other numbers")
        more = _notes(list(numbers)[shown:], shown + 1, task)
        parts.append(f"<details><summary>{len(rest)} more numbers</summary>{others}{more}</details>")
    return "".join([parts[0], _notes(list(numbers)[:shown], 1, task), *parts[1:]])


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


def _notes(definitions: Sequence[str], first: int, task: str) -> str:
    """A numbered list that the notes of a table point to."""
    lines = "".join(
        f'<li id="{task}-definition-{k}">{text(definition)}</li>' for k, definition in enumerate(definitions, first)
    )
    return f'<ol class="notes" start="{first}">{lines}</ol>'


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
        parts = [part for part in value.split("/") if part not in ("checkpoints", "best.pt", "last.pt")]
        return parts[-1] if parts else value
    return str(value)


def _seeds(column: Column) -> str:
    seeds = [str(run.recipe["seed"]) for run in column.runs if "seed" in run.recipe]
    return (
        f"{len(column.runs)} ({'seed' if len(seeds) == 1 else 'seeds'} {', '.join(seeds)})"
        if seeds
        else str(len(column.runs))
    )


def _best(found: Sequence[Column], name: str, better: str) -> float | None:
    """The best mean, where there are several columns and a better direction."""
    means = [_mean(column.values(name)) for column in found if column.values(name)]
    if len(set(means)) < 2 or better not in ("lower", "higher"):
        return None
    return min(means) if better == "lower" else max(means)


def _cell(column: Column, name: str, best: float | None) -> str:
    values = column.values(name)
    if not values:
        return NOTHING
    mean, span = _numbers(values, name)
    words = f"<strong>{mean}</strong>" if best is not None and _mean(values) == best else mean
    return words + (f' <span class="range">{span}</span>' if span else "")


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
