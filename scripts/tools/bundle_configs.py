"""`make configs`: write the configs of all bundles, and docs/knobs.md, from the documents in bundles/source.

A document is a JSON file with holes. `<name>` as a value is replaced by the block of that name, as a key by the keys of
that block, as an item of a list by the items of that block, within a text by its text. Blocks are those of all bundles,
of the kind of bundle, and of the bundle, the later before the earlier; `<bundle>` is the bundle's name.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.tools.knob_reference import knob_reference

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "bundles" / "source"
BLOCKS = "blocks.json"
WIDTH = 120
"""Characters of a line, beyond which a list or an object is broken."""
HOLE = re.compile(r"<([a-z0-9_]+)>")


def bundle_names() -> list[str]:
    """The bundles that have a source."""
    return sorted(path.stem for path in SOURCE.glob("*.json"))


def bundle_files(bundle: str) -> dict[str, str]:
    """Name -> text of every file of a bundle's `configs`.

    Raises:
        ValueError: a hole that no block fills; names it and its document.
    """
    own = read(SOURCE / f"{bundle}.json")
    folders = (SOURCE / "all", SOURCE / own["kind"])
    blocks: dict[str, Any] = {}
    for folder in folders:
        blocks |= read(folder / BLOCKS)
    blocks |= own | {"bundle": bundle}
    files = {}
    for path in sorted(path for folder in folders for path in folder.iterdir() if path.name != BLOCKS):
        if path.suffix != ".json":
            files[path.name] = path.read_text(encoding="utf-8")
            continue
        try:
            files[path.name] = as_text(fill(read(path), blocks)) + "\n"
        except KeyError as error:
            raise ValueError(f"{path.relative_to(ROOT)} has the hole <{error.args[0]}>, which no block fills") from None
    return files


def fill(entry: Any, blocks: Mapping[str, Any]) -> Any:
    """An entry of a document without holes.

    Raises:
        KeyError: a hole that no block fills.
    """
    if isinstance(entry, dict):
        filled: dict[str, Any] = {}
        for key, value in entry.items():
            hole = HOLE.fullmatch(key)
            filled |= fill(blocks[hole[1]], blocks) if hole else {key: fill(value, blocks)}
        return filled
    if isinstance(entry, list):
        items: list[Any] = []
        for item in entry:
            made = fill(item, blocks)
            spliced = isinstance(made, list) and isinstance(item, str)
            items += made if spliced else [made]
        return items
    if not isinstance(entry, str):
        return entry
    hole = HOLE.fullmatch(entry)
    return fill(blocks[hole[1]], blocks) if hole else HOLE.sub(lambda found: fill(blocks[found[1]], blocks), entry)


def as_text(entry: Any, indent: int = 0, before: int = 0) -> str:
    """JSON of four spaces. What is short is on one line, arguments share lines; a line has one expression at most.

    Args:
        entry: plain values.
        indent: spaces before the entry's own lines.
        before: characters before the entry on its first line.
    """
    line = json.dumps(entry)
    short = indent + before + len(line) <= WIDTH and _expressions(line) <= 1
    if not isinstance(entry, dict | list) or not entry or (indent and short):
        return line
    inner = " " * (indent + 4)
    first, last = "{}" if isinstance(entry, dict) else "[]"
    if isinstance(entry, list):
        lines = [as_text(value, indent + 4) for value in entry]
    else:
        lines = []
        shared = False
        for key, value in entry.items():
            name = json.dumps(key) + ": "
            made = name + as_text(value, indent + 4, len(name))
            shares = indent > 0 and not key.startswith("_") and not isinstance(value, dict) and "\n" not in made
            if shared and shares and _fits(f"{inner}{lines[-1]}, {made}"):
                lines[-1] += f", {made}"
            else:
                lines.append(made)
            shared = shares
    return f"{first}\n{inner}" + f",\n{inner}".join(lines) + f"\n{' ' * indent}{last}"


def _fits(line: str) -> bool:
    return len(line) <= WIDTH and _expressions(line) <= 1


def _expressions(line: str) -> int:
    """How many expressions a line has; all imports count as one."""
    return line.replace('"$import', "").count('"$')


def read(path: Path) -> dict[str, Any]:
    """A JSON object."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def written_files() -> dict[Path, str]:
    """Path -> text of all that `make configs` writes."""
    made = {bundle: bundle_files(bundle) for bundle in bundle_names()}
    files = {
        ROOT / "bundles" / bundle / "configs" / name: text for bundle in made for name, text in made[bundle].items()
    }
    return files | {ROOT / "docs" / "knobs.md": knob_reference(made)}


if __name__ == "__main__":
    for path, text in written_files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
