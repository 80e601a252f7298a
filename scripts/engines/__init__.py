"""What training and evaluation engines run: batches, optimizer steps, precision."""

from scripts.engines.precision_inferer import PrecisionInferer
from scripts.engines.prepare_batch import prepare_box_batch, prepare_masked_batch, prepare_target_batch
from scripts.engines.switches import switch
from scripts.engines.training_step import TrainingStep

__all__ = [
    "PrecisionInferer",
    "TrainingStep",
    "prepare_box_batch",
    "prepare_masked_batch",
    "prepare_target_batch",
    "switch",
]
