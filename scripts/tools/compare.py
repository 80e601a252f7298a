"""`python -m scripts compare`: the headline scores of several evaluations side by side."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.ops.scoring.scores import headlines
from scripts.tools.experiments.results import spread as mean_and_deviation


def compare(*scores: str, titles: Sequence[str] | None = None, spread: bool = False) -> str:
    """Print the headline scores of several files of scores, a column each.

    Example: python -m scripts compare runs/pretrained/evaluation/scores.json runs/scratch/evaluation/scores.json
    --titles pre-trained,scratch

    Args:
        scores: files scores.json, as evaluation and `score --out` write them.
        titles: of the columns, with commas; the file's folder if not given.
        spread: add a column with mean and standard deviation, of files that differ in the seed alone.
    """
    if not scores:
        raise ValueError("no file of scores is named; give some: compare one/scores.json two/scores.json")
    names = list(titles) if titles is not None else [Path(file).parent.name or file for file in scores]
    if len(names) != len(scores):
        raise ValueError(f"--titles {','.join(names)} are {len(names)} titles for {len(scores)} files; give one each")
    columns = [_read(Path(file)) for file in scores]
    if spread and len(scores) < 2:
        raise ValueError("--spread needs two files of scores or more: runs that differ in the seed alone")
    rows = [["score", *names, *(["mean +- sd"] if spread else []), "better"]]
    for score in headlines():
        if any(score.name in column for column in columns):
            values = [column.get(score.name) for column in columns]
            summary = [mean_and_deviation([_number(value) for value in values])] if spread else []
            rows.append([score.label, *map(_written, values), *summary, score.better])
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:-1], widths[1:-1]), f" {row[-1]}"]).rstrip()
        for row in rows
    )


def _read(path: Path) -> dict[str, Any]:
    """Name -> value."""
    try:
        return {row["name"]: row["value"] for row in json.loads(path.read_text(encoding="utf-8"))["scores"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"'{path}' is not a file of scores; evaluate the run again, or `score --out` it") from error


def _number(value: Any) -> float:
    """A score; nan where the file has none."""
    return float(value) if isinstance(value, int | float) else math.nan


def _written(value: Any) -> str:
    if value is None or not isinstance(value, int | float) or math.isnan(value):
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.4f}"
