"""Rules that reject a crop with little to learn from: true means draw another one.

A rule is any callable from a (z, y, x) array in the volume's own grey values to a bool; these are the named ones.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class RejectionRule(Protocol):
    """A pure test of one crop; its `repr` is what an error message shows."""

    def __call__(self, crop: np.ndarray) -> bool:
        """Whether the (z, y, x) crop is rejected."""
        ...


@dataclass(frozen=True)
class MostlyBlack:
    """Reject a crop in which more than `fraction` of the voxels are at or below `threshold`.

    Args:
        threshold: highest grey value that counts as black.
        fraction: largest share of black voxels that is kept, in [0, 1).
    """

    threshold: float = 0
    fraction: float = 0.5

    def __post_init__(self) -> None:
        _check_fraction(self, self.fraction)

    def __call__(self, crop: np.ndarray) -> bool:
        return bool(np.count_nonzero(crop <= self.threshold) > self.fraction * crop.size)


@dataclass(frozen=True)
class MissingSection:
    """Reject a crop with more than `allowed` missing sections.

    A section counts as missing where more than `fraction` of its voxels equal their neighbour in x to the bit, as
    filler of any grey value does and micrographs do not (1 to 6 % of the voxels of four public 8-bit volumes).

    Args:
        fraction: largest share of repeated voxels of a present section, in [0, 1).
        allowed: missing sections a crop may have.
    """

    fraction: float = 0.5
    allowed: int = 0

    def __post_init__(self) -> None:
        _check_fraction(self, self.fraction)
        if self.allowed < 0:
            raise ValueError(
                f"{self}: allowed={self.allowed} is negative; 0 turns down a crop with any missing section"
            )

    def __call__(self, crop: np.ndarray) -> bool:
        repeated = np.count_nonzero(crop[..., 1:] == crop[..., :-1], axis=(1, 2))
        pairs = crop[0, :, 1:].size
        return bool(np.count_nonzero(repeated > self.fraction * pairs) > self.allowed)


def _check_fraction(rule: object, fraction: float) -> None:
    if not 0 <= fraction < 1:
        raise ValueError(f"{rule}: fraction={fraction} is outside [0, 1), so the rule would turn down nothing")
