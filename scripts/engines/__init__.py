"""Functions of training and evaluation engines: prepare batches, make optimizer steps, choose the precision.

All is imported when it is first used, so that decoding, which checks the memory here, does not wait for torch and
MONAI.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_WHEN_ASKED = {
    "keep_freed_memory": "scripts.engines.freed_memory",
    "lower_is_better": "scripts.engines.metric_comparison",
    "chosen_precision": "scripts.engines.precision",
    "PrecisionInferer": "scripts.engines.precision_inferer",
    "prepare_box_batch": "scripts.engines.prepare_batch",
    "prepare_masked_batch": "scripts.engines.prepare_batch",
    "prepare_target_batch": "scripts.engines.prepare_batch",
    "switch": "scripts.engines.switches",
    "TrainingStep": "scripts.engines.training_step",
}


def __getattr__(name: str) -> Any:
    if name not in _WHEN_ASKED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHEN_ASKED[name]), name)
