"""Keep the network with the lowest validation loss."""

from collections.abc import Mapping
from typing import Any

import torch

from scripts.handlers.checkpoint_file import network_content, save_atomically
from scripts.handlers.run_folder import RunFolder


class BestCheckpoint:
    """Write `best.pt`: the network and its recipe, without the optimizer.

    Args:
        folder: of the run.
        network: the plain network, neither compiled nor wrapped for several processes.
        recipe: plain values that rebuild the network.
        rank: only process 0 writes.
    """

    def __init__(self, folder: RunFolder, network: torch.nn.Module, recipe: Mapping[str, Any], rank: int = 0) -> None:
        self.folder, self.network, self.recipe, self.rank = folder, network, recipe, rank

    def __call__(self, iteration: int, val_loss: float) -> None:
        """Replace the best by the network as it is now."""
        if self.rank == 0:
            content = network_content(self.network, self.recipe, iteration)
            save_atomically(content | {"val_loss": float(val_loss)}, self.folder.best)
