"""Which tokens are hidden from the encoder: single tokens, columns through all sections, or complete sections.

The strategies of Cheng et al. 2023, Figure 2: random, space-only, section-only. Each mask is bool (gz, gy, gx), True =
hidden, and hides the same number of tokens at every draw: of n units it keeps floor(n * (1 - ratio) + 1e-6).
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import Randomizable, Transform
from monai.utils.enums import TransformBackends

from scripts.ops.box import three_sizes
from scripts.ops.token_masks import check_ratio, hidden_units


class _RandUnitMask(Randomizable, Transform):
    """Hide units of the grid: the units are an array that spreads over the grid by broadcasting."""

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 (MONAI's own form)

    def __init__(self, grid: Sequence[int], ratio: float, units: Sequence[int], what: str) -> None:
        self.grid = tuple(int(size) for size in grid)
        self.ratio = float(ratio)
        self.units = tuple(units)
        self.kept_units = check_ratio(int(np.prod(self.units)), self.ratio, what, self.grid)
        self.hidden: np.ndarray | None = None

    def randomize(self, data: Any = None) -> None:
        """Draw which units are hidden."""
        self.hidden = hidden_units(self.units, self.kept_units, self.R)

    def __call__(self, image: Any = None, randomize: bool = True) -> torch.Tensor:
        """Bool (gz, gy, gx), True = hidden; the image is not read. `randomize=False` repeats the last draw."""
        if randomize or self.hidden is None:
            self.randomize()
        mask = np.empty(self.grid, dtype=bool)
        mask[...] = self.hidden
        return torch.from_numpy(mask)


class RandTokenMask(_RandUnitMask):
    """Hide single tokens anywhere ("random" in the paper, its best at 0.9: 21 of 216 kept).

    Args:
        grid: tokens along (z, y, x) of a sample: its size over the patch.
        ratio: share of the tokens to hide.

    Example:
        >>> mask = RandTokenMask(grid=(6, 6, 6), ratio=0.9)()
        >>> mask.shape, int((~mask).sum())  # 21 of 216 tokens stay
        (torch.Size([6, 6, 6]), 21)
    """

    def __init__(self, grid: Sequence[int] = (6, 6, 6), ratio: float = 0.9) -> None:
        grid = three_sizes(grid, "grid")
        super().__init__(grid, ratio, units=grid, what="tokens")


class RandColumnMask(_RandUnitMask):
    """Hide the same columns in every section ("space-only" in the paper; 8/9 keeps 4 columns, 24 of 216 tokens).

    Args:
        grid: tokens along (z, y, x) of a sample: its size over the patch.
        ratio: share of the columns to hide.

    Example:
        >>> int((~RandColumnMask(grid=(6, 6, 6))()).sum())  # 4 columns of 6 tokens stay
        24
    """

    def __init__(self, grid: Sequence[int] = (6, 6, 6), ratio: float = 8 / 9) -> None:
        grid = three_sizes(grid, "grid")
        super().__init__(grid, ratio, units=(1, grid[1], grid[2]), what="columns")


class RandSectionMask(_RandUnitMask):
    """Hide whole sections of tokens ("section-only" in the paper; 5/6 keeps 1 section, 36 of 216 tokens).

    Args:
        grid: tokens along (z, y, x) of a sample: its size over the patch.
        ratio: share of the sections to hide.

    Example:
        >>> int((~RandSectionMask(grid=(6, 6, 6))()).sum())  # 1 section of 36 tokens stays
        36
    """

    def __init__(self, grid: Sequence[int] = (6, 6, 6), ratio: float = 5 / 6) -> None:
        grid = three_sizes(grid, "grid")
        super().__init__(grid, ratio, units=(grid[0], 1, 1), what="sections")


class _RandUnitMaskd(Randomizable, Transform):
    """Add a mask to an item, with or without an image."""

    backend = _RandUnitMask.backend

    def __init__(self, draw: _RandUnitMask, mask_key: Hashable) -> None:
        self.draw = draw
        self.mask_key = mask_key

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> "_RandUnitMaskd":
        """Seed the draws, MONAI's way."""
        self.draw.set_random_state(seed, state)
        self.R = self.draw.R
        return self

    def randomize(self, data: Any = None) -> None:
        """Draw which units are hidden."""
        self.draw.randomize()

    def __call__(self, item: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with a new mask, bool (gz, gy, gx), under the mask key."""
        self.randomize()
        return {**item, self.mask_key: self.draw(randomize=False)}


class RandTokenMaskd(_RandUnitMaskd):
    """Dictionary form of `RandTokenMask` ("random"): sets `item["mask"]`."""

    def __init__(self, grid: Sequence[int] = (6, 6, 6), ratio: float = 0.9, mask_key: Hashable = "mask") -> None:
        super().__init__(RandTokenMask(grid, ratio), mask_key)


class RandColumnMaskd(_RandUnitMaskd):
    """Dictionary form of `RandColumnMask` ("space-only"): sets `item["mask"]`."""

    def __init__(self, grid: Sequence[int] = (6, 6, 6), ratio: float = 8 / 9, mask_key: Hashable = "mask") -> None:
        super().__init__(RandColumnMask(grid, ratio), mask_key)


class RandSectionMaskd(_RandUnitMaskd):
    """Dictionary form of `RandSectionMask` ("section-only"): sets `item["mask"]`."""

    def __init__(self, grid: Sequence[int] = (6, 6, 6), ratio: float = 5 / 6, mask_key: Hashable = "mask") -> None:
        super().__init__(RandSectionMask(grid, ratio), mask_key)
