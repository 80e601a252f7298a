"""The page: parts in reading order, each with what it lacks and the command that makes it."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from string import Template

from scripts.tools.reporting import comparison
from scripts.tools.reporting.commands import Bundle, bundle_of, evaluation_command, training_command
from scripts.tools.reporting.loss_curves import charts
from scripts.tools.reporting.markup import table, text
from scripts.tools.reporting.run_tables import labels_of, machine_table, runs_table
from scripts.tools.reporting.runs import Run
from scripts.tools.reporting.viewer import Viewer

TEMPLATE = Path(__file__).with_name("page.html")


@dataclass(frozen=True)
class Part:
    """A part of the page: its anchor, its heading, its HTML."""

    anchor: str
    title: str
    html: str


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
    parts = [
        Part("runs", "What was run", runs_table(runs)),
        Part("volume", "The volume", _volumes(pictures)),
        Part("curves", "How it learned", _curves(runs)),
        Part("reconstruction", "What pre-training reconstructs", _reconstructions(runs, pictures)),
        Part("segmentation", "Prediction, instances, errors", _segmentations(runs, pictures, bundles)),
        Part("scores", "Scores", _scores(runs, bundles)),
        Part("repeat", "Repeat it", _commands(runs, bundles, command)),
        Part("made-with", "Made with", machine_table(runs)),
    ]
    present = [part for part in parts if part.html]
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=text(title),
        lead=_lead(runs),
        links="".join(f'<li><a href="#{part.anchor}">{text(part.title)}</a></li>' for part in present),
        body="\n".join(
            f'<section id="{part.anchor}"><h2>{text(part.title)}</h2>{part.html}</section>' for part in present
        ),
        foot=text(f"Written by SEM-MAE on {datetime.now():%Y-%m-%d %H:%M}. This file needs nothing beside it."),
    )


def _lead(runs: Sequence[Run]) -> str:
    tuned, pretraining = [run for run in runs if not run.pretrains], [run for run in runs if run.pretrains]
    counts = [f"{len(some)} {word}" for some, word in ((pretraining, "pre-training"), (tuned, "fine-tuning")) if some]
    what = f"{' and '.join(counts)} run{'s' if len(runs) > 1 else ''}"
    lines = [f"<p>Masked-autoencoder pre-training and segmentation of serial electron microscopy: {what}.</p>"]
    for task, alike in _tasks(tuned or pretraining).items():
        found = comparison.summary(comparison.columns(alike))
        if found:
            lines.append(f'<p class="result">{text(f"{_task_words(task)}. {found}")}</p>')
    return "".join(lines)


def _volumes(pictures: Pictures) -> str:
    blocks = [f"{viewer.html()}{_lines(words)}" for viewer, words in pictures.volumes]
    return "".join([*blocks, *map(_missing, pictures.missing_volumes)])


def _curves(runs: Sequence[Run]) -> str:
    blocks = []
    for task, alike in _tasks(runs).items():
        names = dict(zip(map(id, runs), labels_of(runs), strict=True))
        labels = [f"{names[id(run)]}" + ("" if run.pretrains else f" ({run.start})") for run in alike]
        figures = charts(alike, labels)
        if figures:
            heading = f"<h3>{text(_task_words(task))}</h3>" if len(_tasks(runs)) > 1 else ""
            blocks.append(f'{heading}<div class="charts">{"".join(figures)}</div>')
    if not blocks:
        return _missing("No iteration was logged yet.")
    dashed = "; broken lines began from scratch" if any(not run.pretrains for run in runs) else ""
    words = f"Plain curves are of training, running means over 2 % of the run; dots are of the validation box{dashed}."
    return f'<p class="soft">{words}</p>{"".join(blocks)}'


def _reconstructions(runs: Sequence[Run], pictures: Pictures) -> str:
    if not any(run.pretrains for run in runs):
        return ""
    words = (
        "A held-out place. Brightness and contrast of reconstructed tokens are those of the true ones: the network "
        "predicts tokens of zero mean and unit variance."
    )
    blocks = [f'<p class="soft">{words}</p>']
    for run, viewer in pictures.reconstructions:
        blocks.append(f"<h3>{text(run.name)}: {text(run.words)}</h3>{viewer.html()}")
    return "".join([*blocks, *map(_missing, pictures.missing_reconstructions)])


def _segmentations(runs: Sequence[Run], pictures: Pictures, bundles: Sequence[Bundle]) -> str:
    missing = _each_missing(runs, bundles, lambda run: bool(run.evaluations), "has no predicted volume yet")
    for run, picture in pictures.last_validations:
        words = text(f"{run.name} at its last validation: held-out sections, maps, instances and errors")
        drawn = f'<div class="wide" tabindex="0" role="region"><img src="{picture}" alt="{words}"></div>'
        missing += f"<figure><figcaption>{words}</figcaption>{drawn}</figure>"
    if not pictures.segmentations:
        return missing
    words = (
        "Predicted maps, the instances they are decoded into, coloured as the objects they cover, and errors: tinted "
        "are objects that are split, merged or missed, lines run along borders that cut an object or are lacking."
    )
    return f'<p class="soft">{words}</p>' + "".join(viewer.html() for viewer in pictures.segmentations) + missing


def _scores(runs: Sequence[Run], bundles: Sequence[Bundle]) -> str:
    blocks = []
    for task, alike in _tasks(runs).items():
        found = comparison.columns([run for run in alike if run.scores])
        if not found:
            continue
        where = "" if any(run.test for run in alike) else ", on the validation box"
        blocks.append(f"<h3>{text(_task_words(task))}{where}</h3>{comparison.score_tables(found, task)}")
        decoders = [(run, run.decoder) for run in alike if run.decoder]
        if decoders:
            rows = [
                [
                    f"<code>{text(run.name)}</code>",
                    text(decoder["name"]),
                    text(", ".join(f"{key} {value}" for key, value in decoder["settings"].items()) or "its defaults"),
                ]
                for run, decoder in decoders
            ]
            blocks.append(
                table(["run", "decoder", "setting"], rows, "Best decoder setting, chosen on the validation box")
            )
    blocks.append(_each_missing(runs, bundles, lambda run: bool(run.test), "is not evaluated yet"))
    return "".join(blocks)


def _each_missing(runs: Sequence[Run], bundles: Sequence[Bundle], done: Callable[[Run], bool], words: str) -> str:
    """A line, and the command where there is one, for each fine-tuning run that lacks something."""
    lines = []
    for run in runs:
        if run.pretrains or done(run):
            continue
        bundle = bundle_of(run, bundles)
        command = None if bundle is None else evaluation_command(run, bundle)
        lines.append(_missing(f"{run.name} {words}{':' if command else '.'}") + (_code(command) if command else ""))
    return "".join(lines)


def _commands(runs: Sequence[Run], bundles: Sequence[Bundle], command: str) -> str:
    blocks = [
        "<p>In the root of the repository; put another folder after <code>--output_dir</code> to keep these runs.</p>"
    ]
    for run, label in zip(runs, labels_of(runs), strict=True):
        bundle = bundle_of(run, bundles)
        if bundle is None:
            blocks.append(_missing(f"{label}: its checkpoint names no settings of a bundle that is here."))
            continue
        lines = [training_command(run, bundle), *([evaluation_command(run, bundle)] if run.test else [])]
        blocks.append(f"<h3>{text(label)}</h3>{_code(*[line for line in lines if line])}")
    return "".join(blocks) + f"<h3>This page</h3>{_code(command)}"


def _tasks(runs: Sequence[Run]) -> dict[str, list[Run]]:
    tasks: dict[str, list[Run]] = {}
    for run in runs:
        tasks.setdefault("pretraining" if run.pretrains else run.task, []).append(run)
    return tasks


def _task_words(task: str) -> str:
    return {"pretraining": "Pre-training", "unknown": "Fine-tuning"}.get(task, f"Fine-tuning: {task.replace('_', ' ')}")


def _missing(words: str) -> str:
    return f'<p class="missing">{text(words)}</p>'


def _lines(words: str) -> str:
    return "".join(f'<p class="soft">{text(line)}</p>' for line in words.splitlines())


def _code(*commands: str) -> str:
    return f'<pre tabindex="0"><code>{text(chr(10).join(commands))}</code></pre>'


def this_command(runs: Sequence[Run], out: Path) -> str:
    """The line that made a page."""
    folders = shlex.join(str(run.path) for run in runs)
    return f"python -m scripts report {folders} --out {shlex.quote(str(out))} --overwrite"
