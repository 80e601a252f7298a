"""A decoder: connected pieces of a binary map."""

from dataclasses import dataclass

import numpy as np

from scripts.ops.decoding.decoders import DECODERS, decoder
from scripts.ops.decoding.probability_checks import check_range, checked_prediction, levels, threshold_in
from scripts.ops.labels.connected_components import label_components


@dataclass(frozen=True)
class Components:
    """6-connected pieces of a binary map above `mask`, without those of fewer than `small` voxels."""

    mask: float = 0.5
    small: int = 128

    def __post_init__(self) -> None:
        threshold_in(self.mask, "mask")

    def __call__(self, prediction: np.ndarray) -> np.ndarray:
        """(1, z, y, x) probabilities, or uint8 for value / 255, to instances."""
        binary = checked_prediction(prediction, channels=1)[0]
        check_range(binary)
        above, _ = levels(binary.dtype, self.mask)
        instances = np.ascontiguousarray(binary > above, np.uint32)
        label_components(instances, self.small)
        return instances


DECODERS["components"] = Components

if __name__ == "__main__":
    maps = np.zeros((1, 2, 8, 8), np.float32)
    maps[0, :, :3, :3], maps[0, :, 5:, 5:] = 0.9, 0.7
    assert decoder("components", {"small": 0})(maps).max() == 2
    assert decoder("components", {"small": 0, "mask": 0.8})((maps * 255).astype(np.uint8)).max() == 1
