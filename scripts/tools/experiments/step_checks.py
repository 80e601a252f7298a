"""Check the steps of an experiment before the first one runs: config files, knobs, presets, labelled sections."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from scripts.data.regions.label_budget import budget_boxes
from scripts.ops.box import Box
from scripts.tools.experiments.grids import MAE, TRUNK, Experiment, Step
from scripts.workflow.knobs import KNOBS, knob_value
from scripts.workflow.overrides import checked_values, refuse_unknown
from scripts.workflow.presets import chosen_preset

PRESETS = {"network": "presets", "unetr_decoder": "unetr_decoder_presets", "trunk": "trunk_presets"}
"""Knob -> key of a config that has its presets."""
OPTIONS = {MAE: "pretrained", TRUNK: "pretrained_trunk"}
"""Architecture of a pre-training -> option of the command that gives its checkpoint."""
EXAMPLES = {MAE: "unetr+pretrained", TRUNK: "residual_unet+pretrained"}
"""Architecture of a pre-training -> a method that starts from it."""


def check_steps(experiment: Experiment, steps: Sequence[Step]) -> None:
    """Raise ValueError for the first setting that no run can have.

    Args:
        experiment: for its training box, and for checkpoints that are given.
        steps: all of them.

    Raises:
        ValueError: a config file that is missing, an unknown knob, or one with a value that it does not allow, in an
            overlay too, an unknown preset, more labelled sections than the training box has.
    """
    check_configs(steps)
    own = [file for condition in experiment.conditions for file in condition.overlays]
    check_overlays((*experiment.configs, *experiment.pretrain_configs, *own))
    check_pretrained(experiment)
    configs: dict[tuple[str, ...], dict[str, Any]] = {}
    for step in steps:
        for name, value in step.settings.items():
            if name in KNOBS and not isinstance(value, Path):
                knob_value(name, value)
        if step.config not in configs:
            configs[step.config] = ConfigParser.load_config_files(list(step.config))
        refuse_unknown(step.settings, configs[step.config])
        for knob, presets in PRESETS.items():
            if knob in step.settings and presets in configs[step.config]:
                chosen_preset(knob, str(step.settings[knob]), configs[step.config][presets])
        sections: Any = step.settings.get("labelled_sections")
        if sections is not None:
            box = Box.parse(experiment.boxes["train_box"], (2**31,) * 3)
            budget_boxes(box, box.stop, sections)


def check_overlays(files: Sequence[str]) -> None:
    """Raise ValueError for the first overlay with a knob of a value that it does not allow."""
    for file in files:
        try:
            checked_values(ConfigParser.load_config_file(file))
        except ValueError as error:
            raise ValueError(f"'{file}': {str(error).removeprefix('--')}") from None


def check_pretrained(experiment: Experiment) -> None:
    """Raise ValueError for a given checkpoint that is no file, and for one that no condition can start from."""
    for architecture, file in experiment.pretrained.items():
        if not Path(file).is_file():
            raise ValueError(f"--{OPTIONS[architecture]} '{file}' is no file; give a checkpoint of a pre-training")
        starts = [c.pretraining for c in experiment.conditions if c.pretraining is not None]
        own = [start for start in starts if start.get("architecture", MAE) == architecture]
        if not own:
            raise ValueError(
                f"--{OPTIONS[architecture]} '{file}' is used by no method; give one that is pre-trained with it, such "
                f"as {EXAMPLES[architecture]}"
            )
        varied = next((name for start in own for name in start if name != "architecture"), None)
        if varied is not None:
            raise ValueError(
                f"--{OPTIONS[architecture]} '{file}' takes the place of pre-trainings that differ in {varied}; leave "
                "it out, and each is trained"
            )


def check_configs(steps: Sequence[Step]) -> None:
    """Raise ValueError for a config file that does not exist."""
    for file in dict.fromkeys(config for step in steps for config in step.config):
        if not Path(file).is_file():
            raise ValueError(f"'{file}' does not exist; start in the root of the repository, and check the overlays")
