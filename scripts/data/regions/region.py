"""A region: a box of a volume to draw crops from, with its labels and its weight."""

from dataclasses import dataclass

from scripts.data.regions.label_alignment import check_same_shape
from scripts.data.volumes.downsampled import describe_reduction
from scripts.data.volumes.volume import Volume
from scripts.ops.box import Box


@dataclass(frozen=True)
class Region:
    """A box of voxels (z, y, x) of an image volume; crops are completely inside it.

    Args:
        image: grey values.
        box: the voxels that may be read, in voxels of `image`.
        label: instance labels, voxel for voxel those of `image`.
        weight: share of the crops, relative to the other regions' weights; None for a share by number of voxels.
        name: its name in messages; the volume's path if empty.
        labelled: the part of `box` whose labels are known, where that is not all of it; crops are centred on it.
        mask: voxels that count, bool, voxel for voxel those of `image`; None where all do. Crops are centred on them.

    Raises:
        ValueError: the box ends outside the volume, labels or a mask of another shape, a weight that is not positive, a
            labelled part that reaches out of the box.

    Example:
        >>> volume = ArrayVolume(np.zeros((8, 64, 64), np.uint8))
        >>> Region(volume, Box.parse("0:6,:,:", volume.shape)).box.shape
        (6, 64, 64)
    """

    image: Volume
    box: Box
    label: Volume | None = None
    weight: float | None = None
    name: str = ""
    labelled: Box | None = None
    mask: Volume | None = None

    def __post_init__(self) -> None:
        Box.parse(self.box, self.image.shape)
        if self.label is not None:
            check_same_shape(self.label, self.image)
        if self.mask is not None:
            check_same_shape(self.mask, self.image, "mask")
        if self.weight is not None and not 0 < self.weight < float("inf"):
            raise ValueError(
                f"weight {self.weight} of {self.title} is not a positive number; leave it out to go by size"
            )
        if self.labelled is not None and not self.box.contains(self.labelled):
            raise ValueError(f"labelled box {self.labelled} of {self.title} reaches out of the box {self.box} to read")

    @property
    def sampling_box(self) -> Box:
        """The voxels that the crops' centres are drawn from: the labelled part, or all of the box."""
        return self.box if self.labelled is None else self.labelled

    @property
    def title(self) -> str:
        """The region's name in messages."""
        return (self.name or self.image.path or "volume in memory") + describe_reduction(self.image)
