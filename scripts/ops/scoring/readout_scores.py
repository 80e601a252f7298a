"""Scores of numbers that were read out of features: explained variance, and ranking."""

import numpy as np
from scipy.stats import rankdata


def r_squared(truth: np.ndarray, predicted: np.ndarray) -> float:
    """1 - sum((truth - predicted)^2) / sum((truth - mean(truth))^2): 1 is perfect, 0 is predicting the mean.

    It is negative for predictions that are worse than the mean of the same values; nan where they are all equal.
    """
    spread = float(np.square(truth - np.mean(truth)).sum()) if truth.size else 0.0
    return 1 - float(np.square(truth - predicted).sum()) / spread if spread > 0 else float("nan")


def area_under_curve(positive: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive has the higher score than a negative; ties count one half.

    nan where there is no positive or no negative (Mann & Whitney 1947).

    Args:
        positive: (n,) bool.
        score: (n,) numbers.
    """
    count = int(positive.sum())
    pairs = count * (positive.size - count)
    if pairs == 0:
        return float("nan")
    ranks = rankdata(score)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / pairs)
