"""Scores of decoder settings, each setting decoded and scored by a worker."""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.blockwise.cluster import DaskWorkers
from scripts.blockwise.workers import Workers
from scripts.data.files.predictions import read_prediction
from scripts.data.volumes.open import open_volume
from scripts.metrics.decoder_grid import Scores, Setting
from scripts.ops.decoding.decoders import decoder
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
        box: z0:z1,y0:y1,x0:x1.
    """

    pred: str
    gt: str
    decoder: str
    box: str

    def __call__(self, setting: Setting) -> dict[str, float]:
        """All defined scores by name."""
        prediction, part = read_prediction(self.pred, self.box)
        with open_volume(self.gt, cache_mib=8) as volume:
            truth = volume[part.slices]
        same_shape(prediction, truth, ("prediction", "ground truth"))
        found = decoder(self.decoder, setting)(prediction)
        return {s.name: float(s.value) for s in all_scores(ContingencyTable.from_arrays(truth, found)) if s.better}


def scores_on_workers(
    score: DecodeAndScore, workers: Workers, settings: Sequence[Setting]
) -> Iterator[tuple[int, Scores]]:
    """(place in `settings`, scores) of every setting, in the order in which they end.

    Raises:
        BlockError: a setting that cannot be scored.
        ValueError: workers of another version or without the files.
    """
    files = {name: os.path.abspath(path) for name, path in (("pred", score.pred), ("gt", score.gt))}
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
