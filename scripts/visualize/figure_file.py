"""Make matplotlib figures without a display, and write them as PNG."""

import os
from pathlib import Path
from typing import Any

from scripts.data.files.replacing import replacing


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure of a size in inches; matplotlib is imported here, as most processes draw nothing."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Any, path: str | os.PathLike[str]) -> Path:
    """Write a figure as a PNG; an earlier one stays until the new one is complete."""
    with replacing(path, overwrite=True) as partial:
        figure.savefig(partial, dpi=110, format="png")
    return Path(path)
