"""Scores of instances as ignite metrics."""

from scripts.metrics.decoder_search import DecoderSearch
from scripts.metrics.table_score import TableScore

__all__ = [
    "DecoderSearch",
    "TableScore",
]
