"""Scores of instances as ignite metrics, and read-outs of frozen features."""

from scripts.metrics.decoder_search import DecoderSearch
from scripts.metrics.readouts import PerceptronReadout, RidgeReadout
from scripts.metrics.table_score import TableScore

__all__ = [
    "DecoderSearch",
    "PerceptronReadout",
    "RidgeReadout",
    "TableScore",
]
