"""Read-outs of frozen features: ridge regression, and a small perceptron; both are fitted in seconds on a CPU."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import nn

from scripts.ops.scoring.ridge import ridge_weights

PENALTIES = tuple(10.0**power for power in range(-6, 3))
"""Of ridge regression, for features and values in units of their deviation."""
BATCH = 512


class Readout(Protocol):
    """What predicts values from features."""

    def fit(self, features: np.ndarray, values: np.ndarray, sections: np.ndarray) -> None:
        """Learn from (n, width) features, (n, channels) values and the (n,) sections that they are in."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(n, width) features to (n, channels) values."""


@dataclass(frozen=True)
class Scaling:
    """Zero mean and unit deviation of columns; constant ones become 0."""

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, columns: np.ndarray) -> "Scaling":
        """The scaling of (n, columns) numbers."""
        deviation = columns.std(axis=0)
        floor = 1e-6 * np.abs(columns).max(axis=0, initial=1e-12)
        return cls(columns.mean(axis=0), np.where(deviation > floor, deviation, np.inf))

    def scale(self, columns: np.ndarray) -> np.ndarray:
        """Apply it."""
        scaled: np.ndarray = (columns - self.mean) / self.deviation
        return scaled

    def undo(self, scaled: np.ndarray) -> np.ndarray:
        """Undo it; constant columns become their mean."""
        columns: np.ndarray = scaled * np.where(np.isinf(self.deviation), 0, self.deviation) + self.mean
        return columns


def last_quarter(sections: np.ndarray) -> np.ndarray:
    """Bool (n,): which samples are in the last quarter of the sections, at least in the last one.

    Raises:
        ValueError: all samples are in one section.
    """
    there = np.unique(sections)
    if there.size < 2:
        raise ValueError(
            f"the read-out has one section of tokens, {there.tolist()}, to fit on: it is chosen on others, so give "
            "--train_box two sections of tokens or more"
        )
    held_back: np.ndarray = np.isin(sections, there[-max(1, there.size // 4) :])
    return held_back


class RidgeReadout:
    """A linear map with an intercept, by ridge regression in closed form.

    The penalty of each channel is that with the least squared error on the last quarter of the sections, fitted on the
    others; the map is then fitted on all of them.

    Args:
        penalties: to choose from, see `ridge_weights`.
    """

    def __init__(self, penalties: Sequence[float] = PENALTIES) -> None:
        self.penalties = tuple(penalties)
        self.chosen: list[float] = []

    def fit(self, features: np.ndarray, values: np.ndarray, sections: np.ndarray) -> None:
        """See `Readout`."""
        held_back = last_quarter(sections)
        self.inputs, self.outputs = Scaling.of(features), Scaling.of(values)
        x, y = self.inputs.scale(features), self.outputs.scale(values)
        tried = ridge_weights(x[~held_back], y[~held_back], self.penalties)
        errors = [np.square(x[held_back] @ weights - y[held_back]).mean(axis=0) for weights in tried]
        best = np.argmin(errors, axis=0)
        self.chosen = [self.penalties[index] for index in best]
        fitted = ridge_weights(x, y, self.penalties)
        self.weights = np.stack([fitted[index, :, channel] for channel, index in enumerate(best)], axis=1)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """See `Readout`."""
        return self.outputs.undo(self.inputs.scale(features) @ self.weights)


class PerceptronReadout:
    """One hidden layer, trained by AdamW on all but the last quarter of the sections.

    The weights are those of the epoch with the least squared error on that quarter.

    Args:
        hidden: width of the hidden layer.
        epochs: passes over the samples, in batches of 512.
        lr: learning rate, a cosine to 0.
        seed: of the first weights and of the order of the samples.
    """

    def __init__(self, hidden: int = 64, epochs: int = 30, lr: float = 2e-3, seed: int = 0) -> None:
        self.hidden, self.epochs, self.lr, self.seed = hidden, epochs, lr, seed

    def fit(self, features: np.ndarray, values: np.ndarray, sections: np.ndarray) -> None:
        """See `Readout`."""
        held_back = last_quarter(sections)
        self.inputs, self.outputs = Scaling.of(features), Scaling.of(values)
        x = torch.from_numpy(self.inputs.scale(features)).float()
        y = torch.from_numpy(self.outputs.scale(values)).float()
        seen, unseen = torch.from_numpy(np.flatnonzero(~held_back)), torch.from_numpy(np.flatnonzero(held_back))
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.manual_seed(self.seed)
            layers = (nn.Linear(x.shape[1], self.hidden), nn.GELU(), nn.Linear(self.hidden, y.shape[1]))
            self.network = nn.Sequential(*layers)
            optimizer = torch.optim.AdamW(self.network.parameters(), lr=self.lr, weight_decay=0.05)
            steps = self.epochs * -(-len(seen) // BATCH)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
            least, best = float("inf"), self.network.state_dict()
            for _ in range(self.epochs):
                for part in seen[torch.randperm(len(seen))].split(BATCH):
                    optimizer.zero_grad()
                    (self.network(x[part]) - y[part]).square().mean().backward()
                    optimizer.step()
                    schedule.step()
                with torch.no_grad():
                    error = float((self.network(x[unseen]) - y[unseen]).square().mean())
                if error < least:
                    least, best = error, {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(best)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """See `Readout`."""
        with torch.no_grad():
            scaled = self.network(torch.from_numpy(self.inputs.scale(features)).float())
        return self.outputs.undo(scaled.numpy())
