"""Steps of a run around its engine: check settings, print a summary, train, report results."""

from scripts.workflow.check_settings import check_settings
from scripts.workflow.overrides import check_overrides
from scripts.workflow.predict_volume import predict_volume
from scripts.workflow.presets import chosen_preset, chosen_trunk
from scripts.workflow.probe import Probe, write_probe
from scripts.workflow.run_results import report_evaluation, write_pretraining_results, write_segmentation_results
from scripts.workflow.run_summary import print_pretraining_summary, print_segmentation_summary
from scripts.workflow.short_errors import short_errors
from scripts.workflow.training import train

__all__ = [
    "Probe",
    "check_overrides",
    "check_settings",
    "chosen_preset",
    "chosen_trunk",
    "predict_volume",
    "print_pretraining_summary",
    "print_segmentation_summary",
    "report_evaluation",
    "short_errors",
    "train",
    "write_pretraining_results",
    "write_probe",
    "write_segmentation_results",
]
