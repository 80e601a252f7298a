"""The tables of a report on the runs themselves: their settings, versions and hardware."""

from collections.abc import Sequence

from scripts.checkpoints.environment import made_with
from scripts.engines.duration import duration
from scripts.tools.reporting.markup import NOTHING, table, text
from scripts.tools.reporting.runs import Run


def labels_of(runs: Sequence[Run]) -> list[str]:
    """What to call each run: its folder's name, the path where two are named alike."""
    names = [run.name for run in runs]
    return [str(run.path) if names.count(run.name) > 1 else run.name for run in runs]


def runs_table(runs: Sequence[Run]) -> str:
    """Task, network, iterations, time and version of each run, and its settings to unfold."""
    rows = []
    for run, label in zip(runs, labels_of(runs), strict=True):
        wanted = run.recipe.get("iterations", run.iteration)
        done = f"{run.iteration:,}" + (f" of {wanted:,}" if run.iteration < wanted else "")
        speed = f"{run.speed:.1f} crops/s" if run.speed else NOTHING
        rows.append(
            [
                f"<code>{text(label)}</code>",
                text(run.words),
                text(run.recipe.get("network", NOTHING)),
                text(done),
                text(duration(run.seconds)) if run.seconds else NOTHING,
                speed,
                f"{run.ended:%Y-%m-%d %H:%M}",
                text(run.version or NOTHING),
            ]
        )
    head = ["run", "what", "network", "iterations", "training time", "speed", "ended", "SEM-MAE"]
    settings = "".join(
        f"<details><summary>Settings of {text(label)}</summary>"
        + table(
            ["setting", "value"],
            [[text(key), text(value)] for key, value in run.recipe.items()],
            f"Settings of {label}",
        )
        + "</details>"
        for run, label in zip(runs, labels_of(runs), strict=True)
        if run.recipe
    )
    return table(head, rows, "Runs; the time leaves validation out") + settings


def machine_table(runs: Sequence[Run]) -> str:
    """Versions and hardware of each run, as its checkpoint states, and of the page."""
    columns = {label: dict(run.made_with) for run, label in zip(runs, labels_of(runs), strict=True)}
    columns["this page"] = made_with()
    rows = [
        [text(name), *(text(column.get(name, NOTHING)) for column in columns.values())] for name in columns["this page"]
    ]
    return table(["", *map(text, columns)], rows, "Versions and machine of each run and of this page")
