"""Steps of a run around its engine: check settings, print a summary, train, report results."""

from scripts.workflow.check_settings import check_channels, check_settings
from scripts.workflow.overrides import check_overrides
from scripts.workflow.predict_volume import predict_volume
from scripts.workflow.presets import chosen_preset
from scripts.workflow.run_results import finish, finish_segmentation, report_evaluation
from scripts.workflow.run_summary import announce, announce_segmentation
from scripts.workflow.short_errors import short_errors
from scripts.workflow.training import train

__all__ = [
    "announce",
    "announce_segmentation",
    "check_channels",
    "check_overrides",
    "check_settings",
    "chosen_preset",
    "finish",
    "finish_segmentation",
    "predict_volume",
    "report_evaluation",
    "short_errors",
    "train",
]
