"""Curves over iterations as SVG of matplotlib, in the colours of the page's style, light or dark."""

import io
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

SIZE = (5.0, 3.1)
"""Width and height of the axes in inches of 72 units; each line of the legend adds to the height."""
LEGEND_ROW, LEGEND_WIDTH = 0.25, 40
"""Height of a line of the legend in inches, and its characters."""
SETTLED = 0.05
"""Share of the iterations at the start whose values may be above the picture."""
COLOURS = ("#0b6fa4", "#c2500a", "#2c7d38", "#a6357a", "#6b4fb3", "#8a6a00", "#17807d", "#b3262e")
SOFT, EDGE = "#59636b", "#dcdad3"
VARIABLES = {colour: f"var(--c{k})" for k, colour in enumerate(COLOURS)} | {SOFT: "var(--soft)", EDGE: "var(--edge)"}
"""Colours that are drawn -> variables of the page's style, which has others for a dark page."""
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text, in the fonts of the page
    "font.size": 14,
    "text.parse_math": False,  # a name of a run may have a $
    "path.simplify_threshold": 0.5,
    "text.color": SOFT,
    "axes.edgecolor": EDGE,
    "axes.labelcolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": EDGE,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "legend.frameon": False,
    "legend.labelspacing": 0.25,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
}
NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
LEVEL_STYLES = (":", "--", "-.")


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        label: in the legend.
        points: (n, 2) of iteration and value.
        colour: place among the colours.
        dashed: broken line.
        marked: with a dot at each point.
        named: in the legend too, not only in the text for those who cannot see the curve.
    """

    label: str
    points: np.ndarray
    colour: int
    dashed: bool = False
    marked: bool = False
    named: bool = True


@dataclass(frozen=True)
class Chart:
    """A title, the picture as an `<svg>`, and its content as text."""

    title: str
    svg: Markup
    words: str


def chart(title: str, lines: Sequence[Line], levels: Sequence[tuple[str, float]] = ()) -> Chart:
    """Draw curves over iterations, and horizontal lines at named levels.

    Args:
        title: of the picture.
        lines: those without points are left out.
        levels: name and value; one far above the curves is left out of the picture and keeps its number in the legend.
    """
    drawn = [line for line in lines if len(line.points)]
    low, high = _range(drawn, [value for _, value in levels])
    right = max(float(line.points[-1, 0]) for line in drawn) or 1.0
    words = "; ".join(
        f"{line.label}: {line.points[-1, 1]:.4g} at iteration {line.points[-1, 0]:,.0f}" for line in drawn
    )
    salt = repr((title, words))  # ids that no other chart of the page has, the same each time
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": salt}):
        figure = Figure(layout="constrained")
        axes = figure.subplots()
        for line in drawn:
            axes.plot(
                *line.points.T,
                color=COLOURS[line.colour % len(COLOURS)],
                linestyle=(0, (5, 3.5)) if line.dashed else "-",
                marker="o" if line.marked else "",
                label=textwrap.fill(line.label, LEGEND_WIDTH) if line.named else "_",
            )
        for k, (name, value) in enumerate(levels):
            place = "" if low <= value <= high else ", outside the picture"
            label = textwrap.fill(f"{name} {value:.4g}{place}", LEGEND_WIDTH)
            axes.axhline(value, color=SOFT, linestyle=LEVEL_STYLES[k % 3], linewidth=1.3, label=label)
        axes.set(xlabel="iteration", xlim=(-0.02 * right, 1.02 * right), ylim=(low, high))
        rows = sum(1 + label.count("\n") for label in axes.get_legend_handles_labels()[1])
        figure.set_size_inches(SIZE[0], SIZE[1] + LEGEND_ROW * rows)
        figure.legend(loc="outside lower left")
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata=NO_METADATA)
    return Chart(title, _inline(file.getvalue()), f"{title}. {words}")


def _inline(svg: str) -> Markup:
    """The `<svg>` of a file for a page that has others: no names of groups, colours of the page."""
    svg = re.sub(r'<g id="[^"]*"', "<g", svg[svg.index("<svg") :])
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, variable)
    return Markup(svg)


def _range(lines: Sequence[Line], levels: Sequence[float]) -> tuple[float, float]:
    """Of the values once training has settled, and of the levels that are not far above them."""
    values: list[float] = []
    for line in lines:
        settled = line.points[line.points[:, 0] >= SETTLED * line.points[-1, 0], 1]
        values += [float(settled.min()), float(settled.max())]
    bottom, top = min(values), max(values)
    near = [value for value in levels if bottom - 0.5 * abs(bottom) <= value <= 1.5 * top]
    bottom, top = min([bottom, *near]), max([top, *near])
    space = 0.06 * (top - bottom) or 0.1 * abs(top) or 1.0
    return (max(0.0, bottom - space) if bottom >= 0 else bottom - space), top + space
