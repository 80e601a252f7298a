"""Scores without any training on the same hidden tokens, to compare a validation loss with."""

from collections.abc import Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch.utils.data import Dataset

from scripts.handlers.metric_logger import MetricLogger
from scripts.networks.reconstruction_to_grey import voxel_mask
from scripts.networks.tokens import normalise_tokens, to_tokens, token_means
from scripts.ops.interpolation import interpolate_hidden

TOKEN_MEAN, INTERPOLATION, INTERPOLATION_FITTED = "token_mean", "interpolation", "interpolation_fitted"


class Baselines:
    """Before the first iteration, log three scores on the first validation crops.

    All are mean squared errors of the hidden tokens in the units of the loss:
    `token_mean`, predicting each token's own mean: 1 but for flat tokens (whose variance is 0);
    `interpolation`, grey values interpolated linearly from the visible voxels, in units of the true token's mean and
    deviation; `interpolation_fitted`, the same after each interpolated token is itself brought to zero mean and unit
    variance, and all of them are multiplied by the one factor that fits best: the error without that of brightness and
    contrast.

    Args:
        dataset: of validation crops, each with "image" (1, z, y, x) and "mask".
        patch: voxels of a token.
        crops: number of crops; interpolation takes up to a second each.
        metric_logger: receives the scores.

    Example::

        Baselines(held_out, patch=(1, 16, 16), crops=32, metric_logger=metric_logger).attach(trainer)
    """

    def __init__(self, dataset: Dataset[Any], patch: Sequence[int], crops: int, metric_logger: MetricLogger) -> None:
        self.dataset, self.patch, self.crops, self.metric_logger = (
            dataset,
            (patch[0], patch[1], patch[2]),
            crops,
            metric_logger,
        )

    def attach(self, engine: Engine) -> None:
        """Measure when training starts at iteration 0."""
        engine.add_event_handler(Events.STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Compute the scores and log them."""
        if engine.state.iteration > 0 or self.crops < 1:
            return
        items = [self.dataset[number] for number in range(self.crops)]
        images = torch.stack([torch.as_tensor(item["image"]) for item in items])
        masks = torch.stack([torch.as_tensor(item["mask"]) for item in items])
        unmasked = [torch.as_tensor(item["unmasked"]) for item in items if "unmasked" in item]
        scores = baseline_scores(images, masks, self.patch, torch.stack(unmasked) if unmasked else None)
        self.metric_logger.log(0, {"baseline_crops": self.crops, **scores})


def baseline_scores(
    images: torch.Tensor, masks: torch.Tensor, patch: tuple[int, int, int], unmasked: torch.Tensor | None = None
) -> dict[str, float]:
    """Return the three scores by name.

    Args:
        images: (B, 1, Z, Y, X).
        masks: bool (B, gz, gy, gx), True = hidden.
        patch: voxels of a token along (z, y, x).
        unmasked: bool like the images, True in the voxels that count; None for all.
    """
    counting = torch.ones_like(images, dtype=torch.bool) if unmasked is None else unmasked
    counted = to_tokens(counting, patch)
    hidden = masks.flatten(1) & counted.any(2)
    voxels = voxel_mask(masks, patch)
    filled = torch.stack(
        [
            torch.from_numpy(interpolate_hidden(image[0].numpy(), mask[0].numpy()))[None]
            for image, mask in zip(images.float(), voxels, strict=True)
        ]
    )
    shown = None if unmasked is None else counted
    truth, mean, deviation = normalise_tokens(to_tokens(images, patch), shown)
    guess = to_tokens(filled, patch)
    in_true_units = (guess - mean) / deviation
    in_own_units = normalise_tokens(guess, shown)[0]

    def mean_over_tokens(values: torch.Tensor) -> float:
        return float(token_means(values, counted)[hidden].mean())

    norm = mean_over_tokens(in_own_units.square())
    factor = mean_over_tokens(in_own_units * truth) / norm if norm > 0 else 0.0
    return {
        TOKEN_MEAN: mean_over_tokens(truth.square()),
        INTERPOLATION: mean_over_tokens((in_true_units - truth).square()),
        INTERPOLATION_FITTED: mean_over_tokens((factor * in_own_units - truth).square()),
    }
