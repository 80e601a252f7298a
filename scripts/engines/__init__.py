"""Functions of training and evaluation engines: prepare batches, make optimizer steps, choose the precision."""

from scripts.engines.freed_memory import keep_freed_memory
from scripts.engines.metric_comparison import lower_is_better
from scripts.engines.precision import chosen_precision
from scripts.engines.precision_inferer import PrecisionInferer
from scripts.engines.prepare_batch import prepare_box_batch, prepare_masked_batch, prepare_target_batch
from scripts.engines.switches import switch
from scripts.engines.training_step import TrainingStep

__all__ = [
    "PrecisionInferer",
    "TrainingStep",
    "chosen_precision",
    "keep_freed_memory",
    "lower_is_better",
    "prepare_box_batch",
    "prepare_masked_batch",
    "prepare_target_batch",
    "switch",
]
