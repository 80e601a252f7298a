"""Scores of instances as ignite metrics."""

from scripts.metrics.table_score import TableScore
from scripts.metrics.threshold_choice import ThresholdChoice

__all__ = ["TableScore", "ThresholdChoice"]
