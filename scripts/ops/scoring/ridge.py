"""Ridge regression in closed form, for several penalties at once."""

from collections.abc import Sequence

import numpy as np


def ridge_weights(features: np.ndarray, values: np.ndarray, penalties: Sequence[float]) -> np.ndarray:
    """Weights w that minimise mean((features w - values)^2) + penalty * sum(w^2), without an intercept.

    They are V (S + n penalty)^-1 V^T features^T values with features^T features = V S V^T (Hoerl & Kennard 1970).

    Args:
        features: (n, width).
        values: (n, channels).
        penalties: each 0 or more; with 0 the smallest of the least-squares weights.

    Returns:
        (penalties, width, channels) float64.

    Raises:
        ValueError: other shapes, no rows, or a negative penalty.

    Example:
        >>> ridge_weights(np.array([[1.0], [2.0]]), np.array([[2.0], [4.0]]), [0.0, 2.5])[:, 0, 0].tolist()
        [2.0, 1.0]
    """
    if features.ndim != 2 or values.ndim != 2 or len(features) != len(values) or len(features) == 0:
        raise ValueError(f"features {features.shape} and values {values.shape} must be (n, width) and (n, channels)")
    if not penalties or min(penalties) < 0:
        raise ValueError(f"penalties {list(penalties)} must be numbers of 0 or more")
    wide, high = features.astype(np.float64), values.astype(np.float64)
    sizes, vectors = np.linalg.eigh(wide.T @ wide)
    projected = vectors.T @ (wide.T @ high)
    smallest = np.finfo(np.float64).eps * len(sizes) * max(float(sizes[-1]), np.finfo(np.float64).tiny)
    found = []
    for penalty in penalties:
        divided = sizes + len(wide) * penalty
        scale = np.where(divided > smallest, 1 / np.maximum(divided, smallest), 0.0)
        found.append(vectors @ (scale[:, None] * projected))
    return np.stack(found)
