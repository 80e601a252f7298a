"""Derive all randomness of an iteration from (seed, iteration, process), so that resuming changes nothing."""

import torch
from ignite.engine import Engine, Events

_SPREAD = 0x9E3779B97F4A7C15
"""2**64 over the golden ratio: neighbouring iterations get seeds far apart."""


class SeedEachIteration:
    """Seed torch before each iteration, so that random numbers inside it (drop path) do not depend on earlier ones.

    Args:
        seed: of the run.
        rank: number of this process.

    Example::

        SeedEachIteration(seed=0).attach(trainer)
    """

    def __init__(self, seed: int, rank: int = 0) -> None:
        self.seed = seed
        self.rank = rank

    def attach(self, engine: Engine) -> None:
        """Seed at the start of each of the engine's iterations."""
        engine.add_event_handler(Events.ITERATION_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Seed for the iteration that starts."""
        torch.manual_seed(iteration_seed(self.seed, engine.state.iteration, self.rank))


def iteration_seed(seed: int, iteration: int, rank: int) -> int:
    """Return a 63-bit number from the three."""
    return ((seed + 1) * _SPREAD + iteration * 1_000_003 + rank * 7_919) % 2**63
