"""Sliding-window inference on volumes of any size."""

from scripts.inferers.inference_region import inference_region, say_how_to_decode
from scripts.inferers.picture_region import picture_region
from scripts.inferers.reconstruction_windows import BoxWindows, reconstruction_region
from scripts.inferers.volume_inferer import VolumeInferer
from scripts.inferers.window_rows import StepInferer, VolumeSteps, prepare_step

__all__ = [
    "BoxWindows",
    "StepInferer",
    "VolumeInferer",
    "VolumeSteps",
    "inference_region",
    "picture_region",
    "prepare_step",
    "reconstruction_region",
    "say_how_to_decode",
]
