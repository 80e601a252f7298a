"""The command that repeats a run, from the recipe in its checkpoint and the defaults of the bundle's configs."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.tools.reporting.runs import Run

ROOT = Path(__file__).resolve().parents[3]
"""The repository, or a packaged bundle."""
NO_OVERLAY = ("train", "multi_gpu_train", "inference", "evaluate", "model", "metadata")
"""Configs that are no recipe of a training run."""


@dataclass(frozen=True)
class Bundle:
    """A bundle that trains.

    Attributes:
        folder: as written on a command line.
        train: content of `train.json`.
        overlays: name -> content of the configs that change its recipe.
        evaluates: whether it has an `evaluate.json`.
    """

    folder: str
    train: Mapping[str, Any]
    overlays: Mapping[str, Mapping[str, Any]]
    evaluates: bool

    def config_file(self, *names: str) -> str:
        """The words that name one config, or several as MONAI takes them."""
        files = [f"{self.folder}/configs/{name}.json" if self.folder else f"configs/{name}.json" for name in names]
        return files[0] if len(files) == 1 else '"[' + ",".join(f"'{file}'" for file in files) + ']"'


def known_bundles(root: Path = ROOT) -> list[Bundle]:
    """The bundles of the repository, or the one that this code was packaged into."""
    configs = sorted(root.glob("bundles/*/configs/train.json")) or sorted(root.glob("configs/train.json"))
    return [_bundle(file, root) for file in configs]


def bundle_of(run: Run, bundles: Sequence[Bundle]) -> Bundle | None:
    """The bundle whose recipe has the run's task and most of its settings; None where nothing fits."""

    def shared(bundle: Bundle) -> float:
        recipe = bundle.train.get("recipe", {})
        task = recipe.get("task")
        if (bundle.train.get(task[1:]) if task else None) != run.recipe.get("task"):  # "@task"
            return 0.0
        known = {key for key in recipe if not key.startswith("_")}
        return len(known & set(run.recipe)) / max(1, len(known | set(run.recipe)))

    fitting = [bundle for bundle in bundles if shared(bundle) > 0.5]
    return max(fitting, key=shared, default=None)


def training_command(run: Run, bundle: Bundle) -> str:
    """`python -m monai.bundle run ...`, with the overlay that leaves the fewest options to write."""
    best: tuple[str, ...] = ("train",)
    words = _options(run.recipe, bundle.train)
    for name, overlay in bundle.overlays.items():
        fewer = _options(run.recipe, {**bundle.train, **overlay})
        if len(fewer) < len(words):
            best, words = ("train", name), fewer
    options = [f"--{key} {shlex.quote(_text(value))}" for key, value in words.items()]
    command = f"python -m monai.bundle run --config_file {bundle.config_file(*best)}"
    return " \\\n  ".join([command, *options, f"--output_dir {shlex.quote(str(run.path))}"])


def evaluation_command(run: Run, bundle: Bundle) -> str | None:
    """The command that evaluates a run into its folder; None where its bundle has none, or before a checkpoint."""
    if not bundle.evaluates or run.checkpoint is None:
        return None
    command = f"python -m monai.bundle run --config_file {bundle.config_file('evaluate')}"
    return f"{command} \\\n  --checkpoint {shlex.quote(str(run.checkpoint))}"


def _bundle(train: Path, root: Path) -> Bundle:
    folder = train.parents[1].relative_to(root)
    others = [file for file in sorted(train.parent.glob("*.json")) if file.stem not in NO_OVERLAY]
    return Bundle(
        folder="" if str(folder) == "." else folder.as_posix(),
        train=json.loads(train.read_text(encoding="utf-8")),
        overlays={file.stem: json.loads(file.read_text(encoding="utf-8")) for file in others},
        evaluates=(train.parent / "evaluate.json").is_file(),
    )


def _options(recipe: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the recipe that are knobs of the config and have another value there, or one that is computed."""
    found = {}
    for key, value in recipe.items():
        default = config.get(key, {})  # what is no plain knob is computed from those that are
        if isinstance(default, dict) or default == value:
            continue
        if isinstance(default, str) and default[:1] in "$@" and value is None:
            continue
        found[key] = value
    return found


def _text(value: Any) -> str:
    """As MONAI's command line reads it back."""
    return value if isinstance(value, str) else repr(value)
