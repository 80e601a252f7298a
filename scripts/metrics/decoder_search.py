"""An ignite metric that decodes each prediction with several settings, and scores the setting that does best."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
import torch
from ignite.metrics import Metric
from numpy.typing import NDArray

from scripts.metrics.decoder_grid import SearchTable, grid
from scripts.metrics.table_score import TableScore
from scripts.ops.decoding.decoders import decoder as made_decoder
from scripts.ops.labels.label_checks import same_shape
from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.scores import DEFINITIONS, Score, all_scores, directed_scores

CUT = "threshold"
"""The setting of which an agglomeration gives all values from one run."""


KEPT_BYTES = 2**30
"""Most memory for the instances of the latest box, one array a setting; beyond it handlers decode again."""


class DecoderSearch(Metric):
    """Decode every prediction with every setting; of all settings the one with the best score of the whole is chosen.

    `update` takes `(pred, gt)` or `(pred, gt, names)`: maps (b, c, z, y, x) as the decoder wants them and integers
    (b, 1, z, y, x), or lists of both without the batch axis. Voxels whose label is -1 are unknown and left out
    altogether. Every box is a volume of its own, unless names state otherwise; see `TableScore`, which also adds up
    over processes. A prediction in which nothing is found has the scores of an empty one, the worst there are.

    A box is decoded once: until the next box, `latest` has the instances of each setting, from which handlers draw
    pictures and write files.

    After `compute`, which gives all `scores` of the best setting by name, `chosen` has that setting and `table` the
    scores of all. With one setting there is nothing to choose: so a finished checkpoint is evaluated.

    Decoding is not cut short: on white noise, the slowest of maps, it was measured at 2.5 million voxels a second or
    more on one core, with fewer segments than one for 1000 voxels.

    Args:
        decoder: name of a decoder, as in `scripts.ops.decoding.decoders`.
        settings: those that every decoding has; what is not named keeps its default.
        decoder_grid: setting -> values to try; every combination is tried. The thresholds of an agglomeration come from
            one run, so they cost next to nothing.
        metric: the score that decides, such as adapted_rand_snemi3d or ap75_accuracy.
        zero: what label 0 means to scores of instances: "background" or "unlabelled".
        definitions: groups of scores to compute, of `scripts.ops.scoring.scores.DEFINITIONS`.
        output_transform: from the engine's output to what `update` takes.
        device: for ignite; maps are decoded on the CPU.

    Raises:
        ValueError: an unknown decoder, setting, score or `zero`; a setting given twice; labels of another shape or no
            integers; boxes without a single labelled voxel.
        NotComputableError: `compute` before anything was seen by any process.

    Example:
        >>> search = DecoderSearch("agglomeration", "adapted_rand_snemi3d", decoder_grid={"threshold": [0.1, 0.3]})
        >>> [setting["threshold"] for setting in search.settings], search.lower_is_better
        ([0.1, 0.3], True)
    """

    required_output_keys = None

    def __init__(
        self,
        decoder: str,
        metric: str,
        decoder_grid: Mapping[str, Sequence[Any]] | None = None,
        settings: Mapping[str, Any] | None = None,
        zero: str = "background",
        definitions: Sequence[str] = DEFINITIONS,
        output_transform: Callable[[Any], Any] | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.decoder, self.metric, self.zero, self.definitions = decoder, metric, zero, tuple(definitions)
        varied = grid(decoder_grid) if decoder_grid else [{}]
        self.settings = [{**_plain(settings or {}), **_plain(setting)} for setting in varied]
        repeated = [setting for i, setting in enumerate(self.settings) if setting in self.settings[:i]]
        if repeated:
            raise ValueError(f"decoder_grid has the setting {repeated[0]} twice; give each value once")
        self._decoders = [made_decoder(decoder, setting) for setting in self.settings]
        there = [s.name for s in self._scores(ContingencyTable.empty()) if s.better]
        if metric not in there:
            raise ValueError(f"unknown score '{metric}'; of these one can decide: {', '.join(there)}")
        self.lower_is_better = directed_scores()[metric]
        self.scores = tuple(score.name for score in self._scores(ContingencyTable.empty()))
        self.chosen: dict[str, Any] | None = None
        self.table: SearchTable | None = None
        self.latest: dict[int, NDArray[Any]] = {}
        super().__init__(
            output_transform=output_transform or maps_and_labels, device=device, metrics_result_mode="flatten"
        )

    @property
    def varied(self) -> dict[str, float]:
        """The chosen numbers among the settings that were tried at several values, by name."""
        chosen = {} if self.chosen is None else self.chosen["settings"]
        tried = {name: {repr(setting.get(name)) for setting in self.settings} for name in chosen}
        return {
            name: float(value)
            for name, value in chosen.items()
            if len(tried[name]) > 1 and isinstance(value, int | float) and not isinstance(value, bool)
        }

    def reset(self) -> None:
        """Forget all boxes; the chosen setting stays until the next."""
        self._tables = [TableScore() for _ in self.settings]

    def update(self, output: Sequence[Any]) -> None:
        """Decode and count one batch."""
        maps, labels, *names = output
        if len(maps) != len(labels):
            raise ValueError(f"{len(maps)} predictions and {len(labels)} ground truths in one batch")
        given: Sequence[Any] = names[0] if names and not isinstance(names[0], str) else [*names] * len(maps)
        for number, (prediction, truth) in enumerate(zip(map(_array, maps), map(_array, labels), strict=True)):
            gt = truth.reshape(truth.shape[-3:])
            same_shape(prediction, gt, ("prediction", "ground truth"))
            known = gt >= 0
            self.latest = {}
            if not known.any():
                continue
            part = ... if known.all() else known  # most boxes are labelled whole, and picking voxels takes time
            counted = gt[part]
            keep = 4 * gt.size * len(self.settings) <= KEPT_BYTES
            for place, instances in self.instances(prediction):
                if keep:
                    self.latest[place] = instances
                share = ([instances[part]], [counted])
                self._tables[place].update((*share, [given[number]]) if given else share)

    def instances(self, prediction: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
        """(place in `settings`, ids (z, y, x)) of maps (c, z, y, x), every setting once, in no certain order."""
        for alike in self._runs():
            first = self._decoders[alike[0]]
            if len(alike) == 1 or not hasattr(first, "at_each"):
                yield from ((place, self._decoders[place](prediction)) for place in alike)
                continue
            at = {float(self.settings[place][CUT]): place for place in alike}
            for threshold, found in first.at_each(prediction, sorted(at)):
                yield at[threshold], found

    def decode(self, prediction: NDArray[Any]) -> NDArray[Any]:
        """Ids (z, y, x) of maps (c, z, y, x) with the chosen setting; with the first setting before one is chosen."""
        settings = self.settings[0] if self.chosen is None else self.chosen["settings"]
        return made_decoder(self.decoder, settings)(prediction)

    def chosen_of(self, latest: Mapping[int, NDArray[Any]], prediction: NDArray[Any]) -> NDArray[Any]:
        """The instances of the chosen setting among those of a box, or decoded where they were not kept.

        Args:
            latest: `latest` after the box was scored.
            prediction: maps (c, z, y, x) of the box.
        """
        settings = self.settings[0] if self.chosen is None else self.chosen["settings"]
        number = self.settings.index(settings) if settings in self.settings else -1
        return latest[number] if number in latest else self.decode(prediction)

    def compute(self) -> dict[str, float]:
        """All scores of the best setting over all boxes of all processes; every process must call it."""
        scores = []
        for tables in self._tables:
            table = tables.table()
            if not table.labelled.voxels:
                raise ValueError(
                    f"none of the {table.voxels} voxels to score has a label above 0: give another validation box"
                )
            scores.append({score.name: _number(score.value) for score in self._scores(table)})
        self.latest = {}
        self.table = SearchTable(tuple(self.settings), tuple(scores), self.metric, self.lower_is_better)
        self.chosen = {"name": self.decoder, "settings": dict(self.settings[self.table.best])}
        return dict(scores[self.table.best])

    def described(self, values: Mapping[str, float]) -> list[Score]:
        """Those of `values` that are scores of this search, with what exactly was computed; counts are whole again."""
        known = [score for score in self._scores(ContingencyTable.empty()) if score.name in values]
        return [
            replace(score, value=int(values[score.name]) if isinstance(score.value, int) else values[score.name])
            for score in known
        ]

    def _scores(self, table: ContingencyTable) -> list[Score]:
        return all_scores(table, definitions=self.definitions, zero=self.zero)

    def _runs(self) -> list[list[int]]:
        """Places of settings that differ in the threshold alone, together; the others each by itself."""

        def others(place: int) -> str:
            return repr(sorted((key, value) for key, value in self.settings[place].items() if key != CUT))

        places = sorted(range(len(self.settings)), key=others)
        return [list(alike) for _, alike in groupby(places, key=others)]


def maps_and_labels(output: Any) -> Any:
    """The "pred" and "label" of a MONAI evaluator's output, decollated or not; anything else as it is."""
    if isinstance(output, Mapping):
        return output["pred"], output["label"]
    if isinstance(output, list) and output and isinstance(output[0], Mapping):
        return [item["pred"] for item in output], [item["label"] for item in output]
    return output


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Without the comments of a config."""
    return {name: value for name, value in settings.items() if not name.startswith("_")}


def _number(value: Any) -> float:
    """Counts stay whole; numpy's numbers would not load from a checkpoint."""
    return value if isinstance(value, int) else float(value)


def _array(values: Any) -> NDArray[Any]:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        return (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    return np.asarray(values)
