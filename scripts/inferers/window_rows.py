"""Iterate over a box of a volume in rows of windows: read each row, predict it, return the planes it completes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.inferers import Inferer
from torch.utils.data import Dataset

from scripts.data.regions.region import Region
from scripts.inferers.blank_sections import SectionStatistics
from scripts.inferers.blender import Blender
from scripts.inferers.box_mask import BoxMask, with_zeros
from scripts.inferers.volume_inferer import VolumeInferer
from scripts.inferers.window_votes import Network
from scripts.ops.box import Box
from scripts.ops.windows import WindowRow, mirrored

GIB = 2**30


class VolumeSteps(Dataset[dict[str, Any]]):
    """Read the voxels of each row of windows when it is requested.

    An item has "image" (1, z, y, x), a row of windows along x, mirrored beyond the border, and "index",
    the number of the row. Where the region has a mask, also "unmasked" (z, y, x) bool of the same voxels, False beyond
    the box, and "kept" (channels or 1, z, y, x) bool of the values that the row completes, if any. Use one process,
    as it also collects statistics of sections.

    Args:
        region: the volume, and the box to predict.
        inferer: places the windows.
        transform: of each item; it gives float32.
        context: `volume`: windows beyond the box contain the volume around it, and its mirror image beyond the
            volume's ends. `box`: they contain the mirror image of the box, as if there were nothing else.
        part: the voxels of the region's box to predict, counted from the volume's first voxel; all by default.

    Raises:
        ValueError: another context, or a part that reaches out of the box.
    """

    def __init__(
        self,
        region: Region,
        inferer: VolumeInferer,
        transform: Callable[[Any], Any] | None = None,
        context: str = "volume",
        part: Box | None = None,
    ) -> None:
        if context not in ("volume", "box"):
            raise ValueError(f"context '{context}' is neither 'volume' nor 'box'")
        self.region, self.inferer, self.transform, self.context = region, inferer, transform, context
        self.part = region.box if part is None else part
        if not region.box.contains(self.part):
            raise ValueError(f"part {self.part} reaches out of the box {region.box}")
        self.domain = Box.whole(region.image.shape) if context == "volume" else region.box
        self.grid = inferer.grid(self.domain.shape, self.part.within(self.domain))
        self.mask: BoxMask | None = None
        if region.mask is not None:
            self.mask = BoxMask(region.mask, region.box, self.grid, self.part, inferer.convention)
        self.first = 0
        self.statistics = SectionStatistics(self.part.start[0], self.part.shape[0])

    def of_part(self, part: Box) -> "VolumeSteps":
        """Return the rows of the windows that touch a part of the region's box."""
        return VolumeSteps(self.region, self.inferer, self.transform, self.context, part)

    def begin_at(self, section: int) -> None:
        """Skip the rows whose windows end before this section of the box."""
        self.first = self.grid.first_step_for(min(section, self.grid.shape[0] - 1))

    def __len__(self) -> int:
        return len(self.grid.steps) - self.first

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self):
            raise IndexError(f"step {index} of {len(self)}")
        step = self.grid.steps[self.first + index]
        spans = ((step.z, step.z + self.grid.window[0]), step.lines, self.grid.columns)
        masks = self._masks(step)
        if "unmasked" in masks and not masks["unmasked"].any():
            grey = np.zeros([high - low for low, high in spans], self.region.image.dtype)  # no window is computed
            item: dict[str, Any] = {"image": grey[None], "index": step.index, **masks}
            return item if self.transform is None else dict(self.transform(item))
        grey = self._read(spans)
        (z0, z1), (y0, y1) = self.grid.in_box(step.ended_z, 0), self.grid.in_box(step.ended_y, 1)
        if z0 < z1 and y0 < y1:
            firsts = (z0, y0, 0), self.grid.before, (low for low, _ in spans)
            z, y, x = (inside + before - low for inside, before, low in zip(*firsts, strict=True))
            self.statistics.add(z0, grey[z : z + z1 - z0, y : y + y1 - y0, x : x + self.grid.shape[2]])
        item = {"image": grey[None], "index": step.index, **masks}
        return item if self.transform is None else dict(self.transform(item))

    def _masks(self, step: WindowRow) -> dict[str, np.ndarray]:
        """What an item has of the region's mask."""
        if self.mask is None:
            return {}
        kept = self.mask.kept(step)
        return {"unmasked": self.mask.row(step)} | ({} if kept is None else {"kept": kept})

    def _read(self, spans: tuple[tuple[int, int], ...]) -> np.ndarray:
        """The voxels of a box of the padded volume."""
        cut, places = [], []
        for axis, (low, high) in enumerate(spans):
            before, lowest = self.grid.paddings[axis][0], self.domain.start[axis]
            indices = mirrored(low - before, high - before, self.domain.shape[axis])
            first, stop = int(indices.min()), int(indices.max()) + 1
            cut.append(slice(lowest + first, lowest + stop))
            places.append(indices - first)
        grey = self.region.image[tuple(cut)]
        for axis, indices in enumerate(places):
            if len(indices) != grey.shape[axis] or indices[0] != 0 or (np.diff(indices) != 1).any():
                grey = grey.take(indices, axis)
        return grey


class StepInferer(Inferer):
    """Predict the rows of a volume in order: `VolumeInferer` with sums kept from one call to the next.

    Args:
        inferer: how windows are computed and blended.
        steps: the rows of the volume.
        scratch: a folder for the sums where they exceed `blend_memory_gib`; None keeps them in memory always.
        blend_memory_gib: most memory, or memory of the GPU, for the sums of the planes that a window spans.

    Example::

        inferer = VolumeInferer(window=(6, 96, 96))
        steps = VolumeSteps(region, inferer)
        SupervisedEvaluator(..., inferer=StepInferer(inferer, steps), prepare_batch=prepare_step)
    """

    def __init__(
        self,
        inferer: VolumeInferer,
        steps: VolumeSteps,
        scratch: str | Path | None = None,
        blend_memory_gib: float = 4.0,
    ) -> None:
        super().__init__()
        self.inferer, self.steps = inferer, steps
        self.scratch, self.limit = None if scratch is None else Path(scratch), blend_memory_gib * GIB
        self._blender: Blender | None = None

    def __call__(
        self,
        inputs: torch.Tensor,
        network: Network,
        *args: Any,
        index: int = 0,
        unmasked: np.ndarray | None = None,
        kept: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> torch.Tensor:
        """Return the maps that row `index` completes: (1, C, z, y, x) float32, or an empty tensor.

        Args:
            inputs: (1, 1, z, y, x), the row's image.
            network: windows to maps.
            args: passed to the network.
            index: of the row.
            unmasked: (z, y, x) bool of the row's voxels; windows without one that counts are not computed.
            kept: (C or 1, z, y, x) bool of the values that the row completes; the others are set to 0.
            kwargs: passed to the network.
        """
        grid = self.steps.grid
        if self._blender is None or index == self.steps.first:
            totals = self.inferer.totals(grid)
            self._blender = Blender(grid, totals, inputs.device, self.scratch, self.limit)
        row = grid.steps[index]
        ended = self.inferer.step(inputs[0], row, self._blender, network, *args, unmasked=unmasked, **kwargs)
        ended = with_zeros(ended, kept)
        return inputs.new_empty((1, 0, 0, 0, 0)) if ended is None else ended[None]


def prepare_item(item: dict[str, Any], device: torch.device) -> tuple[torch.Tensor, dict[str, Any]]:
    """An item of `VolumeSteps`, without a loader: its image as a batch of one, and the keywords of `StepInferer`."""
    batch: dict[str, Any] = {name: item[name][None] for name in ("image", "unmasked", "kept") if name in item}
    image, _, _, keywords = prepare_step({"index": item["index"], **batch}, device)
    return image, keywords


def prepare_step(
    batch: dict[str, Any], device: torch.device, non_blocking: bool = False, **kwargs: Any
) -> tuple[torch.Tensor, None, tuple[()], dict[str, Any]]:
    """For MONAI's evaluator: a batch of one row as image, no label, and the row's number and mask for `StepInferer`."""
    image = torch.as_tensor(batch["image"]).to(device, non_blocking=non_blocking)
    keywords: dict[str, Any] = {"index": int(batch["index"])}
    if "unmasked" in batch:
        keywords["unmasked"] = np.asarray(batch["unmasked"])[0]
    if "kept" in batch:
        keywords["kept"] = torch.as_tensor(batch["kept"])[0]
    return image, None, (), keywords
