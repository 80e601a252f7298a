"""Rows of the table that a run ends with: first and last values from its log, and the speed."""

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.engines.duration import duration

Row = tuple[str, str]
"""Label and value."""


def first_and_last(log: Sequence[Mapping[str, Any]], name: str, label: str, span: int = 1) -> list[Row]:
    """Return two rows: the first value of a name in a log, and the mean of its last values, `span` or a quarter."""
    found = [entry for entry in log if entry.get(name) is not None]
    if not found:
        return []
    first, last, span = found[0], found[-1], max(1, min(span, len(found) // 4))
    mean = sum(entry[name] for entry in found[-span:]) / span
    over = f", mean of {span}" if span > 1 else ""
    return [
        (f"{label}, iteration {first['iteration']:,}", f"{first[name]:.4f}"),
        (f"{label}, iteration {last['iteration']:,}{over}", f"{mean:.4f}"),
    ]


def speed(log: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return rows with samples/s and the time of training, without validation and saving."""
    steps = [entry for entry in log if "loss" in entry]
    if not steps:
        return []
    seconds = max(sum(entry["seconds"] for entry in steps), 1e-9)
    samples = sum(entry["samples_per_s"] * entry["seconds"] for entry in steps)
    waiting = sum(entry["waiting"] for entry in steps)
    return [
        ("speed", f"{samples / seconds:.1f} samples/s"),
        ("training time", duration(seconds)),
        ("of it waiting for data", f"{100 * waiting / seconds:.1f} %"),
    ]


def in_columns(rows: Sequence[Row]) -> str:
    """Format one row a line, with aligned values."""
    width = max(len(label) for label, _ in rows) + 2
    return "\n".join(f"{label:<{width}}{value}".rstrip() for label, value in rows)
