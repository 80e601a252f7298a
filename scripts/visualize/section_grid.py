"""Draw sections side by side: a row for each section, a column for each panel."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.visualize.figure_file import new_figure, save_figure

RECONSTRUCTION = ("original", "masked", "reconstruction", "pasted")
"""Panels of a reconstruction, as Figure 3 of Cheng et al. 2023."""


def draw_sections(
    panels: Mapping[str, NDArray[Any]],
    path: str | os.PathLike[str],
    title: str = "",
    sections: Sequence[int] = (),
    legend: Mapping[str, tuple[float, float, float]] | None = None,
    side: float = 2.6,
) -> Path:
    """Write stacks of sections as one PNG.

    Args:
        panels: stacks (sections, y, x) of grey values or (sections, y, x, 3) of colours, all in [0, 1], by name, in
            the order of the columns.
        path: of the PNG.
        title: above the picture.
        sections: number of each row's section, written beside it.
        legend: meaning -> colour of marks, below the picture.
        side: width of a panel in inches.

    Returns:
        The path.

    Example::

        draw_sections({"image": grey, "instances": id_colours(ids)}, "panels.png")
    """
    rows, height, width = next(iter(panels.values())).shape[:3]
    figure = new_figure(len(panels) * side, rows * side * height / width + (0.9 if legend else 0.5))
    axes = figure.subplots(rows, len(panels), squeeze=False)
    for column, (name, stack) in enumerate(panels.items()):
        axes[0, column].set_title(name, fontsize=10)
        for row, section in enumerate(stack):
            axes[row, column].imshow(section, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes[row, column].set_xticks([])
            axes[row, column].set_yticks([])
    for row, number in enumerate(sections):
        axes[row, 0].set_ylabel(f"section {number} of the box", fontsize=9)
    if legend:
        from matplotlib.patches import Patch

        handles = [Patch(color=colour, label=name) for name, colour in legend.items()]
        figure.legend(handles=handles, loc="outside lower right", ncols=len(legend), fontsize=9, frameon=False)
    if title:
        figure.suptitle(title, fontsize=9)
    return save_figure(figure, path)


def mosaic(panels: Sequence[NDArray[Any]], gap: int = 2) -> NDArray[np.float32]:
    """Join stacks (sections, y, x) or (sections, y, x, 3) into one picture in [0, 1]: rows are sections."""
    rows = []
    for sections in zip(*panels, strict=True):
        margins = [((0, gap), (0, gap), *[(0, 0)] * (section.ndim - 2)) for section in sections]
        padded = [
            np.pad(section, margin, constant_values=1.0) for section, margin in zip(sections, margins, strict=True)
        ]
        rows.append(np.concatenate(padded, axis=1))
    return np.clip(np.concatenate(rows, axis=0), 0, 1).astype(np.float32)
