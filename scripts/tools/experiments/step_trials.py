"""Try the trainings of an experiment before the first one runs: what their own configs check, and what they start from.

A setting may be possible alone and impossible beside the others, such as a crop that is no multiple of the patch. The
run itself finds that when it starts, which in an experiment can be days later.
"""

import contextlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from monai.bundle import ConfigParser

from scripts.checkpoints.file import network_content, save_atomically
from scripts.messages import one_line
from scripts.tools.experiments.grids import Step
from scripts.tools.experiments.runner import command
from scripts.workflow.short_errors import USER_ERRORS, error_text, root_cause
from scripts.workflow.typed_words import literal

OF_THE_PROCESS = ("@short_errors", "@freed_memory")
"""Of the `checks` of a config, what changes the program that runs it."""
BUILT = ("checks", "pretrained_encoder", "loss", "optimizer")
"""Ids of a training's config that are resolved, those that it has."""
NOT_COMPARED = ("seed", "output_dir")
"""Settings without which trainings are tried once."""


def try_trainings(steps: Sequence[Step]) -> None:
    """Run the checks of one training of each kind, load the weights that it starts from, and build its optimizer.

    A pre-training that is a step itself is represented by its untrained network.

    Args:
        steps: of an experiment, each after those whose results it reads.

    Raises:
        ValueError: a training refuses its settings, or the weights that it starts from; names its step.
    """
    with TemporaryDirectory() as folder, _silent():
        untrained: dict[str, Path] = {}
        tried: dict[str, Path] = {}
        for step in steps:
            if not step.trains:
                continue
            settings = dict(step.settings)
            start = str(settings.get("pretrained"))
            settings |= {"pretrained": untrained[start]} if start in untrained else {}
            compared = {name: str(value) for name, value in settings.items() if name not in NOT_COMPARED}
            kind = json.dumps([step.config, compared])
            if kind not in tried:
                tried[kind] = Path(folder) / str(len(tried)) / "untrained.pt"
                settings["output_dir"] = tried[kind].parent
                try:
                    _try_training(replace(step, settings=settings), tried[kind])
                except Exception as error:  # MONAI wraps what a component raises
                    cause = root_cause(error)
                    if not isinstance(cause, USER_ERRORS):
                        raise
                    text = error_text(cause).replace(str(settings.get("pretrained")), start)
                    raise ValueError(f"{step.name}: {one_line(text)}") from error
            untrained[str(step.result)] = tried[kind]


def _try_training(step: Step, untrained: Path) -> None:
    """Build what the command of a step builds before it trains; write the network of a pre-training."""
    parser = ConfigParser()
    parser.read_config(list(step.config))
    parser.update({name: literal(str(value)) for name, value in step.settings.items()})
    parser["network_on_device"] = "@network_def"
    parser["check_overrides"]["arguments"] = command(step)[3:]
    parser["checks"] = [check for check in parser["checks"] if check not in OF_THE_PROCESS]
    parser.parse()
    for name in BUILT:
        if name in parser:
            parser.get_parsed_content(name)
    if "pretrained_encoder" in parser:
        return
    network, recipe = (parser.get_parsed_content(name) for name in ("network_def", "recipe"))
    untrained.parent.mkdir()
    save_atomically(network_content(network, recipe, 0), untrained)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Show nothing of what a run would report."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
