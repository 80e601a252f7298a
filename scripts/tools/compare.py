"""`python -m scripts compare`: the headline scores of several evaluations side by side."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.ops.scoring.scores import headlines


def compare(*scores: str, titles: Sequence[str] | None = None) -> str:
    """Print the headline scores of several files of scores, a column each.

    Example: python -m scripts compare runs/pretrained/evaluation/scores.json runs/scratch/evaluation/scores.json
    --titles pre-trained,scratch

    Args:
        scores: files scores.json, as evaluation and `score --out` write them.
        titles: of the columns, with commas; the file's folder if not given.
    """
    if not scores:
        raise ValueError("no file of scores is named; give some: compare one/scores.json two/scores.json")
    names = list(titles) if titles is not None else [Path(file).parent.name or file for file in scores]
    if len(names) != len(scores):
        raise ValueError(f"--titles {','.join(names)} are {len(names)} titles for {len(scores)} files; give one each")
    columns = [_read(Path(file)) for file in scores]
    rows = [["score", *names, "better"]]
    for score in headlines():
        if any(score.name in column for column in columns):
            rows.append([score.label, *(_written(column.get(score.name)) for column in columns), score.better])
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


def _written(value: Any) -> str:
    if value is None or not isinstance(value, int | float) or math.isnan(value):
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.4f}"
