"""Keep the network with the best validation score."""

from collections.abc import Mapping
from typing import Any

import torch

from scripts.checkpoints.file import network_content, save_atomically
from scripts.checkpoints.run_folder import RunFolder


class BestCheckpoint:
    """Write `best.pt`: the network, its recipe and its scores, without the optimizer.

    Args:
        folder: of the run.
        network: the plain network, neither compiled nor wrapped for several processes.
        recipe: plain values that rebuild the network.
        rank: only process 0 writes.

    Example::

        save_best = BestCheckpoint(RunFolder("runs/a"), network, recipe)
        save_best(iteration=1000, scores={"val_loss": 0.4})
    """

    def __init__(self, folder: RunFolder, network: torch.nn.Module, recipe: Mapping[str, Any], rank: int = 0) -> None:
        self.folder, self.network, self.recipe, self.rank = folder, network, recipe, rank

    def __call__(self, iteration: int, scores: Mapping[str, float], decoder: Mapping[str, Any] | None = None) -> None:
        """Replace the best checkpoint by the current network.

        Args:
            iteration: optimizer steps done.
            scores: those of the validation, by name; under "scores" in the file.
            decoder: "name" and "settings" of the decoder with these scores; under "decoder", where there is one.
        """
        if self.rank == 0:
            content = network_content(self.network, self.recipe, iteration)
            content["scores"] = {name: float(value) for name, value in scores.items()}
            if decoder is not None:
                content["decoder"] = {"name": decoder["name"], "settings": dict(decoder["settings"])}
            save_atomically(content, self.folder.best)
