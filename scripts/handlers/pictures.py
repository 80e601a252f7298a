"""Reconstruct a part of the validation box: pictures during training, a PNG at its end."""

import os
from pathlib import Path

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.inferers import Inferer
from monai.networks.utils import eval_mode

from scripts.engines.prepare_batch import prepare_masked_batch
from scripts.handlers.metric_logger import MetricLogger
from scripts.handlers.sinks.tensorboard import TensorBoard
from scripts.inferers.reconstruction_windows import BoxWindows
from scripts.networks.reconstruction_to_grey import in_grey, paste_hidden, voxel_mask
from scripts.visualize.section_grid import RECONSTRUCTION, draw_sections, mosaic

HIDDEN_GREY = 0.5
"""Shade of a hidden token in a picture, between black 0 and white 1."""
SECTIONS = 4
"""Rows of a picture, each a section."""


class Pictures:
    """Reconstruct a fixed part of the validation box every `interval` iterations, and on demand.

    Args:
        windows: the part, in crops; see `picture_region`. Images scaled to [-1, 1], with masks.
        network: the plain network.
        inferer: how it is called.
        device: of the network.
        tensorboard: receives the pictures; null to draw on demand only.
        interval: iterations between two pictures.
        metric_logger: its clock excludes the drawing; null for none.
    """

    def __init__(
        self,
        windows: BoxWindows,
        network: torch.nn.Module,
        inferer: Inferer,
        device: str | torch.device = "cpu",
        tensorboard: TensorBoard | None = None,
        interval: int = 1000,
        metric_logger: MetricLogger | None = None,
    ) -> None:
        self.windows, self.network, self.inferer, self.device = windows, network, inferer, device
        self.tensorboard, self.interval, self.metric_logger = tensorboard, interval, metric_logger

    def attach(self, engine: Engine) -> None:
        """Show pictures every `interval` iterations."""
        if self.tensorboard is not None:
            engine.add_event_handler(Events.ITERATION_COMPLETED(every=self.interval), self._show)

    def panels(self) -> list[np.ndarray]:
        """Return original, masked, reconstruction and pasted: four (sections, y, x) stacks in [0, 1]."""
        stacks = [np.zeros(self.windows.box.shape, np.float32) for _ in range(4)]
        for number in range(len(self.windows)):
            item = self.windows[number]
            corner, inside = item["corner"].tolist(), item["inside"].tolist()
            location = tuple(slice(a, a + n) for a, n in zip(corner, inside, strict=True))
            part = tuple(slice(0, n) for n in inside)
            for stack, volume in zip(stacks, self._reconstructed(item["image"], item["mask"]), strict=True):
                stack[location] = volume[part]
        rows = [z - self.windows.box.start[0] for z in self.sections]
        return [np.clip((stack[rows] + 1) / 2, 0, 1) for stack in stacks]

    @property
    def sections(self) -> list[int]:
        """Numbers in the volume of the sections that are shown, evenly spread over the box."""
        first, depth = self.windows.box.start[0], self.windows.box.shape[0]
        rows = np.linspace(0, depth - 1, min(SECTIONS, depth)).round().astype(int)
        return [first + int(z) for z in rows]

    def draw(self, path: str | os.PathLike[str], title: str = "") -> Path:
        """Write the panels as a PNG."""
        panels = dict(zip(RECONSTRUCTION, self.panels(), strict=True))
        return draw_sections(panels, path, title, self.sections, side=2.2)

    def _reconstructed(self, image: torch.Tensor, mask: torch.Tensor) -> list[np.ndarray]:
        """Return the four (z, y, x) volumes of one crop, in [-1, 1]."""
        batch = {"image": torch.as_tensor(image)[None], "mask": torch.as_tensor(mask)[None]}
        crop, (_, mask), (kept,), _ = prepare_masked_batch(batch, self.device)
        with torch.no_grad(), eval_mode(self.network):
            prediction = self.inferer(crop, self.network, kept)
        steps = [crop.shape[2 + axis] // mask.shape[1 + axis] for axis in range(3)]
        patch = (steps[0], steps[1], steps[2])
        masked = torch.where(voxel_mask(mask, patch), torch.full_like(crop, 2 * HIDDEN_GREY - 1), crop)
        volumes = (crop, masked, in_grey(prediction, crop, patch), paste_hidden(crop, prediction, mask, patch))
        return [volume[0, 0].float().cpu().numpy() for volume in volumes]

    def _show(self, engine: Engine) -> None:
        if self.tensorboard is not None:
            picture = torch.from_numpy(mosaic(self.panels()))
            name = f"validation/{', '.join(RECONSTRUCTION)}"
            self.tensorboard.image(name, picture, int(engine.state.iteration))
        if self.metric_logger is not None:
            self.metric_logger.restart_clock()
