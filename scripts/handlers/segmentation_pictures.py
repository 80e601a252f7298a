"""Draw the segmentation of the first held-out box: pictures during training, a PNG at the end."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from numpy.typing import NDArray

from scripts.handlers.metric_logger import MetricLogger
from scripts.handlers.sinks.tensorboard import TensorBoard
from scripts.metrics.decoder_search import DecoderSearch
from scripts.ops.scoring.contingency import ContingencyTable
from scripts.transforms.make_targets import MakeTargetsd
from scripts.visualize.section_grid import draw_sections, mosaic
from scripts.visualize.segmentation_panels import (
    ERRORS,
    Colours,
    alike,
    id_colours,
    map_colours,
    marked_errors,
    mistakes,
)

FIELD = 256
"""Voxels along y and x that are shown at most, around the middle of what is labelled."""
SECTIONS = 3
"""Rows of a picture."""


class BoxPicture:
    """Keep image, maps and chosen instances of an evaluator's first box as coloured panels.

    A handler for the evaluator that `decoder_search` is a metric of. Panels are section, labels, target (where a maker
    of targets is given), prediction, instances and errors: rows of (y, x), columns of the picture. Maps are shown as
    red, green and blue; an instance has the colour of the object it covers best; see
    `scripts.visualize.segmentation_panels`
    for the marks.

    Args:
        decoder_search: decodes; the same that scores.
        activations: "sigmoid" or "tanh" for each channel.
        targets: makes the target from labels; null leaves it out.
        path: of a PNG written after each run of the evaluator; null for none.
        rank: only process 0 draws.

    Example::

        BoxPicture(decoder_search, ["sigmoid"] * 3, path="segmentation.png").attach(evaluator)
    """

    def __init__(
        self,
        decoder_search: DecoderSearch,
        activations: Sequence[str],
        targets: MakeTargetsd | None = None,
        path: str | os.PathLike[str] | None = None,
        rank: int = 0,
    ) -> None:
        self.decoder_search, self.targets, self.path, self.rank = decoder_search, targets, path, rank
        self.signed = [name == "tanh" for name in activations]
        self.panels: dict[str, Colours] = {}
        self.sections: list[int] = []
        self.runs = 0
        self._first: tuple[NDArray[Any], ...] = ()
        self._instances: dict[int, NDArray[Any]] = {}

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator that `decoder_search` is a metric of."""
        if self.rank == 0:
            engine.add_event_handler(Events.ITERATION_COMPLETED(once=1), self._keep)
            engine.add_event_handler(Events.COMPLETED, self._paint)

    def draw(self, path: str | os.PathLike[str], title: str = "") -> Path | None:
        """Write the panels of the last run as a PNG; nothing where there was no run."""
        return draw_sections(self.panels, path, title, self.sections, ERRORS) if self.panels else None

    def _keep(self, engine: Engine) -> None:
        """Keep the first box, and its instances of every setting, until a setting is chosen."""
        self._instances = dict(self.decoder_search.latest)
        output: Any = engine.state.output
        first = output[0] if isinstance(output, list) else {key: output[key][0] for key in ("image", "label", "pred")}
        self._first = tuple(_array(first[key]) for key in ("image", "label", "pred"))

    def _paint(self, engine: Engine) -> None:
        (image, label, maps), self._first = self._first, ()
        instances, self._instances = self.decoder_search.chosen_of(self._instances, maps), {}
        self.panels, self.sections = self._panels(image[0], label[0], maps, instances)
        self.runs += 1
        if self.path is not None:
            self.draw(self.path)

    def _panels(
        self, image: NDArray[Any], label: NDArray[Any], maps: NDArray[Any], instances: NDArray[Any]
    ) -> tuple[dict[str, Colours], list[int]]:
        """The panels and their sections, of a box: image, label, instances (z, y, x), maps (channels, z, y, x)."""
        known = label >= 0
        counted = ContingencyTable.from_arrays(label[known], instances[known])
        rows, field = shown_part(known)
        at = (rows, *field)
        names = np.where(known, instances, 0)[at]
        grey = np.clip((image[at] + 1) / 2, 0, 1).astype(np.float32)
        panels = {"section": np.repeat(grey[..., None], 3, axis=-1), "labels": id_colours(label[at])}
        if self.targets is not None:
            panels["target"] = map_colours(target_maps(self.targets, label, rows, field), self.signed)
        panels["prediction"] = map_colours(maps[(slice(None), *at)].astype(np.float32), self.signed)
        panels["instances"] = id_colours(alike(names, counted))
        panels["errors"] = marked_errors(grey, label[at], names, mistakes(counted))
        return panels, rows.tolist()


class SegmentationPictures:
    """Show the panels of the validations in TensorBoard.

    Args:
        picture: a handler of the evaluator that validates.
        tensorboard: shown there; null for nothing.
        interval: iterations between two pictures at least; they come with a validation.
        metric_logger: whose clock leaves the drawing out; null for none.

    Example::

        SegmentationPictures(BoxPicture(decoder_search, ["sigmoid"] * 3), tensorboard, interval=5000).attach(trainer)
    """

    def __init__(
        self,
        picture: BoxPicture,
        tensorboard: TensorBoard | None = None,
        interval: int = 1000,
        metric_logger: MetricLogger | None = None,
    ) -> None:
        self.picture, self.tensorboard, self.interval, self.metric_logger = (
            picture,
            tensorboard,
            interval,
            metric_logger,
        )
        self._runs, self._at = 0, -interval

    def attach(self, engine: Engine) -> None:
        """Attach to a training engine, after the validation."""
        if self.tensorboard is not None:
            engine.add_event_handler(Events.STARTED, self._show)
            engine.add_event_handler(Events.ITERATION_COMPLETED, self._show)

    def _show(self, engine: Engine) -> None:
        iteration = int(engine.state.iteration)
        if self.tensorboard is None or self.picture.runs == self._runs or iteration - self._at < self.interval:
            return
        self._runs, self._at = self.picture.runs, iteration
        picture = torch.from_numpy(mosaic(list(self.picture.panels.values()), gap=3))
        self.tensorboard.image(f"validation/{', '.join(self.picture.panels)}", picture, iteration)
        if self.metric_logger is not None:
            self.metric_logger.restart_clock()


def shown_part(known: NDArray[np.bool_]) -> tuple[NDArray[np.intp], tuple[slice, slice]]:
    """Choose sections spread over the labelled ones, and the (y, x) field around the middle of what is labelled."""
    spans = [np.flatnonzero(known.any(axis=tuple(other for other in range(3) if other != axis))) for axis in range(3)]
    count = min(SECTIONS, spans[0].size)
    rows = spans[0][((np.arange(count) + 0.5) * spans[0].size / count).astype(int)]
    field = []
    for size, span in zip(known.shape[1:], spans[1:], strict=True):
        start = (span[0] + span[-1] + 1 - min(FIELD, size)) // 2
        start = int(np.clip(start, 0, size - min(FIELD, size)))
        field.append(slice(start, start + min(FIELD, size)))
    return rows, (field[0], field[1])


def target_maps(
    make: MakeTargetsd, label: NDArray[Any], rows: NDArray[np.intp], field: tuple[slice, slice]
) -> NDArray[np.float32]:
    """Make the targets (channels, rows, y, x) of some sections of a box, with the margin that decides them."""
    spans = [(int(rows[0]), int(rows[-1]) + 1), *((part.start, part.stop) for part in field)]
    read, inside = [], []
    for (low, high), size, margin in zip(spans, label.shape, make.margin, strict=True):
        start, stop = max(0, low - margin), min(size, high + margin)
        read.append(slice(start, stop))
        inside.append(slice(low - start, high - start))
    eroded = make.erode(label[tuple(read)])
    maps = torch.cat([target(eroded) for target in make.targets]).numpy()[(slice(None), *inside)]
    picked: NDArray[np.float32] = maps[:, rows - rows[0]]
    return picked


def _array(values: Any) -> NDArray[Any]:
    return values.detach().float().cpu().numpy() if values.is_floating_point() else values.cpu().numpy()
