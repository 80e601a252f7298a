"""The knobs of all bundles with their types and ranges: one table for the check before a run and for docs/knobs.md."""

from typing import Any

from scripts.networks.residual_unet import NORMS
from scripts.ops.targets.class_weights import BALANCES
from scripts.workflow.knob_types import Choice, KnobType, Nullable, Number, Numbers, Sections, Settings, Switch
from scripts.workflow.text_knobs import BoxText, Mask, Name, PathName

COUNT = Number(1, whole=True)
ANY_COUNT = Number(0, whole=True)
SIZE = Numbers(COUNT)
RATE = Number(0, open_low=True)
SHARE = Number(0, 1, open_high=True)
KNOBS: dict[str, KnobType] = {
    **dict.fromkeys(("volumes", "volume", "checkpoints"), PathName(several=True)),
    "labels": Nullable(PathName(several=True, gaps=True)),
    **dict.fromkeys(("train_box", "validation_box", "labelled_box", "box"), Nullable(BoxText())),
    "labelled_sections": Nullable(Sections()),
    **dict.fromkeys(("grey_low", "grey_high"), Nullable(Number())),
    "reject": Nullable(Settings()),
    **dict.fromkeys(("pretrained", "pretrained_trunk"), Nullable(PathName())),
    "pretrained_head": Choice(("drop", "keep")),
    **dict.fromkeys(("checkpoint", "out", "output_dir"), PathName()),
    **dict.fromkeys(("crop", "patch", "window", "stride", "downsample"), SIZE),
    "pad": Numbers(ANY_COUNT),
    "flips": Choice((1, 4, 8, 16)),
    "enlarge": Number(1, 4),
    "architecture": Choice(("mae", "unetr", "residual_unet", "hybrid")),
    "trunk_norm": Choice(NORMS),
    "unetr_form": Choice(("published", "residual")),
    **dict.fromkeys(("network", "unetr_decoder", "trunk", "instance_decoder", "key_score"), Name()),
    "mask": Nullable(Mask()),
    "token_mask": Choice(("random", "space_only", "section_only")),
    "mask_ratio": Number(0, 1, open_low=True, open_high=True),
    **dict.fromkeys(("batch", "accumulation", "iterations", "baseline_crops", "val_interval", "val_batches"), COUNT),
    **dict.fromkeys(("save_interval", "picture_interval"), COUNT),
    "keep_interval": Nullable(ANY_COUNT),
    **dict.fromkeys(("warm_up", "freeze"), ANY_COUNT),
    "optimizer_name": Choice(("adamw", "muon")),
    **dict.fromkeys(("lr", "base_lr"), RATE),
    "weight_decay": Number(0),
    "betas": Numbers(SHARE, 2, ""),
    "layer_decay": Number(0, 1, open_low=True),
    "drop_path": SHARE,
    "clip": Nullable(RATE),
    "auxiliary_descriptors": Nullable(Numbers(Number(0.5, 64))),
    "descriptor_weight": Number(0),
    "class_balance": Choice(BALANCES),
    "erosion": Number(0, 16, whole=True),
    "precision": Choice(("fp32", "bf16", "auto")),
    "sampler": Choice(("loader", "device")),
    "nonfinite": Choice(("refuse", "zero", "skip")),
    "dtype": Choice(("float16", "float32", "uint8")),
    "ome_version": Choice(("0.4", "0.5")),
    "context": Choice(("volume", "box")),
    "workers": Number(0, 1024, whole=True),
    **dict.fromkeys(("scheduler", "scheduler_file"), Nullable(PathName())),
    "blocks": Nullable(SIZE),
    "threads": Nullable(Number(1, 1024, whole=True)),
    "seed": Number(0, 2**32 - 1, whole=True),
    "blend_memory_gib": Number(0),
    "decoder_grid": Settings(lists=True),
    "instance_decoder_settings": Settings(),
    **dict.fromkeys(("augment", "compile", "keep_memory", "resume", "overwrite", "debug"), Switch()),
}
WITHOUT_TRAINING: dict[str, KnobType] = {"nonfinite": Choice(("refuse", "zero"))}
"""Knobs that allow less in configs that do not train: nothing is drawn there, so no crop can be skipped."""


def knob_type(name: str, training: bool = True) -> KnobType:
    """What a knob may be, in a config that trains or in one that does not."""
    return KNOBS[name] if training else WITHOUT_TRAINING.get(name, KNOBS[name])


def knob_value(name: str, value: Any, training: bool = True) -> Any:
    """The value of a knob, from a word of the command line or from JSON.

    Args:
        name: one of `KNOBS`.
        value: the word as it was typed, or a JSON value.
        training: whether the config trains.

    Raises:
        ValueError: not allowed; names knob, value and what is allowed.
    """
    try:
        return knob_type(name, training).parse(value)
    except (ValueError, OverflowError, TypeError):
        raise ValueError(f"--{name} {_shown(value)} is not {knob_type(name, training)}") from None


def _shown(value: Any) -> str:
    text = " ".join(str(value).split())
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return f"'{text}'" if isinstance(value, str) else text
