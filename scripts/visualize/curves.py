"""Draw how a run learned: losses and validation scores over iterations, from its log."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.visualize.figure_file import new_figure, save_figure

CEILING = 1.1
"""Top of the picture of a pre-training once its loss is below it."""
OTHER_SCORES = ("val_voi_split", "val_voi_merge", "val_ap50_accuracy", "val_ap75_accuracy")
"""Scores drawn beside the key score, in panels of their own."""

Log = Sequence[Mapping[str, Any]]


def draw_pretraining_curve(log: Log, path: str | os.PathLike[str], title: str = "") -> Path:
    """Draw training and validation loss over iterations, with the baselines as lines.

    Args:
        log: entries of the run's log.
        path: of the PNG.
        title: above the picture.
    """
    figure = new_figure(7, 4.2)
    axes = figure.subplots()
    training, validation = points(log, "loss"), points(log, "val_loss")
    _draw_training(axes, training, "training", "tab:blue", "0.8")
    if len(validation):
        axes.plot(*validation.T, color="tab:orange", marker="o", markersize=4, label="validation")
    for name, style in (("token_mean", ":"), ("interpolation_fitted", "--")):
        level = points(log, name)
        if len(level):
            label = f"{name.replace('_', ' ')} baseline"
            axes.axhline(level[-1, 1], color="0.35", linestyle=style, linewidth=1, label=label)
    last = [found[-1, 1] for found in (training, validation) if len(found)]
    if last and max(last) < CEILING:  # an untrained network scores two or more, and would compress the rest
        axes.set_ylim(top=CEILING)
    axes.set_ylabel("error of hidden tokens\n(1 = predicting each token's mean)")
    _finish(axes)
    if title:
        axes.set_title(title, fontsize=9)
    return save_figure(figure, path)


def draw_fine_tuning_curves(
    log: Log, path: str | os.PathLike[str], key: str, best: int | None = None, title: str = ""
) -> Path:
    """Draw the loss, its terms and the validation scores over iterations.

    Args:
        log: entries of the run's log.
        path: of the PNG.
        key: the score that decides, as in the log, such as val_adapted_rand_snemi3d.
        best: iteration of the checkpoint that was kept as the best; marked.
        title: above the picture.
    """
    others = [name for name in OTHER_SCORES if name != key and len(points(log, name))]
    groups = [[name for name in others if ("_ap" in name) == wanted] for wanted in (False, True)]
    scores = [[key], *(group for group in groups if group)]
    figure = new_figure(4.6 * (1 + len(scores)), 3.8)
    losses, *panels = figure.subplots(1, 1 + len(scores), squeeze=False)[0]
    _draw_losses(losses, log)
    for axes, names in zip(panels, scores, strict=True):
        for name in names:
            found = points(log, name)
            axes.plot(*found.T, marker="o", markersize=3.5, label=name.removeprefix("val_"))
            if best is not None and len(found[found[:, 0] == best]):
                axes.plot(*found[found[:, 0] == best][-1], marker="*", markersize=13, color="black", zorder=3)
        axes.set_ylabel("bits" if "voi" in names[0] else "validation score")
    for axes in (losses, *panels):
        _finish(axes)
    if title:
        figure.suptitle(title + (f"; star: best, iteration {best:,}" if best is not None else ""), fontsize=10)
    return save_figure(figure, path)


def running_mean(values: np.ndarray, share: float = 0.02) -> np.ndarray:
    """Return the mean over a centred window of `share` of the values, shorter at both ends."""
    half = max(1, int(len(values) * share / 2))
    total = np.concatenate([[0.0], np.cumsum(values)])
    low = np.maximum(np.arange(len(values)) - half, 0)
    high = np.minimum(np.arange(len(values)) + half + 1, len(values))
    mean: np.ndarray = (total[high] - total[low]) / (high - low)
    return mean


def points(log: Log, name: str) -> np.ndarray:
    """Return (n, 2) iterations and values of a name in a log, where it has a value."""
    found = [(entry["iteration"], entry[name]) for entry in log if entry.get(name) is not None]
    return np.array(found, dtype=float).reshape(-1, 2)


def _draw_training(axes: Any, training: np.ndarray, label: str, colour: str, pale: str) -> None:
    """Each iteration in a pale line, their running mean over it."""
    if len(training):
        axes.plot(*training.T, color=pale, linewidth=0.8)
        axes.plot(training[:, 0], running_mean(training[:, 1]), color=colour, label=label)


def _draw_losses(axes: Any, log: Log) -> None:
    _draw_training(axes, points(log, "loss"), "training loss", "black", "0.85")
    for name in dict.fromkeys(name for entry in log for name in entry if name.startswith("loss_")):
        found = points(log, name)
        axes.plot(found[:, 0], running_mean(found[:, 1]), linewidth=1, label=name.removeprefix("loss_"))
    held_out = points(log, "val_loss")
    if len(held_out):
        axes.plot(*held_out.T, color="tab:red", marker="o", markersize=3.5, label="validation loss")
    axes.set_ylabel("loss")
    axes.set_ylim(bottom=0)


def _finish(axes: Any) -> None:
    axes.set_xlabel("iteration")
    axes.grid(alpha=0.25)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)
