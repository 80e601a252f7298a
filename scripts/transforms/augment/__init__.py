"""EM augmentations: artifacts of sections and of imaging, as MONAI array and dictionary pairs."""

from scripts.transforms.augment.cut_blur import RandCutBlur, RandCutBlurd
from scripts.transforms.augment.cut_noise import RandCutNoise, RandCutNoised
from scripts.transforms.augment.elastic import RandElasticInPlane, RandElasticInPlaned
from scripts.transforms.augment.margin import augmentation_margin
from scripts.transforms.augment.misalignment import RandMisalignment, RandMisalignmentd
from scripts.transforms.augment.missing_parts import RandMissingParts, RandMissingPartsd
from scripts.transforms.augment.missing_sections import RandMissingSections, RandMissingSectionsd
from scripts.transforms.augment.motion_blur import RandMotionBlur, RandMotionBlurd
from scripts.transforms.augment.random_grey import RandGrey, RandGreyd
from scripts.transforms.augment.rescale import RandRescaleInPlane, RandRescaleInPlaned
from scripts.transforms.augment.rotate90 import RandRotate90InPlane, RandRotate90InPlaned

__all__ = [
    "RandCutBlur",
    "RandCutBlurd",
    "RandCutNoise",
    "RandCutNoised",
    "RandElasticInPlane",
    "RandElasticInPlaned",
    "RandGrey",
    "RandGreyd",
    "RandMisalignment",
    "RandMisalignmentd",
    "RandMissingParts",
    "RandMissingPartsd",
    "RandMissingSections",
    "RandMissingSectionsd",
    "RandMotionBlur",
    "RandMotionBlurd",
    "RandRescaleInPlane",
    "RandRescaleInPlaned",
    "RandRotate90InPlane",
    "RandRotate90InPlaned",
    "augmentation_margin",
]
