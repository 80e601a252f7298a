"""Read a run folder without training code: its log, its checkpoints, its evaluation."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from scripts.checkpoints.file import load_checkpoint
from scripts.checkpoints.restore import PRETRAINING, task_of
from scripts.checkpoints.run_files import BEST, CHECKPOINTS, EVALUATION, LAST, LOG, SCORES, SEGMENTATION
from scripts.checkpoints.run_log import read_log
from scripts.metrics.score_report import named_scores
from scripts.ops.scoring.scores import Score
from scripts.visualize.curves import points


@dataclass(frozen=True)
class Run:
    """One training run, finished or not.

    Attributes:
        path: the folder.
        log: entries of `log.jsonl`.
        recipe: the settings in its checkpoint; empty before the first one was saved.
        version: of the project that trained it; "" where unknown.
        made_with: versions and hardware it was trained with, by name; empty where the checkpoint does not state it.
        checkpoint: the file that recipe and scores are from, `best.pt` where there is one.
        best_iteration: of `best.pt`.
        validation: scores on the validation box that `best.pt` was chosen by.
        test: scores of its evaluation.
        decoder: "name" and "settings" that turn its maps into instances.
    """

    path: Path
    log: Sequence[Mapping[str, Any]]
    recipe: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""
    made_with: Mapping[str, str] = field(default_factory=dict)
    checkpoint: Path | None = None
    best_iteration: int | None = None
    validation: Sequence[Score] = ()
    test: Sequence[Score] = ()
    decoder: Mapping[str, Any] | None = None

    @property
    def task(self) -> str:
        """`pretraining`, or what the network was fine-tuned for."""
        return task_of(self.recipe)

    @property
    def pretrains(self) -> bool:
        """Whether it is a run of the masked autoencoder."""
        if self.recipe:
            return self.task == PRETRAINING
        return any("token_mean" in entry for entry in self.log)

    @property
    def start(self) -> str:
        """Where a fine-tuning run began."""
        return "pre-trained" if self.recipe.get("pretrained") else "from scratch"

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.resolve().name

    @property
    def words(self) -> str:
        """`pre-training, random mask 0.9, seed 0` or `affinity, from scratch, seed 0`."""
        if not self.recipe:
            return "no checkpoint yet"
        if self.pretrains:
            mask = str(self.recipe.get("token_mask", "")).replace("_", "-")
            words = ["pre-training", f"{mask} mask {self.recipe.get('mask_ratio', 0):.3g}"]
        else:
            words = [] if self.task == "unknown" else [self.task.replace("_", " ")]
            words.append(self.start)
        return ", ".join([*words, *([f"seed {self.recipe['seed']}"] if "seed" in self.recipe else [])])

    @property
    def scores(self) -> Sequence[Score]:
        """Those of the evaluation, else those of the validation box."""
        return self.test or self.validation

    @property
    def evaluations(self) -> list[Path]:
        """The volumes of its evaluation, a file a box."""
        folder = self.path / EVALUATION
        return [*folder.glob(f"{EVALUATION}.h5"), *sorted(folder.glob(f"{EVALUATION}_*.h5"))]

    @property
    def picture(self) -> Path | None:
        """The picture a fine-tuning ends with."""
        file = self.path / SEGMENTATION
        return file if file.is_file() else None

    @property
    def iteration(self) -> int:
        """The last one in the log."""
        return max((int(entry["iteration"]) for entry in self.log), default=self.best_iteration or 0)

    @property
    def seconds(self) -> float:
        """Time of training, waits for data included and validation not."""
        return float(sum(entry.get("seconds", 0.0) for entry in self.log))

    @property
    def speed(self) -> float:
        """Crops a second over the whole training; 0 where nothing was logged."""
        samples = sum(entry.get("samples_per_s", 0.0) * entry.get("seconds", 0.0) for entry in self.log)
        return float(samples / self.seconds) if self.seconds else 0.0

    @cached_property
    def ended(self) -> datetime:
        """When its newest file was written."""
        files = [self.path / LOG, *([self.checkpoint] if self.checkpoint else [])]
        return datetime.fromtimestamp(max(file.stat().st_mtime for file in files if file.exists()))

    def points(self, name: str) -> np.ndarray:
        """(n, 2) of iteration and value, of the entries that have the name."""
        return points(self.log, name)


def read_run(path: str | os.PathLike[str]) -> Run:
    """Read a run folder, whichever of its files are there already.

    Raises:
        ValueError: no such folder, or one that no run wrote; damaged log or checkpoint.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ValueError(f"there is no folder '{folder}'; give the --output_dir of a training run")
    files = [folder / CHECKPOINTS / name for name in (BEST, LAST)]
    checkpoint = next((file for file in files if file.is_file()), None)
    log = read_log(folder / LOG) if (folder / LOG).is_file() else []
    if checkpoint is None and not log:
        raise ValueError(
            f"'{folder}' is no run: it has neither {LOG} nor {CHECKPOINTS}/{BEST}; give the --output_dir of a "
            "training run"
        )
    if checkpoint is None:
        return Run(folder, log)
    content = load_checkpoint(checkpoint)
    decoder = content.get("decoder") or content.get("parts", {}).get("validation", {}).get("decoder")
    return Run(
        path=folder,
        log=log,
        recipe=content.get("recipe", {}),
        version=str(content.get("version", "")),
        made_with=content.get("made_with", {}),
        checkpoint=checkpoint,
        best_iteration=int(content["iteration"]) if checkpoint.name == BEST else None,
        validation=_scores_in(folder / SCORES) or _validation(content),
        test=_scores_in(folder / EVALUATION / SCORES),
        decoder=decoder or None,
    )


def _validation(content: Mapping[str, Any]) -> list[Score]:
    """Scores of a checkpoint under the names of `all_scores`, with their definitions."""
    found = content.get("scores") or {key: content[key] for key in ("val_loss",) if key in content}
    named = {name if name == "val_loss" else name.removeprefix("val_"): value for name, value in found.items()}
    return [score for score in named_scores(named) if not score.name.startswith("chosen_")]


def _scores_in(path: Path) -> list[Score]:
    if not path.is_file():
        return []
    try:
        table = json.loads(path.read_text(encoding="utf-8"))["scores"]
        return [
            Score(row["name"], float("nan") if row["value"] is None else row["value"], row["better"], row["definition"])
            for row in table
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no table of scores ({error}); remove it, or evaluate the run again") from error
