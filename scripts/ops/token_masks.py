"""How many tokens a mask keeps, and the mask of a draw."""

from collections.abc import Sequence

import numpy as np


def kept_count(total: int, ratio: float) -> int:
    """floor(total * (1 - ratio) + 1e-6): what stays visible of `total` when `ratio` is hidden."""
    return int(np.floor(total * (1.0 - ratio) + 1e-6))


def check_ratio(total: int, ratio: float, what: str, grid: Sequence[int]) -> int:
    """The kept count; an error with the ratios that work when a ratio keeps nothing or everything.

    Args:
        total: how many units there are to draw from.
        ratio: the share to hide.
        what: the units' name, plural.
        grid: the token grid (z, y, x), to be quoted.
    """
    if total < 2:
        raise ValueError(f"a grid {tuple(grid)} has {total} {what}: no ratio can hide some and keep some")
    kept = kept_count(total, ratio) if np.isfinite(ratio) else -1
    if not 0 < kept < total:
        raise ValueError(
            f"ratio {ratio} keeps {max(0, min(kept, total))} of {total} {what} of a grid {tuple(grid)}: "
            f"ratios above 0 and up to {1 - 1 / total:.4g} (1 - 1/{total}) work"
        )
    return kept


def hidden_units(units: Sequence[int], kept: int, generator: np.random.RandomState) -> np.ndarray:
    """Bool array of shape `units` with all but `kept` places, drawn evenly, True (hidden)."""
    total = int(np.prod(units))
    hidden = np.ones(total, dtype=bool)
    hidden[generator.permutation(total)[:kept]] = False
    return hidden.reshape(units)
