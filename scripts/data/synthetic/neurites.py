"""Skeletons of the synthetic volume: neurites that grow one after another into the space that is still free."""

from dataclasses import dataclass

import numpy as np

from scripts.data.synthetic.growth import FREE_NM, STEP_NM, grow

MARGIN_NM = 150.0
"""Neurites also grow this far outside the block, so that its faces cut through them."""
DENDRITES_PER_UM3 = 0.42
MYELINATED_PER_UM3 = 0.02


@dataclass(frozen=True)
class Tubes:
    """Tubes as chains of balls, in nm from the corner of the block.

    Attributes:
        balls: (N, 4) float64: z, y, x, radius.
        number: (N,) int32, the neurite or organelle each ball belongs to, from 1.
        joined: (N,) bool, whether ball i and ball i - 1 are the two ends of one piece of tube.
    """

    balls: np.ndarray
    number: np.ndarray
    joined: np.ndarray


def grow_neurites(extent_nm: tuple[float, float, float], generator: np.random.Generator) -> tuple[Tubes, int, int]:
    """Fill a block of `extent_nm` (z, y, x): myelinated axons, dendrites with spines, then axons into every gap.

    A tip steps to where it has room and keeps its heading; its radius follows a slow swelling but never exceeds the
    room there is. A walk that stays short, or that ends inside the block, may join its neighbour as a branch.

    Returns:
        the neurites; how many, the first, are myelinated; and the number of the last dendrite, after them.
    """
    padded = np.asarray(extent_nm) + 2 * MARGIN_NM
    cells = tuple(int(n) for n in np.ceil(padded / STEP_NM) + 1)
    volume_um3 = float(np.prod(padded)) / 1e9
    capacity = int(1500 * volume_um3) + 4000
    count = max(1, int(generator.poisson(DENDRITES_PER_UM3 * volume_um3)))
    thick = np.sort(np.clip(generator.lognormal(np.log(205.0), 0.4, count), 120.0, 430.0))[::-1].copy()
    myelinated = generator.uniform(240.0, 360.0, int(generator.poisson(MYELINATED_PER_UM3 * volume_um3)))
    order = generator.permutation(int(np.prod(cells)))
    state = np.array([generator.integers(1, 2**62)], dtype=np.uint64)
    balls = np.empty((capacity, 4))
    neurite, joined = np.zeros(capacity, np.int64), np.zeros(capacity, np.bool_)
    space = np.full(cells, FREE_NM, np.float32), np.full(cells, -1, np.int64)
    used, sheathed, dendrites = grow(myelinated, thick, order, state, space, (balls, neurite, joined))
    balls[:used, :3] -= MARGIN_NM
    return (
        Tubes(balls[:used].copy(), neurite[:used].astype(np.int32), joined[:used].copy()),
        int(sheathed),
        int(dendrites),
    )
