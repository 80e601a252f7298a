"""The tokens of labelled boxes: features of a frozen network for each, and the mean of target maps in each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from scripts.data.regions.region import Region
from scripts.inferers.reconstruction_windows import BoxWindows
from scripts.networks.token_features import TokenFeatures
from scripts.ops.targets.token_values import token_values
from scripts.transforms.known_labels import Target

KNOWN = 0.5
"""Least share of known voxels of a token that is used."""
MOST_NUMBERS = 10**9
"""Features of all tokens of the boxes that are kept in memory: 4 GB."""


@dataclass(frozen=True)
class TokenTable:
    """The tokens of boxes, one row each.

    Attributes:
        features: (n, width) float32.
        values: (n, channels) float64: means of the target maps over the known voxels of the token.
        sections: (n,) int64: position of the token along z, counted over all boxes.
    """

    features: np.ndarray
    values: np.ndarray
    sections: np.ndarray


class LabelledTokens:
    """All whole tokens of labelled boxes of which at least half of the voxels are known.

    Windows are side by side from the first voxel of a box, as the network saw them in training; one that reaches beyond
    the box is mirrored there, and its tokens beyond are left out.

    Args:
        regions: boxes with labels.
        targets: of labels; their maps are averaged over tokens.
        transform: of an item with "image", as in training.
        batch: windows that the network is given at once.
        device: of the network.
    """

    def __init__(
        self,
        regions: Sequence[Region],
        targets: Sequence[Target],
        transform: Callable[[dict[str, Any]], Any],
        batch: int = 8,
        device: torch.device | str = "cpu",
    ) -> None:
        self.regions, self.targets, self.transform = tuple(regions), tuple(targets), transform
        self.batch, self.device = batch, torch.device(device)

    def table(self, network: TokenFeatures, window: Sequence[int]) -> TokenTable:
        """Features and values of the tokens.

        Args:
            network: frozen; on the device.
            window: voxels (z, y, x) that it is given, a multiple of its patch.

        Raises:
            ValueError: a window that is no multiple of the patch, a box without a whole token, or features that do not
                fit into memory.
        """
        if any(size % step for size, step in zip(window, network.patch, strict=True)):
            raise ValueError(
                f"windows of {tuple(window)} voxels (z, y, x) hold no whole number of tokens of {tuple(network.patch)}"
            )
        tables: list[TokenTable] = []
        first = 0
        for region in self.regions:
            features = self._features(region, network, window)
            values, shares = self._values(region, network.patch)
            used = shares.min(axis=0) >= KNOWN
            sections = np.broadcast_to(np.arange(used.shape[0])[:, None, None], used.shape)[used]
            tables.append(TokenTable(features[used], np.moveaxis(values, 0, -1)[used], sections + first))
            first += used.shape[0]
        return TokenTable(
            np.concatenate([table.features for table in tables]),
            np.concatenate([table.values for table in tables]),
            np.concatenate([table.sections for table in tables]),
        )

    def _features(self, region: Region, network: TokenFeatures, window: Sequence[int]) -> np.ndarray:
        """(gz, gy, gx, width) features of a box."""
        patch = np.array(network.patch)
        grid = np.array(region.box.shape) // patch
        if grid.min() < 1:
            raise ValueError(f"box {region.box} of {region.title} holds no token of {network.patch} voxels (z, y, x)")
        found: np.ndarray | None = None
        windows = BoxWindows(region, window, self.transform)
        with torch.inference_mode():
            for batch in torch.utils.data.DataLoader(windows, self.batch):
                encoded = network(batch["image"].to(self.device)).float().cpu().numpy()
                if found is None:
                    numbers = int(np.prod(grid)) * encoded.shape[2]
                    if numbers > MOST_NUMBERS:
                        raise ValueError(
                            f"box {region.box} of {region.title} has {numbers:,} features, more than the "
                            f"{MOST_NUMBERS:,} that are kept in memory; give a smaller box"
                        )
                    found = np.zeros((*grid, encoded.shape[2]), np.float32)
                for tokens, corner in zip(encoded, batch["corner"].numpy() // patch, strict=True):
                    block = tokens.reshape(*(np.array(window) // patch), -1)
                    kept = np.minimum(block.shape[:3], grid - corner)
                    if kept.min() > 0:
                        place = tuple(slice(a, a + n) for a, n in zip(corner, kept, strict=True))
                        found[place] = block[tuple(slice(0, n) for n in kept)]
        assert found is not None
        return found

    def _values(self, region: Region, patch: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """(channels, gz, gy, gx) means and shares of known voxels of a box."""
        assert region.label is not None
        label = region.label[region.box.slices]
        found = [token_values(target(label).numpy(), target.known(label).numpy(), patch) for target in self.targets]
        return np.concatenate([means for means, _ in found]), np.concatenate([shares for _, shares in found])
