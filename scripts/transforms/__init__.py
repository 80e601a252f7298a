"""What happens to an item between the volume and the batch; MONAI array and dictionary pairs."""

from scripts.transforms.decoders import CleanInstances, CleanInstancesd, DecodeInstances, DecodeInstancesd
from scripts.transforms.grey import ScaleGrey, ScaleGreyd
from scripts.transforms.symmetry import RandSymmetry, RandSymmetryd
from scripts.transforms.token_masks import (
    RandColumnMask,
    RandColumnMaskd,
    RandSectionMask,
    RandSectionMaskd,
    RandTokenMask,
    RandTokenMaskd,
)

__all__ = [
    "CleanInstances",
    "CleanInstancesd",
    "DecodeInstances",
    "DecodeInstancesd",
    "RandColumnMask",
    "RandColumnMaskd",
    "RandSectionMask",
    "RandSectionMaskd",
    "RandSymmetry",
    "RandSymmetryd",
    "RandTokenMask",
    "RandTokenMaskd",
    "ScaleGrey",
    "ScaleGreyd",
]
