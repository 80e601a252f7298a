"""The page: what its template shows of runs, each part with what it lacks and the command that makes it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from scripts.checkpoints.environment import made_with
from scripts.engines.duration import duration
from scripts.tools.reporting import comparison
from scripts.tools.reporting.commands import Bundle, bundle_of, evaluation_command, training_command
from scripts.tools.reporting.loss_curves import charts
from scripts.tools.reporting.runs import Run
from scripts.tools.reporting.viewer import Viewer

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.policies["json.dumps_kwargs"] = {"separators": (",", ":")}  # keys in their own order
NOTHING = "-"
"""In a cell without a value."""


@dataclass(frozen=True)
class Pictures:
    """What was drawn of the runs, with a sentence on what could not be drawn.

    Attributes:
        volumes: sections of what is read, with a description.
        reconstructions: of runs of pre-training.
        segmentations: of evaluated runs, those of one place together.
        last_validations: the picture in the folder of a run that is not evaluated, as a data URL.
        missing_volumes, missing_reconstructions: what and why.
    """

    volumes: Sequence[tuple[Viewer, str]]
    reconstructions: Sequence[tuple[Run, Viewer]]
    segmentations: Sequence[Viewer]
    last_validations: Sequence[tuple[Run, str]] = ()
    missing_volumes: Sequence[str] = ()
    missing_reconstructions: Sequence[str] = ()


def page(title: str, runs: Sequence[Run], pictures: Pictures, bundles: Sequence[Bundle], command: str) -> str:
    """The whole HTML file.

    Args:
        title: of the page.
        runs: in the order given.
        pictures: of them.
        bundles: whose commands repeat the runs.
        command: that made this page.
    """
    labels = labels_of(runs)
    tuned, pretraining = [run for run in runs if not run.pretrains], [run for run in runs if run.pretrains]
    counts = [f"{len(some)} {word}" for some, word in ((pretraining, "pre-training"), (tuned, "fine-tuning")) if some]
    named = dict(zip(map(id, runs), labels, strict=True))
    tasks = [_task(name, alike, [named[id(run)] for run in alike]) for name, alike in _by_task(runs).items()]
    made = {**{label: dict(run.made_with) for run, label in zip(runs, labels, strict=True)}, "this page": made_with()}
    return TEMPLATES.get_template("page.html").render(
        title=title,
        counts=f"{' and '.join(counts)} run{'s' if len(runs) > 1 else ''}",
        results=[f"{task['words']}. {task['summary']}" for task in tasks if task["summary"] and _leads(task, tuned)],
        runs=[_shown(run, label, bundles) for run, label in zip(runs, labels, strict=True)],
        run_rows=[_row(run, label) for run, label in zip(runs, labels, strict=True)],
        tasks=tasks,
        pictures=pictures,
        errors=[viewer for viewer in pictures.segmentations if viewer.errors],
        some_pretrain=bool(pretraining),
        all_pretrain=not tuned,
        machine_head=["", *made],
        machine_rows=[[name, *(each.get(name, NOTHING) for each in made.values())] for name in made["this page"]],
        command=command,
        date=f"{datetime.now():%Y-%m-%d %H:%M}",
    )


def labels_of(runs: Sequence[Run]) -> list[str]:
    """What to call each run: its folder's name, the path where two are named alike."""
    names = [run.name for run in runs]
    return [str(run.path) if names.count(run.name) > 1 else run.name for run in runs]


def this_command(runs: Sequence[Run], out: Path) -> str:
    """The line that made a page."""
    folders = shlex.join(str(run.path) for run in runs)
    return f"python -m scripts report {folders} --out {shlex.quote(str(out))} --overwrite"


def _by_task(runs: Sequence[Run]) -> dict[str, list[Run]]:
    tasks: dict[str, list[Run]] = {}
    for run in runs:
        tasks.setdefault(run.task if not run.pretrains else "pretraining", []).append(run)
    return tasks


def _task(name: str, alike: Sequence[Run], labels: Sequence[str]) -> dict[str, Any]:
    """Curves and scores of the runs of one task."""
    starts = [label + ("" if run.pretrains else f" ({run.start})") for run, label in zip(alike, labels, strict=True)]
    words = {"pretraining": "Pre-training", "unknown": "Fine-tuning"}
    columns = comparison.columns([run for run in alike if run.scores])
    decoders = [(run.name, run.decoder["name"], run.decoder["settings"]) for run in alike if run.scores and run.decoder]
    return {
        "name": name,
        "words": words.get(name, f"Fine-tuning: {name.replace('_', ' ')}"),
        "charts": charts(alike, starts),
        "summary": comparison.summary(comparison.columns(alike)),
        "columns": columns,
        "scores": comparison.score_tables(columns),
        "evaluated": any(run.test for run in alike),
        "decoders": [
            [run, decoder, ", ".join(f"{key} {value}" for key, value in settings.items()) or "its defaults"]
            for run, decoder, settings in decoders
        ],
    }


def _leads(task: dict[str, Any], tuned: Sequence[Run]) -> bool:
    """Whether the first lines of the page have its result: of fine-tunings where there are any."""
    return not tuned or task["name"] != "pretraining"


def _shown(run: Run, label: str, bundles: Sequence[Bundle]) -> dict[str, Any]:
    """A run with the commands that repeat it; None where its bundle is unknown or has none."""
    bundle = bundle_of(run, bundles)
    train, evaluate = (training_command(run, bundle), evaluation_command(run, bundle)) if bundle else (None, None)
    return {"run": run, "label": label, "train": train, "evaluate": evaluate}


def _row(run: Run, label: str) -> list[str]:
    """Task, network, iterations, time and version."""
    wanted = run.recipe.get("iterations", run.iteration)
    return [
        label,
        run.words,
        run.recipe.get("network", NOTHING),
        f"{run.iteration:,}" + (f" of {wanted:,}" if run.iteration < wanted else ""),
        duration(run.seconds) if run.seconds else NOTHING,
        f"{run.speed:.1f} crops/s" if run.speed else NOTHING,
        f"{run.ended:%Y-%m-%d %H:%M}",
        run.version or NOTHING,
    ]
