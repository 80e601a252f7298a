"""What happens to an item between the volume and the batch; MONAI array and dictionary pairs."""

from scripts.transforms.affinity_target import AffinityTarget
from scripts.transforms.decoders import CleanInstances, CleanInstancesd, DecodeInstances, DecodeInstancesd
from scripts.transforms.distance_targets import InstanceDistanceTarget, SectionDistanceTarget
from scripts.transforms.grey import ScaleGrey, ScaleGreyd
from scripts.transforms.make_targets import MakeTargetsd
from scripts.transforms.object_targets import BinaryTarget, ContourTarget
from scripts.transforms.shape_target import ShapeDescriptorTarget
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
    "AffinityTarget",
    "BinaryTarget",
    "CleanInstances",
    "CleanInstancesd",
    "ContourTarget",
    "DecodeInstances",
    "DecodeInstancesd",
    "InstanceDistanceTarget",
    "MakeTargetsd",
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
    "SectionDistanceTarget",
    "ShapeDescriptorTarget",
]
