"""Binary and contour targets: voxels of objects, and voxels on their borders."""

import numpy as np
import torch
from monai.config import NdarrayOrTensor
from monai.transforms import Transform
from monai.utils import TransformBackends

from scripts.ops.box import Size3, Window
from scripts.ops.targets.contours import contour_known, label_binary, label_contour
from scripts.transforms.known_labels import cut, known_labels, where_known


class BinaryTarget(Transform):
    """1 where an object is, 0 on the background; known where the label is.

    Example:
        >>> BinaryTarget()(np.array([[[1, 2, 0, -1]]])).tolist()
        [[[[1.0, 1.0, 0.0, 0.0]]]]
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 (MONAI's own form)
    channels: int = 1
    margin: Size3 = (0, 0, 0)
    smallest: Size3 = (1, 1, 1)

    def __call__(self, label: NdarrayOrTensor) -> torch.Tensor:
        """(1, z, y, x) or (z, y, x) labels, -1 where unknown, to (1, z, y, x) float32, 1 or 0.

        Raises:
            ValueError: labels that are not labels.
        """
        return torch.from_numpy(self.maps(label)).float()

    def maps(self, label: NdarrayOrTensor, inner: Window | None = None) -> np.ndarray:
        """The same as an array, of the `inner` window only, if given."""
        return label_binary(cut(known_labels(label)[0], inner))[None]

    def known(self, label: NdarrayOrTensor, inner: Window | None = None) -> torch.Tensor:
        """The same labels to (1, z, y, x) bool."""
        return torch.from_numpy(cut(where_known(label), inner))[None]


class ContourTarget(Transform):
    """1 on the contours of each section, those to the background too (Lin et al. 2021; `scripts.ops.targets.contours`).

    A crop cut with `margin` equals the crop of the volume's target exactly. A value is known where no label that its
    dilated differences look at is unknown.

    Args:
        thickness: 1 makes a band of 4 voxels, 0 of 2.

    Raises:
        ValueError: a negative thickness.

    Example:
        >>> ContourTarget(thickness=0)(np.array([[[1, 1, 1, 2, 2, 2]]])).tolist()
        [[[[0.0, 0.0, 1.0, 1.0, 0.0, 0.0]]]]
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 (MONAI's own form)
    channels: int = 1
    smallest: Size3 = (1, 1, 1)

    def __init__(self, thickness: int = 1) -> None:
        if thickness < 0:
            raise ValueError(f"thickness {thickness} is negative; 0 gives a band of 2 voxels, 1 of 4")
        self.thickness = int(thickness)

    @property
    def margin(self) -> Size3:
        """Nothing along z; the difference and its dilation in plane."""
        return 0, self.thickness + 1, self.thickness + 1

    def __call__(self, label: NdarrayOrTensor) -> torch.Tensor:
        """(1, z, y, x) or (z, y, x) labels, -1 where unknown, to (1, z, y, x) float32, 1 or 0.

        Raises:
            ValueError: labels that are not labels.
        """
        return torch.from_numpy(self.maps(label)).float()

    def maps(self, label: NdarrayOrTensor, inner: Window | None = None) -> np.ndarray:
        """The same as an array, of the `inner` window only, if given."""
        return cut(label_contour(known_labels(label)[0], self.thickness), inner)[None]

    def known(self, label: NdarrayOrTensor, inner: Window | None = None) -> torch.Tensor:
        """The same labels to (1, z, y, x) bool."""
        return torch.from_numpy(cut(contour_known(where_known(label), self.thickness), inner))[None]
