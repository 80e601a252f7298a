"""Curves over iterations as SVG: sharp at any size, coloured by the page's style, light or dark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scripts.tools.reporting.markup import text

WIDTH, HEIGHT = 360, 240
LEFT, RIGHT, TOP, BOTTOM = 54, 10, 10, 38
POINTS = 240
"""A line is thinned to so many points; a figure is no wider in pixels."""
COLOURS = 8
"""Line colours of the page's style, `.c0` to `.c7`."""
SETTLED = 0.05
"""Share of the iterations at the start whose values may lie above the picture."""


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        label: in the legend.
        points: (n, 2) of iteration and value.
        colour: place among the page's line colours.
        dashed: broken line.
        marked: with a dot at each point.
        named: in the legend too, not only to who cannot see the curve.
    """

    label: str
    points: np.ndarray
    colour: int
    dashed: bool = False
    marked: bool = False
    named: bool = True


def chart(title: str, lines: Sequence[Line], levels: Sequence[tuple[str, float]] = ()) -> str:
    """An HTML figure: curves over iterations, horizontal lines at named levels, and a legend under it.

    Args:
        title: above the picture.
        lines: those without points are left out.
        levels: name and value; one far above the curves is left out of the picture and keeps its number in the legend.
    """
    drawn = [line for line in lines if len(line.points)]
    low, high = _range(drawn, [value for _, value in levels])
    right = max(float(line.points[-1, 0]) for line in drawn) or 1.0
    shown = [(name, value, low <= value <= high) for name, value in levels]
    parts = [*_grid(right, low, high)]
    for k, (_, value, inside) in enumerate(shown):
        if inside:
            y = _y(value, low, high)
            parts.append(f'<line class="level l{k % 3}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
    plot = f"{LEFT} {TOP} {WIDTH - LEFT - RIGHT} {HEIGHT - TOP - BOTTOM}"
    x, y_top, width, height = plot.split()
    parts.append(f'<svg x="{x}" y="{y_top}" width="{width}" height="{height}" viewBox="{plot}">')  # cuts curves off
    parts += [*(_curve(line, right, low, high) for line in drawn), "</svg>"]
    parts += [_dots(line, right, low, high) for line in drawn if line.marked]
    keys = [_key(line) for line in drawn if line.named]
    for k, (name, value, inside) in enumerate(shown):
        sample = (
            f'<svg class="key" viewBox="0 0 28 10" aria-hidden="true"><path class="level l{k % 3}" d="M0 5H28"/></svg>'
        )
        place = "" if inside else ", outside the picture"
        keys.append(f"<li>{sample}{text(name)} {value:.4g}{place}</li>")
    ends = "; ".join(f"{line.label}: {line.points[-1, 1]:.4g} at iteration {line.points[-1, 0]:,.0f}" for line in drawn)
    return (
        f'<figure class="chart"><figcaption>{text(title)}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text(f"{title}. {ends}")}">{"".join(parts)}</svg>'
        f'<ul class="legend">{"".join(keys)}</ul></figure>'
    )


def thinned(points: np.ndarray, count: int = POINTS) -> np.ndarray:
    """At most `count` of (n, 2) points, evenly spread, the first and the last among them."""
    if len(points) <= count:
        return points
    return points[np.unique(np.linspace(0, len(points) - 1, count).round().astype(int))]


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers between two values: steps of 1, 2 or 5 times a power of ten, about `count` of them."""
    rough = (high - low) / max(1, count)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


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


def _grid(right: float, low: float, high: float) -> list[str]:
    parts = []
    for value in ticks(low, high):
        y = _y(value, low, high)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_short(value)}</text>')
    for value in ticks(0, right, 4):
        x = _x(value, right)
        anchor = "end" if x > WIDTH - RIGHT - 20 else "middle"
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="{anchor}">{_short(value)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 5}" text-anchor="middle">iteration</text>')
    return parts


def _curve(line: Line, right: float, low: float, high: float) -> str:
    places = [(_x(x, right), _y(y, low, high)) for x, y in thinned(line.points).tolist()]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    style = f"c{line.colour % COLOURS}" + (" dashed" if line.dashed else "")
    return f'<path class="line {style}" d="{path}"/>'


def _dots(line: Line, right: float, low: float, high: float) -> str:
    """Dots of the points inside the picture; whole at its edges, where curves are cut off."""
    inside = [(x, y) for x, y in thinned(line.points).tolist() if low <= y <= high]
    dots = "".join(f'<circle cx="{_x(x, right):.1f}" cy="{_y(y, low, high):.1f}" r="2.6"/>' for x, y in inside)
    return f'<g class="line c{line.colour % COLOURS}">{dots}</g>'


def _key(line: Line) -> str:
    style = f"c{line.colour % COLOURS}" + (" dashed" if line.dashed else "")
    dot = '<circle cx="14" cy="5" r="3"/>' if line.marked else ""
    sample = f'<g class="line c{line.colour % COLOURS}"><path class="line {style}" d="M0 5H28"/>{dot}</g>'
    return f'<li><svg class="key" viewBox="0 0 28 10" aria-hidden="true">{sample}</svg>{text(line.label)}</li>'


def _x(value: float, right: float) -> float:
    return LEFT + value / right * (WIDTH - LEFT - RIGHT)


def _y(value: float, low: float, high: float) -> float:
    return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)


def _short(value: float) -> str:
    """`0.25`, `1,500`, `40k`."""
    if abs(value) >= 10_000:
        return f"{value / 1000:,.6g}k"
    return f"{value:,.6g}" if abs(value) >= 1 or value == 0 else f"{value:.4g}"
