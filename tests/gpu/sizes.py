"""What a run on a GPU measures and trains: the published sizes, and tiny ones that try every step on a CPU."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.ops.box import Size3

BUNDLE_TESTS = Path(__file__).parents[1] / "bundles"
TRUNK_LARGE = {"widths": (64, 96, 144, 192), "forms": ("23", "233", "233", "233"), "fold": 2}
FEW_THRESHOLDS = {"threshold": [0.3, 0.4, 0.5, 0.6, 0.7, 0.8]}
TRUNK_TINY = {"widths": (8, 8, 8, 8), "forms": ("23", "23", "23", "23"), "fold": 2}


@dataclass(frozen=True)
class Size:
    """One size of everything.

    Attributes:
        autoencoder: sizes of the masked autoencoder of the step.
        ways: names of `tests.benchmarks.bench_mae_step.ways`, the most important first.
        batch: crops of a pre-training step.
        encoder, decoder: of the UNETR of the step: width, depth, heads; channels.
        trunk: of the U-Net of the step.
        crop: voxels of its crops.
        fine_batch: crops of a fine-tuning step.
        compiled: whether training steps are compiled.
        steps: timed at once.
        box: voxels of the inference.
        volume: shape of the synthetic volume, where no other is given.
        pretraining, fine_tuning: overlays and knobs of the bundles' train.json.
        unet: the same for the U-Net, instead of those of `fine_tuning`.
        iterations: of every training; None for as many as fit into its time.
        trial: iterations that are timed first.
    """

    autoencoder: Mapping[str, int]
    ways: tuple[str, ...]
    batch: int
    encoder: tuple[int, int, int]
    decoder: tuple[int, ...]
    trunk: Mapping[str, Any]
    crop: Size3
    fine_batch: int
    compiled: bool
    steps: int
    box: Size3
    volume: Size3
    pretraining: Mapping[str, Any]
    fine_tuning: Mapping[str, Any]
    unet: Mapping[str, Any]
    iterations: int | None
    trial: int


PUBLISHED = Size(
    autoencoder={"width": 768, "depth": 12, "heads": 12, "decoder_width": 512, "decoder_depth": 4, "decoder_heads": 16},
    ways=(
        "ours, bf16 autocast, compiled",
        "MONAI, bf16 weights, compiled",
        "MONAI, bf16 autocast, compiled",
        "ours, bf16 autocast, eager",
        "MONAI, bf16 autocast, eager",
    ),
    batch=128,
    encoder=(768, 12, 12),
    decoder=(512, 256, 128, 64, 32),
    trunk=TRUNK_LARGE,
    crop=(6, 96, 96),
    fine_batch=24,
    compiled=True,
    steps=20,
    box=(20, 512, 512),
    volume=(100, 512, 512),
    pretraining={"sampler": "device", "compile": True, "val_batches": 4, "baseline_crops": 4},
    fine_tuning={"flips": 1, "labelled_sections": 20, "decoder_grid": FEW_THRESHOLDS},
    unet={
        **{"flips": 1, "labelled_sections": 20, "decoder_grid": FEW_THRESHOLDS},
        **{"trunk": "large", "crop": [6, 96, 96], "batch": 24},
    },
    iterations=None,
    trial=40,
)
TINY = Size(
    autoencoder={"width": 24, "depth": 1, "heads": 2, "decoder_width": 12, "decoder_depth": 1, "decoder_heads": 2},
    ways=("ours, bf16 autocast, eager", "MONAI, tf32, eager"),
    batch=2,
    encoder=(24, 4, 2),
    decoder=(4, 4, 4, 4, 4),
    trunk=TRUNK_TINY,
    crop=(2, 32, 32),
    fine_batch=1,
    compiled=False,
    steps=1,
    box=(2, 32, 32),
    volume=(20, 64, 64),
    pretraining={"overlay": BUNDLE_TESTS / "tiny.json", "patch": [1, 4, 4], "crop": [4, 16, 16], "threads": 1},
    fine_tuning={"overlay": BUNDLE_TESTS / "tiny_segmentation.json"},
    unet={
        "overlay": BUNDLE_TESTS / "tiny_segmentation.json",
        "trunk": "demo",
        "patch": [1, 8, 8],
        "auxiliary_offsets": [],
    },
    iterations=2,
    trial=2,
)
