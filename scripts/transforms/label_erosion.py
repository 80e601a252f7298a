"""Part touching instances by a thin background, so that borders between them can be learned."""

import numpy as np
from monai.config import NdarrayOrTensor
from monai.transforms import Transform
from monai.utils import TransformBackends

from scripts.ops.box import Size3, Window
from scripts.ops.targets.contours import label_erosion
from scripts.transforms.known_labels import as_volume


class ErodeLabel(Transform):
    """Set to 0 what has more than one positive id in its in-plane window of 2 * erosion + 1 voxels (Lin et al. 2021).

    Background is no id, so the border to background stays. A voxel whose window holds unknown ones that could change
    it becomes unknown itself. Labels cut with `margin` give what the volume's erosion gives, exactly.

    Args:
        erosion: voxels taken off on each side of a border between two instances; 0 changes nothing.

    Raises:
        ValueError: a negative erosion.

    Example:
        >>> ErodeLabel(1)(np.array([[[1, 1, 1, 2, 2, 2]]])).tolist()
        [[[1, 1, 0, 0, 2, 2]]]
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 (MONAI's own form)

    def __init__(self, erosion: int = 1) -> None:
        if erosion < 0:
            raise ValueError(f"erosion {erosion} is negative; 0 changes nothing")
        self.erosion = int(erosion)

    @property
    def margin(self) -> Size3:
        """Nothing along z; the erosion in plane."""
        return 0, self.erosion, self.erosion

    def __call__(self, label: NdarrayOrTensor) -> np.ndarray:
        """(1, z, y, x) or (z, y, x) labels, -1 where unknown, to the same, an array of the same dtype.

        Raises:
            ValueError: labels that are not labels.
        """
        return self.part(label).reshape(tuple(label.shape))

    def part(self, label: NdarrayOrTensor, inner: Window | None = None) -> np.ndarray:
        """The same as (z, y, x), of the `inner` window only, if given."""
        return label_erosion(as_volume(label), self.erosion, inner)
