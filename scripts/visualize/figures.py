"""The pictures a run ends with: what it reconstructs (as Figure 3 of Cheng et al. 2023), and how it learned."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

CEILING = 1.1
"""Top of a curve's picture once the loss is below it."""
TITLES = ("original", "masked", "reconstruction", "pasted")


def draw_reconstruction(panels: Sequence[np.ndarray], path: str | os.PathLike[str], title: str = "") -> Path:
    """Sections side by side: a row for each section, a column for each of original, masked, reconstruction, pasted.

    Args:
        panels: four (sections, y, x) stacks in [0, 1], in the order of the columns.
        path: of the PNG.
        title: above the picture.

    Returns:
        The path.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # imported late: a training process may never draw
    from matplotlib.figure import Figure

    rows = len(panels[0])
    height, width = panels[0].shape[1:]
    figure = Figure(figsize=(4 * 2.2, rows * 2.2 * height / width + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, 4, squeeze=False)
    for column, (name, stack) in enumerate(zip(TITLES, panels, strict=True)):
        axes[0, column].set_title(name, fontsize=10)
        for row, section in enumerate(stack):
            axes[row, column].imshow(section, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes[row, column].set_axis_off()
    if title:
        figure.suptitle(title, fontsize=9)
    return save_figure(figure, path)


def draw_curve(log: Sequence[Mapping[str, Any]], path: str | os.PathLike[str], title: str = "") -> Path:
    """Training and validation loss over iterations, with the baselines as lines.

    Args:
        log: entries of `log.jsonl`.
        path: of the PNG.
        title: above the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    training = points(log, "loss")
    if len(training):
        axes.plot(*training.T, color="0.8", linewidth=0.8)
        axes.plot(training[:, 0], running_mean(training[:, 1]), color="tab:blue", label="training")
    validation = points(log, "val_loss")
    if len(validation):
        axes.plot(*validation.T, color="tab:orange", marker="o", markersize=4, label="validation")
    for name, style in (("token_mean", ":"), ("interpolation_fitted", "--")):
        level = points(log, name)
        if len(level):
            axes.axhline(
                level[-1, 1], color="0.35", linestyle=style, linewidth=1, label=f"{name.replace('_', ' ')} baseline"
            )
    shown = [points[-1, 1] for points in (training, validation) if len(points)]
    if shown and max(shown) < CEILING:  # an untrained network scores two or more, and would squash the rest
        axes.set_ylim(top=CEILING)
    axes.set_xlabel("iteration")
    axes.set_ylabel("error of hidden tokens\n(1 = predicting each token's mean)")
    axes.grid(alpha=0.25)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)
    if title:
        axes.set_title(title, fontsize=9)
    return save_figure(figure, path)


def running_mean(values: np.ndarray, share: float = 0.02) -> np.ndarray:
    """Mean over a centred window of `share` of the values, shorter at both ends."""
    half = max(1, int(len(values) * share / 2))
    total = np.concatenate([[0.0], np.cumsum(values)])
    low = np.maximum(np.arange(len(values)) - half, 0)
    high = np.minimum(np.arange(len(values)) + half + 1, len(values))
    mean: np.ndarray = (total[high] - total[low]) / (high - low)
    return mean


def mosaic(panels: Sequence[np.ndarray], gap: int = 2) -> np.ndarray:
    """The four stacks as one grey (y, x) picture in [0, 1]: rows are sections, columns are as in the figure."""
    rows = []
    for sections in zip(*panels, strict=True):
        padded = [np.pad(section, ((0, gap), (0, gap)), constant_values=1.0) for section in sections]
        rows.append(np.concatenate(padded, axis=1))
    return np.clip(np.concatenate(rows, axis=0), 0, 1).astype(np.float32)


def points(log: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    """(n, 2) iterations and values of a name in a log, where it has a value."""
    found = [(entry["iteration"], entry[name]) for entry in log if entry.get(name) is not None]
    return np.array(found, dtype=float).reshape(-1, 2)


def save_figure(figure: Any, path: str | os.PathLike[str]) -> Path:
    """Write a figure as a PNG, which replaces an earlier one when it is whole."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.tmp.png")
    figure.savefig(partial, dpi=110)
    os.replace(partial, target)
    return target
