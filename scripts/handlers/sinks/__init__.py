"""Log sinks: where a `MetricLogger` sends the record of each step."""

from scripts.handlers.sinks.jsonl_log import JsonlLog
from scripts.handlers.sinks.log_sink import LogSink, StepRecord
from scripts.handlers.sinks.nonfinite_guard import NonFiniteGuard
from scripts.handlers.sinks.progress import Progress
from scripts.handlers.sinks.tensorboard import TensorBoard

__all__ = ["JsonlLog", "LogSink", "NonFiniteGuard", "Progress", "StepRecord", "TensorBoard"]
