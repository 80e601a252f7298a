"""Interior target: is a voxel at least some pixels inside its object?"""

import numpy as np
import torch
from monai.config import NdarrayOrTensor
from monai.transforms import Transform
from scipy.ndimage import maximum_filter, minimum_filter

from scripts.ops.box import Size3, Window
from scripts.transforms import MakeTargetsd
from scripts.transforms.known_labels import cut, known_labels


class InteriorTarget(Transform):
    """1 where the (2 depth + 1)^2 window of a section holds one object alone, else 0."""

    channels: int = 1
    smallest: Size3 = (1, 1, 1)

    def __init__(self, depth: int = 2) -> None:
        self.size, self.margin = (1, 2 * depth + 1, 2 * depth + 1), (0, depth, depth)

    def __call__(self, label: NdarrayOrTensor) -> torch.Tensor:
        """(1, z, y, x) or (z, y, x) labels, -1 where unknown, to (1, z, y, x) float32."""
        return torch.from_numpy(self.maps(label)).float()

    def maps(self, label: NdarrayOrTensor, inner: Window | None = None):
        """The same as an array, of the `inner` window only, if given."""
        filled, _ = known_labels(label)
        alone = minimum_filter(filled, self.size) == maximum_filter(filled, self.size)
        return cut(alone & (filled > 0), inner)[None]

    def known(self, label: NdarrayOrTensor, inner: Window | None = None) -> torch.Tensor:
        """The same labels to (1, z, y, x) bool: no unknown label in the window."""
        _, known = known_labels(label)
        return torch.from_numpy(cut(minimum_filter(known, self.size), inner))[None]


if __name__ == "__main__":  # the target of a crop is the crop of the volume's target
    label = np.repeat(np.repeat(np.arange(1, 10).reshape(1, 3, 3), 8, axis=1), 8, axis=2)
    item = {"image": np.zeros((1, 1, 16, 16), np.float32), "label": label[None, :, 4:20, 4:20]}
    made = MakeTargetsd([InteriorTarget(2)], crop=(1, 12, 12), erosion=0)(item)
    np.testing.assert_array_equal(made["target"], InteriorTarget(2)(label)[:, :, 6:18, 6:18])
