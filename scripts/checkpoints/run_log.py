"""Read the log of a run: one JSON object a line, each iteration once."""

import json
import os
from pathlib import Path
from typing import Any

from scripts.data.files.replacing import replacing


def read_log(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return all complete lines of a log, in order; a last line cut off by a kill is left out.

    Raises:
        ValueError: a line inside the file that is not JSON.
    """
    lines = Path(path).read_text(encoding="utf-8").splitlines(keepends=True)
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number == len(lines):
                break
            raise ValueError(f"{path}, line {number}: not JSON ({error}): {line.strip()[:80]!r}") from error
    return entries


def keep_until(path: Path, iteration: int) -> None:
    """Drop the lines after an iteration (and a half-written last one), in one atomic step."""
    if not path.exists():
        return
    kept = [entry for entry in read_log(path) if entry["iteration"] <= iteration]
    if iteration == 0:  # scores before the first step are measured anew
        kept = []
    with replacing(path, overwrite=True, durable=True) as partial:
        partial.write_text("".join(json.dumps(entry) + "\n" for entry in kept), encoding="utf-8")
