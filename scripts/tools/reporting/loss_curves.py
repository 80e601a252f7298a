"""Which curves of runs are in one picture: losses, their terms, scores on the validation box."""

from collections.abc import Sequence

import numpy as np

from scripts.tools.reporting.curves import Chart, Line, chart
from scripts.tools.reporting.runs import Run
from scripts.visualize.curves import running_mean

BASELINES = {"token_mean": "baseline: token mean", "interpolation_fitted": "baseline: interpolation, fitted"}
"""Names in the log of a pre-training -> what they are."""
SCORES = {
    "val_adapted_rand_snemi3d": "Adapted Rand error (SNEMI3D), validation box",
    "val_voi_split": "VOI split (bits), validation box",
    "val_voi_merge": "VOI merge (bits), validation box",
    "val_ap75_accuracy": "AP-75 (accuracy), validation box",
    "val_ap50_accuracy": "AP-50 (accuracy), validation box",
}
"""Scores of a validation that are drawn where they are logged -> title."""


def charts(runs: Sequence[Run], labels: Sequence[str]) -> list[Chart]:
    """Pictures of runs of one kind; a run keeps its colour in all of them, and is broken where it began from
    scratch.
    """
    found = [_losses(runs, labels)]
    for name, title in {**SCORES, **_parts(runs)}.items():
        smooth = name.startswith("loss_")
        lines = [
            Line(label, _smoothed(run, name) if smooth else run.points(name), k, _dashed(run), marked=not smooth)
            for k, (run, label) in enumerate(zip(runs, labels, strict=True))
        ]
        if any(len(line.points) for line in lines):
            found.append(chart(title, lines))
    return [figure for figure in found if figure is not None]


def _losses(runs: Sequence[Run], labels: Sequence[str]) -> Chart | None:
    lines: list[Line] = []
    for k, (run, label) in enumerate(zip(runs, labels, strict=True)):
        training = _smoothed(run, "loss")
        validation = Line(
            f"{label}, validation", run.points("val_loss"), k, _dashed(run), marked=True, named=not len(training)
        )
        lines += [Line(label, training, k, _dashed(run)), validation]
    if not any(len(line.points) for line in lines):
        return None
    levels: dict[str, float] = {}
    for name, words in BASELINES.items():
        values = {
            label: float(run.points(name)[-1, 1])
            for run, label in zip(runs, labels, strict=True)
            if len(run.points(name))
        }
        if values and max(values.values()) - min(values.values()) < 1e-3:
            levels[words] = next(iter(values.values()))
        else:
            levels |= {f"{words} of {label}": value for label, value in values.items()}
    masked = all(run.pretrains for run in runs)
    title = "Error of hidden tokens (1: predicting each token's mean)" if masked else "Loss"
    return chart(title, lines, tuple(levels.items()))


def _parts(runs: Sequence[Run]) -> dict[str, str]:
    """The terms of the losses, where a loss has several."""
    names = dict.fromkeys(key for run in runs for entry in run.log for key in entry if key.startswith("loss_"))
    return {name: f"Term of the loss: {name.removeprefix('loss_').replace('_', ' ')}, training" for name in names}


def _smoothed(run: Run, name: str) -> np.ndarray:
    points = run.points(name)
    if len(points):
        points[:, 1] = running_mean(points[:, 1])
    return points


def _dashed(run: Run) -> bool:
    return not run.pretrains and not run.recipe.get("pretrained")
