"""The pictures a fine-tuning ends with: what it sees, what it makes of it, where it errs, and how it learned."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.visualize.figures import points, running_mean, save_figure
from scripts.visualize.segmentation_panels import ERRORS, Colours

BESIDE = ("val_voi_split", "val_voi_merge", "val_ap50_accuracy", "val_ap75_accuracy")
"""Scores drawn beside the deciding one, in a panel of their own."""


def draw_segmentation(
    panels: Mapping[str, Colours], path: str | os.PathLike[str], title: str = "", sections: Sequence[int] = ()
) -> Path:
    """Sections side by side: a row for each section, a column for each panel, and what the marks mean.

    Args:
        panels: (sections, y, x, 3) stacks in [0, 1] by name, in the order of the columns.
        path: of the PNG.
        title: above the picture.
        sections: number of each row's section in its box, written beside it.

    Returns:
        The path.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # imported late: a training process may never draw
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    rows, height, width, _ = next(iter(panels.values())).shape
    side = 2.6
    figure = Figure(figsize=(len(panels) * side, rows * side * height / width + 0.9), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, len(panels), squeeze=False)
    for column, (name, stack) in enumerate(panels.items()):
        axes[0, column].set_title(name, fontsize=10)
        for row, section in enumerate(stack):
            axes[row, column].imshow(section, interpolation="nearest")
            axes[row, column].set_xticks([])
            axes[row, column].set_yticks([])
    for row, number in enumerate(sections):
        axes[row, 0].set_ylabel(f"section {number} of the box", fontsize=9)
    figure.legend(
        handles=[Patch(color=colour, label=name) for name, colour in ERRORS.items()],
        loc="outside lower right",
        ncols=len(ERRORS),
        fontsize=9,
        frameon=False,
    )
    if title:
        figure.suptitle(title, fontsize=10)
    return save_figure(figure, path)


def colour_mosaic(panels: Mapping[str, Colours], gap: int = 3) -> np.ndarray:
    """The stacks as one (y, x, 3) picture in [0, 1]: rows are sections, columns are as in the figure."""
    rows = []
    for sections in zip(*panels.values(), strict=True):
        padded = [np.pad(section, ((0, gap), (0, gap), (0, 0)), constant_values=1.0) for section in sections]
        rows.append(np.concatenate(padded, axis=1))
    return np.clip(np.concatenate(rows, axis=0), 0, 1).astype(np.float32)


def draw_learning(
    log: Sequence[Mapping[str, Any]], path: str | os.PathLike[str], key: str, best: int | None = None, title: str = ""
) -> Path:
    """Loss, its parts and the validation scores over iterations.

    Args:
        log: entries of `log.jsonl`.
        path: of the PNG.
        key: the score that decides, as in the log, such as val_adapted_rand_snemi3d.
        best: iteration of the checkpoint that was kept as the best; marked.
        title: above the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    others = [name for name in BESIDE if name != key and len(points(log, name))]
    groups = [[name for name in others if ("_ap" in name) == wanted] for wanted in (False, True)]
    scores = [[key], *(group for group in groups if group)]
    figure = Figure(figsize=(4.6 * (1 + len(scores)), 3.8), layout="constrained")
    FigureCanvasAgg(figure)
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
        axes.set_xlabel("iteration")
        axes.grid(alpha=0.25)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
    if title:
        figure.suptitle(title + (f"; star: best, iteration {best:,}" if best is not None else ""), fontsize=10)
    return save_figure(figure, path)


def _draw_losses(axes: Any, log: Sequence[Mapping[str, Any]]) -> None:
    training = points(log, "loss")
    if len(training):
        axes.plot(*training.T, color="0.85", linewidth=0.8)
        axes.plot(training[:, 0], running_mean(training[:, 1]), color="black", label="training loss")
    parts = dict.fromkeys(name for entry in log for name in entry if name.startswith("loss_"))
    for name in parts:
        found = points(log, name)
        axes.plot(found[:, 0], running_mean(found[:, 1]), linewidth=1, label=name.removeprefix("loss_"))
    held_out = points(log, "val_loss")
    if len(held_out):
        axes.plot(*held_out.T, color="tab:red", marker="o", markersize=3.5, label="validation loss")
    axes.set_ylabel("loss")
    axes.set_ylim(bottom=0)
