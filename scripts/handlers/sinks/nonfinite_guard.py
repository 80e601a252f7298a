"""Stop a run whose loss is not finite, and name the locations of its crops."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from scripts.handlers.sinks.log_sink import LogSink, StepRecord

SHOWN = 8
"""Crops named in the message; others are counted."""


class NonFiniteGuard(LogSink):
    """Raise where the loss is NaN or infinite, before the next checkpoint is written.

    Args:
        place: `(region, corner) -> str`, the location of a crop; `CropDataset.place`.

    Example::

        MetricLogger(optimizer, samples=24, sinks=[NonFiniteGuard(dataset.place)]).attach(trainer)
    """

    def __init__(self, place: Callable[[int, Sequence[int]], str]) -> None:
        self.place = place

    def on_step(self, record: StepRecord) -> None:
        """Check one iteration.

        Raises:
            FloatingPointError: the loss is not finite; with iteration, learning rate and the crops' locations.
        """
        if math.isfinite(record.loss):
            return
        suspects = broken_crops(record.batch)
        why = "these crops hold values that are not finite" if suspects else "one of these crops, or the learning rate"
        places = [self.place(*crop) for crop in (suspects or _crops(record.batch))]
        more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
        raise FloatingPointError(
            f"the loss of iteration {record.iteration} is {record.loss} at learning rate {record.learning_rate:.3g}; "
            f"{why}: {'; '.join(places[:SHOWN])}{more}. The last checkpoint is from before it: check the crops, "
            "then resume with --resume true, or start again with a lower learning rate or --precision fp32"
        )


def broken_crops(batch: Mapping[str, Any]) -> list[tuple[int, list[int]]]:
    """(region, corner) of the crops whose own voxels are not all finite."""
    image = batch.get("image")
    if image is None:
        return []
    finite = torch.isfinite(image.reshape(len(image), -1)).all(1).tolist()
    return [crop for crop, fine in zip(_crops(batch), finite, strict=True) if not fine]


def _crops(batch: Mapping[str, Any]) -> list[tuple[int, list[int]]]:
    regions = torch.as_tensor(batch["region"]).tolist()
    corners = torch.as_tensor(batch["corner"]).tolist()
    return list(zip(regions, corners, strict=True))
