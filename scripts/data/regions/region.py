"""A region: a box of a volume to draw crops from, with its labels and its weight."""

from dataclasses import dataclass

from scripts.data.volumes.downsampled import reduction_in_words
from scripts.data.volumes.volume import Volume
from scripts.ops.box import Box


@dataclass(frozen=True)
class Region:
    """A box of voxels (z, y, x) of an image volume; crops lie wholly inside it.

    Args:
        image: grey values.
        box: the voxels that may be read, in voxels of `image`.
        label: instance labels, voxel for voxel those of `image`.
        weight: share of the crops, relative to the other regions' weights; None for a share by number of voxels.
        name: what to call it in messages; the volume's path if empty.
        labelled: the part of `box` whose labels are known, where that is not all of it; crops are centred on it.

    Raises:
        ValueError: the box ends outside the volume, labels of another shape, a weight that is not positive, a labelled
            part that reaches out of the box.
    """

    image: Volume
    box: Box
    label: Volume | None = None
    weight: float | None = None
    name: str = ""
    labelled: Box | None = None

    def __post_init__(self) -> None:
        Box.parse(self.box, self.image.shape)
        if self.label is not None and tuple(self.label.shape) != tuple(self.image.shape):
            turned = sorted(self.label.shape) == sorted(self.image.shape)
            raise ValueError(
                f"labels {self.label.path} have shape {tuple(self.label.shape)} (z, y, x), image {self.image.path} "
                f"{tuple(self.image.shape)}; they must agree voxel for voxel"
                f"{': the axes seem to be in another order, save both as (z, y, x)' if turned else ''}"
            )
        if self.weight is not None and not 0 < self.weight < float("inf"):
            raise ValueError(
                f"weight {self.weight} of {self.title} is not a positive number; leave it out to go by size"
            )

        if self.labelled is not None and not self.box.contains(self.labelled):
            raise ValueError(f"labelled box {self.labelled} of {self.title} reaches out of the box {self.box} to read")

    @property
    def aim(self) -> Box:
        """The voxels that the crops' centres are drawn from: the labelled part, or the whole box."""
        return self.box if self.labelled is None else self.labelled

    @property
    def title(self) -> str:
        """What to call the region in messages."""
        return (self.name or self.image.path or "volume in memory") + reduction_in_words(self.image)
