"""The grid of an experiment: which runs it has, and the bundle command of each of their steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.checkpoints.run_files import BEST, CHECKPOINTS, EVALUATION, SCORES

MAE, TRUNK = "mae", "residual_unet"
PRETRAIN = "sem_mae_pretrain"
RUNS, PRETRAININGS = "runs", "pretrain"
"""Folders of the runs in the folder of an experiment."""
RESULTS = "results.json"
"""The scores of every run; a table of the same name ends in .md, a plot in .png."""
Settings = Mapping[str, object]


@dataclass(frozen=True)
class Step:
    """One command of a bundle.

    Attributes:
        name: unique in the experiment; also the name of its folder and of its log.
        config: the config file, or several in order.
        settings: knobs by name.
        result: a file that the step leaves; later steps read it.
        trains: whether it can resume from a checkpoint of its own.
        after: names of the steps whose results it reads.
    """

    name: str
    config: tuple[str, ...]
    settings: Settings
    result: Path
    trains: bool = True
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Condition:
    """What is compared: one row of the table, run with every seed.

    Attributes:
        name: of the row.
        fine_tuning: knobs of the fine-tuning that differ from the others.
        pretraining: knobs of the pre-training whose network it starts from; None for training from scratch.
        value: position along the axis of the plot, such as a number of sections; None for a plot by names.
        method: name of the line in the plot.
        overlays: config files of the fine-tuning, after those of all conditions.
        against: name of the condition that it is subtracted from, seed by seed; "" for none.
        axis: what `value` is, below the plot.
    """

    name: str
    fine_tuning: Settings
    pretraining: Settings | None = None
    value: float | None = None
    method: str = ""
    overlays: tuple[str, ...] = ()
    against: str = ""
    axis: str = ""


@dataclass(frozen=True)
class Experiment:
    """Everything that the steps of an experiment have in common.

    Attributes:
        out: folder of the experiment.
        bundle: name of the fine-tuning bundle.
        bundles: folder of the bundles.
        volumes, labels: sources of the images and labels.
        boxes: "train_box", "validation_box" and "test_box".
        seeds: of every condition.
        configs: overlays of fine-tuning, after `train.json` and the overlay of the architecture.
        pretrain_configs: overlays of pre-training, after `train.json`.
        conditions: what is compared.
        pretrainings: number of seeds of pre-training; seed s starts from pre-training s modulo this number. None: one
            of every seed.
        pretrained: architecture of a pre-training -> checkpoint that is there already and takes its place.
    """

    out: Path
    bundle: str
    bundles: Path
    volumes: str
    labels: str
    boxes: Mapping[str, str]
    seeds: Sequence[int]
    configs: Sequence[str] = ()
    pretrain_configs: Sequence[str] = ()
    conditions: Sequence[Condition] = field(default_factory=tuple)
    pretrainings: int | None = None
    pretrained: Mapping[str, str] = field(default_factory=dict)

    def steps(self) -> list[Step]:
        """All steps in the order in which they run: every condition of a seed before the next seed.

        A pre-training is run once, before the first run that needs it.
        """
        steps: dict[str, Step] = {}
        for seed in self.seeds:
            for condition in self.conditions:
                start: Step | str | None = None
                if condition.pretraining is not None:
                    given = self.pretrained.get(str(condition.pretraining.get("architecture", MAE)))
                    start = given or self._pretraining(condition.pretraining, seed % (self.pretrainings or seed + 1))
                if isinstance(start, Step):
                    steps.setdefault(start.name, start)
                for step in self._fine_tuning(condition, seed, start):
                    steps[step.name] = step
        return list(steps.values())

    def scores(self, condition: Condition, seed: int) -> Path:
        """The file of scores of one run on the test box."""
        return self.folder(condition, seed) / EVALUATION / SCORES

    def folder(self, condition: Condition, seed: int) -> Path:
        """The folder of one run."""
        return self.out / RUNS / f"{condition.name}_seed{seed}"

    def _pretraining(self, settings: Settings, seed: int) -> Step:
        words = [str(value) for value in settings.values()] or ["default"]
        name = f"pretrain_{'_'.join(words)}_seed{seed}".replace("/", "_")
        folder = self.out / PRETRAININGS / name
        configs = self.bundles / PRETRAIN / "configs"
        overlay = configs / f"{settings.get('architecture')}.json"
        files = [str(configs / "train.json"), *([str(overlay)] if overlay.is_file() else []), *self.pretrain_configs]
        common = {"volumes": self.volumes, "train_box": self.boxes["train_box"], "seed": seed, "output_dir": folder}
        common["validation_box"] = self.boxes["validation_box"]
        result = folder / CHECKPOINTS / BEST
        return Step(name, tuple(files), {**common, **settings}, result)

    def _fine_tuning(self, condition: Condition, seed: int, start: Step | str | None) -> list[Step]:
        folder = self.folder(condition, seed)
        configs = self.bundles / self.bundle / "configs"
        common: dict[str, object] = {"volumes": self.volumes, "labels": self.labels, "seed": seed, "output_dir": folder}
        common |= {name: self.boxes[name] for name in ("train_box", "validation_box")}
        if start is not None:
            common["pretrained"] = str(start.result) if isinstance(start, Step) else start
        best = folder / CHECKPOINTS / BEST
        overlay = configs / f"{condition.fine_tuning.get('architecture')}.json"
        chosen = [str(configs / "train.json"), *([str(overlay)] if overlay.is_file() else []), *self.configs]
        chosen += condition.overlays
        before = (start.name,) if isinstance(start, Step) else ()
        settings = {**common, **condition.fine_tuning}
        train = Step(folder.name, tuple(chosen), settings, folder / SCORES, after=before)
        evaluated = {"checkpoint": best, "volume": self.volumes, "labels": self.labels, "box": self.boxes["test_box"]}
        evaluated |= {"output_dir": folder / EVALUATION, "overwrite": "true"}
        evaluate = Step(
            f"{folder.name}_evaluation",
            (str(configs / "evaluate.json"),),
            evaluated,
            self.scores(condition, seed),
            trains=False,
            after=(train.name,),
        )
        return [train, evaluate]
