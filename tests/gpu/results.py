"""Results of a run on a GPU: a JSON line for each number as it is measured, and a table of all of them."""

import json
from pathlib import Path
from typing import Any

LINES = "results.jsonl"
TABLE = "results.md"
STATUS = "status"
"""Key of the row that ends a part: complete, stopped or failed."""


class Results:
    """Rows of values by name, on disk as soon as they are added, by whichever process adds them.

    Args:
        folder: takes `results.jsonl` and `results.md`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, part: str, **values: Any) -> None:
        """Append a row of a part, and write the table anew."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / LINES).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"part": part, **values}) + "\n")
        (self.folder / TABLE).write_text(self.markdown(), encoding="utf-8")

    def rows(self, part: str | None = None) -> list[dict[str, Any]]:
        """All rows, or those of a part, in the order in which they were added; a line that was cut off is left out."""
        path = self.folder / LINES
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        found = [json.loads(line) for line in lines if line.endswith("}")]
        return [row for row in found if part in (None, row["part"])]

    def markdown(self) -> str:
        """A table for each part, and one of what each part took and how it ended."""
        rows = self.rows()
        measured = [row for row in rows if STATUS not in row]
        text = ""
        for part in dict.fromkeys(row["part"] for row in measured):
            text += f"## {part}\n\n{_table([row for row in measured if row['part'] == part], ('part',))}\n"
        ended = [row for row in rows if STATUS in row]
        return text + (f"## Parts\n\n{_table(ended)}" if ended else "")


def _table(rows: list[dict[str, Any]], left_out: tuple[str, ...] = ()) -> str:
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in left_out]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_cell(row.get(name, "")) for name in names) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|").replace("\n", " ")
