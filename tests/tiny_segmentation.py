"""A complete fine-tuning in small: cells with dark borders, a network of two convolutions, real engines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.inferers import SimpleInferer
from torch.utils.data import DataLoader, Dataset, Subset

from scripts.checkpoints import BestCheckpoint, RunFolder
from scripts.data import CropDataset, GlobalBatchSampler, LoaderBatches
from scripts.data.regions.region import Region
from scripts.data.volumes.volume import ArrayVolume
from scripts.engines import TrainingStep, prepare_box_batch, prepare_target_batch
from scripts.handlers import CheckpointSaver, MetricLogger, Validation, ValidationLoss
from scripts.handlers.sinks import JsonlLog, LogSink, Progress
from scripts.losses import WeightedSum
from scripts.losses.soft_dice import SoftDice
from scripts.losses.weighted_bce import WeightedBCE
from scripts.losses.weighted_sum import LossTerm
from scripts.metrics import DecoderSearch
from scripts.networks import ActivatedNetwork
from scripts.ops.box import Box
from scripts.ops.targets.affinities import label_affinities

KEY = "adapted_rand_snemi3d"
SHAPE = (4, 32, 32)


def cells(shape: Sequence[int] = SHAPE, side: int = 8) -> np.ndarray:
    """(z, y, x) square cells with a gap of background."""
    _, y, x = np.indices(tuple(shape))
    label = 1 + y // side * (shape[2] // side) + x // side
    label[(y % side == 0) | (x % side == 0)] = 0
    return label.astype(np.int32)


def grey(label: np.ndarray, seed: int) -> np.ndarray:
    """Dark borders and bright insides, with noise, in [-1, 1]."""
    noise = np.random.default_rng(seed).normal(0, 0.2, label.shape)
    return np.clip(np.where(label > 0, 0.5, -0.5) + noise, -1, 1).astype(np.float32)


def targets(item: dict[str, Any]) -> dict[str, Any]:
    """What `MakeTargetsd` leaves of an item, here in three lines."""
    label = item.pop("label")[0]
    item["target"] = label_affinities(label).astype(np.float32)
    item["known"] = np.ones(item["target"].shape, bool)
    return item


class Boxes(Dataset[dict[str, Any]]):
    """Whole boxes, one item a region, as `BoxDataset` gives them."""

    def __init__(self, regions: Sequence[Region]) -> None:
        self.regions = list(regions)

    def __len__(self) -> int:
        return len(self.regions)

    def __getitem__(self, index: int) -> dict[str, Any]:
        region = self.regions[index]
        part = region.box.slices
        return {"image": region.image[part][None], "label": region.label[part][None], "name": region.title}


class Heard(LogSink):
    """Everything that was logged."""

    def __init__(self) -> None:
        self.records: list[Any] = []
        self.scores: list[tuple[int, dict[str, float]]] = []

    def on_step(self, record: Any) -> None:
        self.records.append(record)

    def on_scores(self, iteration: int, scores: Any) -> None:
        self.scores.append((iteration, dict(scores)))


def regions(count: int = 1, first: int = 0) -> list[Region]:
    """Boxes of `SHAPE`, each its own volume."""
    label = cells()
    return [
        Region(ArrayVolume(grey(label, seed)), Box((0, 0, 0), SHAPE), ArrayVolume(label), name=f"box {seed}")
        for seed in range(first, first + count)
    ]


class Run:
    """A fine-tuning run in a folder; every part is an attribute.

    Args:
        folder: of the run.
        iterations, interval: of training; between validations.
        boxes: held-out boxes, shared between the processes.
        resume, rank, world, accumulation: as in a bundle.
        untrained: validate before the first iteration.
        loss: log the loss of held-out crops too.
    """

    def __init__(
        self,
        folder: Path,
        iterations: int = 6,
        interval: int = 3,
        boxes: int = 1,
        resume: bool = False,
        rank: int = 0,
        world: int = 1,
        accumulation: int = 1,
        untrained: bool = True,
        loss: bool = True,
    ) -> None:
        torch.manual_seed(0)
        self.folder = RunFolder(folder, resume)
        self.network = torch.nn.Sequential(
            torch.nn.Conv3d(1, 8, (1, 3, 3), padding=(0, 1, 1)), torch.nn.ReLU(), torch.nn.Conv3d(8, 3, 3, padding=1)
        )
        self.loss = WeightedSum([LossTerm("bce", WeightedBCE()), LossTerm("dice", SoftDice(), 0.5)])
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=0.03)
        self.recipe = {
            "task": "affinity",
            "network": "tiny",
            "activations": ["sigmoid"] * 3,
            "iterations": iterations,
            "batch": 4,
        }
        self.heard, self.log = Heard(), JsonlLog(self.folder.log) if rank == 0 else None
        sinks = [self.heard, self.log, Progress() if rank == 0 else None]
        self.metric_logger = MetricLogger(self.optimizer, 4, sinks)
        self.decoder_search = DecoderSearch(
            "agglomeration",
            KEY,
            decoder_grid={"threshold": [0.2, 0.5, 0.8]},
            settings={"dust": 0, "size": 10, "low": 0.3},
        )
        held_out = Boxes(regions(boxes, first=100))
        self.evaluator = SupervisedEvaluator(
            device=torch.device("cpu"),
            val_data_loader=DataLoader(Subset(held_out, range(rank, len(held_out), world))),
            network=ActivatedNetwork(self.network, ["sigmoid"] * 3),
            inferer=SimpleInferer(),
            prepare_batch=prepare_box_batch,
            key_val_metric={KEY: self.decoder_search},
            decollate=False,
        )
        self.loss_evaluator = SupervisedEvaluator(
            device=torch.device("cpu"),
            val_data_loader=self._crops(regions(1, first=100), 2, rank, world, 0, seed=2023),
            network=self.network,
            inferer=SimpleInferer(),
            prepare_batch=prepare_target_batch,
            key_val_metric={"val_loss": ValidationLoss(self.loss)},
            decollate=False,
        )
        self.validation = Validation(
            self.evaluator,
            interval,
            self.metric_logger,
            BestCheckpoint(self.folder, self.network, self.recipe, rank),
            decoder_search=self.decoder_search,
            loss_validator=self.loss_evaluator if loss else None,
            untrained=untrained,
        )
        parts = {"optimizer": self.optimizer, "metric_logger": self.metric_logger, "validation": self.validation}
        self.checkpoints = CheckpointSaver(
            self.folder, self.network, parts, self.metric_logger, self.recipe, save_interval=interval, rank=rank
        )
        in_training: torch.nn.Module = self.network
        if world > 1:
            in_training = torch.nn.parallel.DistributedDataParallel(self.network)
        self.trainer = SupervisedTrainer(
            device=torch.device("cpu"),
            max_epochs=1,
            epoch_length=iterations,
            train_data_loader=self._crops(regions(2), iterations, rank, world, self.folder.start, seed=0),
            network=in_training,
            optimizer=self.optimizer,
            loss_function=self.loss,
            inferer=SimpleInferer(),
            prepare_batch=prepare_target_batch,
            iteration_update=TrainingStep(accumulation),
            decollate=False,
            train_handlers=[self.metric_logger, self.validation],
        )

    def _crops(
        self, of: Sequence[Region], iterations: int, rank: int, world: int, start: int, seed: int
    ) -> LoaderBatches:
        dataset = CropDataset(of, (2, 16, 16), seed, transform=targets)
        return LoaderBatches(dataset, GlobalBatchSampler(4, iterations, rank, world, start=min(start, iterations)))

    def train(self) -> None:
        """To the end; what saves comes last, as in a bundle."""
        self.checkpoints.attach(self.trainer)
        self.trainer.run()
        self.metric_logger.flush()
        self.metric_logger.close()
