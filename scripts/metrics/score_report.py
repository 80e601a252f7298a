"""Scores as a Markdown table with numbered definitions, and as JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.data.files.replacing import replacing
from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.scores import Score, all_scores


def markdown_table(scores: Sequence[Score]) -> str:
    """One row a score; its definition is a number that is explained below, each definition once."""
    numbers = {definition: k for k, definition in enumerate(dict.fromkeys(score.definition for score in scores), 1)}
    rows = [("score", "value", "better", "definition")]
    rows += [(score.name, _written(score.value), score.better, f"[{numbers[score.definition]}]") for score in scores]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join([*lines, "", *(f"[{k}] {definition}  " for definition, k in numbers.items())])


def as_json(scores: Sequence[Score], about: Mapping[str, Any]) -> str:
    """JSON of `about` and the scores; what is not defined (nan) is null."""
    table = [
        {
            "name": score.name,
            "value": score.value if math.isfinite(score.value) else None,
            "better": score.better,
            "definition": score.definition,
        }
        for score in scores
    ]
    return json.dumps({**about, "scores": table}, indent=2, allow_nan=False) + "\n"


def named_scores(values: Mapping[str, float]) -> list[Score]:
    """The scores of `all_scores` among the values of an engine's metrics, with their definitions, then the others."""
    known = {score.name: score for score in all_scores(ContingencyTable.empty())}
    found = [
        Score(name, values[name], score.better, score.definition) for name, score in known.items() if name in values
    ]
    return found + [
        Score(name, value, "", "a metric of the engine under its own name")
        for name, value in values.items()
        if name not in known
    ]


def check_free(path: Path, overwrite: bool) -> None:
    """Refuse to write over a file.

    Raises:
        ValueError: it is there, and `overwrite` is not given.
    """
    if path.exists() and not overwrite:
        raise ValueError(f"{path} exists; give another --out, or --overwrite to replace it")


def write_reports(path: Path, markdown: str, json_text: str) -> None:
    """Write `path` (.json) and its .md neighbour, each replaced completely or left as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for file, text in ((path, json_text), (path.with_suffix(".md"), markdown)):
        with replacing(file, overwrite=True) as partial:
            partial.write_text(text)


def _written(value: float) -> str:
    if math.isnan(value):
        return "not defined"
    return str(value) if isinstance(value, int) else f"{value:.6f}"
