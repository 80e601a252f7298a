"""What the network makes of held-out crops, as pictures while training and as a PNG at its end."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.inferers import Inferer
from monai.networks.utils import eval_mode
from torch.utils.data import Dataset

from scripts.handlers.batches import prepare_masked_batch
from scripts.handlers.figures import draw_reconstruction, mosaic
from scripts.handlers.records import Recorder
from scripts.handlers.tensorboard import TensorBoard
from scripts.networks.paste import in_grey, paste_hidden, voxel_mask

HIDDEN_GREY = 0.5
"""Shade of a hidden token in a picture, between black 0 and white 1."""


class Pictures:
    """Reconstruct the first validation crops every so often, and on demand.

    Args:
        dataset: of validation crops, each with "image" (1, z, y, x) scaled to [-1, 1] and "mask".
        network: the plain network.
        inferer: how it is called.
        device: where.
        tensorboard: shown there; null to draw on demand only.
        interval: iterations between two pictures.
        crops: how many crops; one section of each is a row of the picture.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        network: torch.nn.Module,
        inferer: Inferer,
        device: str | torch.device = "cpu",
        tensorboard: TensorBoard | None = None,
        interval: int = 1000,
        crops: int = 4,
        recorder: Recorder | None = None,
    ) -> None:
        self.dataset, self.network, self.inferer, self.device = dataset, network, inferer, device
        self.tensorboard, self.interval, self.crops, self.recorder = tensorboard, interval, crops, recorder

    def attach(self, engine: Engine) -> None:
        """Show pictures every `interval` iterations."""
        if self.tensorboard is not None:
            engine.add_event_handler(Events.ITERATION_COMPLETED(every=self.interval), self._show)

    def panels(self) -> list[np.ndarray]:
        """Original, masked, reconstruction and pasted: four (crops, y, x) stacks in [0, 1]."""
        return reconstruction_panels(
            [self.dataset[number] for number in range(self.crops)], self.network, self.inferer, self.device
        )

    def draw(self, path: str | os.PathLike[str], title: str = "") -> Path:
        """Write them as a PNG."""
        return draw_reconstruction(self.panels(), path, title)

    def _show(self, engine: Engine) -> None:
        assert self.tensorboard is not None
        picture = torch.from_numpy(mosaic(self.panels()))
        self.tensorboard.image(
            "validation/original, masked, reconstruction, pasted", picture, int(engine.state.iteration)
        )
        if self.recorder is not None:
            self.recorder.restart_clock()


def reconstruction_panels(
    items: Sequence[dict[str, Any]], network: torch.nn.Module, inferer: Inferer, device: str | torch.device
) -> list[np.ndarray]:
    """One section of each item: the one with the most hidden tokens, of several the first."""
    batch = {key: torch.stack([torch.as_tensor(item[key]) for item in items]) for key in ("image", "mask")}
    image, (_, mask), (kept,), _ = prepare_masked_batch(batch, device)
    with torch.no_grad(), eval_mode(network):
        prediction = inferer(image, network, kept)
    patch = tuple(image.shape[2 + axis] // mask.shape[1 + axis] for axis in range(3))
    hidden = voxel_mask(mask, (patch[0], patch[1], patch[2]))
    pasted = paste_hidden(image, prediction, mask, (patch[0], patch[1], patch[2]))
    grey = in_grey(prediction, image, (patch[0], patch[1], patch[2]))
    sections = hidden.flatten(3).sum(3)[:, 0].argmax(1)
    shade = torch.full_like(image, 2 * HIDDEN_GREY - 1)
    chosen = [_sections(volume, sections) for volume in (image, torch.where(hidden, shade, image), grey, pasted)]
    return [np.clip((stack + 1) / 2, 0, 1) for stack in chosen]


def _sections(volume: torch.Tensor, sections: torch.Tensor) -> np.ndarray:
    rows = torch.arange(len(volume), device=volume.device)
    stack: np.ndarray = volume[rows, 0, sections].float().cpu().numpy()
    return stack
