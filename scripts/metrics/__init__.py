"""Scores of instances as ignite metrics."""

from scripts.metrics.table_score import TableScore

__all__ = ["TableScore"]
