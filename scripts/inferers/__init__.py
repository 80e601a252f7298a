"""Sliding-window inference on volumes of any size."""

from scripts.inferers.inference_region import inference_region, print_decode_command
from scripts.inferers.labelled_tokens import LabelledTokens
from scripts.inferers.picture_region import picture_region
from scripts.inferers.reconstruction_windows import BoxWindows
from scripts.inferers.row_loader import RowLoader
from scripts.inferers.volume_inferer import VolumeInferer
from scripts.inferers.window_rows import StepInferer, VolumeSteps, prepare_step

__all__ = [
    "BoxWindows",
    "LabelledTokens",
    "RowLoader",
    "StepInferer",
    "VolumeInferer",
    "VolumeSteps",
    "inference_region",
    "picture_region",
    "prepare_step",
    "print_decode_command",
]
