"""Scores of decoder settings, each setting decoded and scored by a worker."""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.blockwise.cluster import DaskWorkers
from scripts.blockwise.workers import Workers
from scripts.data.files.prediction_mask import read_mask
from scripts.data.files.predictions import open_prediction, read_prediction
from scripts.data.regions.known_labels import UNKNOWN, KnownLabels
from scripts.data.regions.label_pair import first_voxel
from scripts.data.volumes.open import open_volume
from scripts.data.volumes.volume import Volume
from scripts.metrics.decoder_grid import Scores, Setting
from scripts.ops.box import Box
from scripts.ops.decoding.decoders import decoder
from scripts.ops.decoding.masking import decode_inside
from scripts.ops.labels.label_checks import same_shape
from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.scores import all_scores

JOB = "settings.json"


@dataclass(frozen=True)
class DecodeAndScore:
    """Setting -> scores of the decoded box.

    Attributes:
        pred: the prediction, as `open_prediction` takes it.
        gt: instance labels, as `open_volume` takes them.
        decoder: its name.
        box: z0:z1,y0:y1,x0:x1, in voxels of the labels.
        mask: a volume; where it is 0 nothing is decoded or scored.
    """

    pred: str
    gt: str
    decoder: str
    box: str

    mask: str | None = None

    def __call__(self, setting: Setting) -> dict[str, float]:
        """All defined scores by name."""
        prediction, truth, inside = self.read()
        decode = decoder(self.decoder, setting)
        found = decode(prediction) if inside is None else decode_inside(decode, prediction, inside)
        known = truth != UNKNOWN
        table = ContingencyTable.from_arrays(truth[known], found[known])
        return {s.name: float(s.value) for s in all_scores(table) if s.better}

    def read(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
        """The prediction (channels, z, y, x) of the box, its labels, -1 where unknown or masked, and the mask, bool.

        Raises:
            ValueError: labels that are none, shapes that differ, nothing to score.
        """
        with open_volume(self.gt, cache_mib=8) as volume:
            labelled = Box.parse(self.box, volume.shape)
            part = self._in_prediction(volume, labelled)
            truth = KnownLabels(volume)[labelled.slices]
        prediction, _ = read_prediction(self.pred, part)
        same_shape(prediction, truth, ("prediction", "ground truth"))
        inside = None if self.mask is None else read_mask(self.mask, self.pred, part)
        if inside is not None:
            truth = np.where(inside, truth, UNKNOWN)
        if not (truth > 0).any():
            raise ValueError(f"{self.gt} has no labelled object in {self.box} to score; choose another --box")
        return prediction, truth, inside

    def _in_prediction(self, truth: Volume, box: Box) -> Box:
        """The voxels of the prediction that a box of the ground truth is; the same where no position is stated."""
        with open_prediction(self.pred) as opened:
            shape, size = opened.shape[1:], opened.voxel_size_nm
            position = opened.offset if any(opened.offset) else None
        first = first_voxel(truth, self.pred, shape, position, size) or (0, 0, 0)
        low = [a - at for a, at in zip(box.start, first, strict=True)]
        high = [b - at for b, at in zip(box.stop, first, strict=True)]
        if any(first) and (min(low) < 0 or any(b > size for b, size in zip(high, shape, strict=True))):
            raise ValueError(
                f"box {box} of the ground truth reaches out of the prediction {self.pred} of shape {tuple(shape)} "
                f"(z, y, x), which begins at {first} in it; give a box inside"
            )
        return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def scores_on_workers(
    score: DecodeAndScore, workers: Workers, settings: Sequence[Setting]
) -> Iterator[tuple[int, Scores]]:
    """(place in `settings`, scores) of every setting, in the order in which they end.

    Raises:
        BlockError: a setting that cannot be scored.
        ValueError: workers of another version or without the files.
    """
    paths = {"pred": score.pred, "gt": score.gt} | ({} if score.mask is None else {"mask": score.mask})
    files = {name: os.path.abspath(path) for name, path in paths.items()}
    with tempfile.TemporaryDirectory(dir=".", prefix=".settings-") as name:
        folder = Path(name).resolve()
        (folder / JOB).write_text(json.dumps({"score": asdict(score) | files, "settings": list(settings)}))
        if isinstance(workers, DaskWorkers):
            workers.check(folder, list(files.values()))
        yield from workers.run(score_setting, folder, range(len(settings)))


def score_setting(folder: Path, number: int) -> dict[str, float]:
    """Scores of one setting of a job."""
    job = json.loads((folder / JOB).read_text())
    return DecodeAndScore(**job["score"])(job["settings"][number])
