"""Which labels belong to a volume: those of its data set, a class that it names, or the path of a label volume."""

import os
from collections.abc import Sequence

from scripts.data.regions.named_volumes import NamedVolume, Paths, is_volume_path
from scripts.data.regions.region import Region
from scripts.data.volumes.open import open_volume
from scripts.data.volumes.volume import Volume

Labels = Paths | Sequence[Paths | None] | None
"""`labels` of a config: null, one word for all volumes, or a list with one word for each."""


class LabelChoice:
    """Open the labels of each named volume.

    Args:
        labels: null for those of the data set or of the synthetic volume; the path of a label volume, such as
            `my.h5:labels`; or a class that a manifest names (`labels` of its entries) or the synthetic volume has
            (`neurites`, `mitochondria`). A list has one for each volume.
        names: of the volumes, in their order.

    Raises:
        ValueError: a list of another length.

    Example:
        >>> choice = LabelChoice("my.h5:labels", ["my.h5:raw"])
        >>> regions = open_regions(["my.h5:raw"], "training", label_of=choice)
    """

    def __init__(self, labels: Labels, names: Sequence[str]) -> None:
        one = labels is None or isinstance(labels, str | os.PathLike)
        listed = [labels] * len(names) if one else list(labels)  # type: ignore[arg-type]
        if len(listed) != len(names):
            raise ValueError(f"{len(listed)} labels for {len(names)} volumes ({', '.join(names)}); give one for each")
        self.words = [None if word is None else os.fspath(word) for word in listed]  # type: ignore[arg-type]
        self.shared = self.words[0] if one and names else None

    def __call__(self, volume: NamedVolume, number: int) -> Volume:
        """The labels of a volume; `number` counts the names.

        Raises:
            ValueError: the volume has no labels, or none of that class.
            FileNotFoundError: no such file.
        """
        word = self.words[number]
        if word is not None and word not in volume.classes and is_volume_path(word):
            return open_labels(word)
        if not volume.place:
            raise ValueError(_no_data_set(volume.image.path, word))
        if word is None and volume.label is not None:
            return volume.label
        if word is None and len(volume.classes) != 1:
            known = f"has labels of several classes, choose one: --labels {' or '.join(volume.classes)}"
            lacks = 'has no labels; add "label": "FILE:DATASET" to it, or give --labels my.h5:labels'
            raise ValueError(f"{volume.place} {known if volume.classes else lacks}")
        name = next(iter(volume.classes)) if word is None else word
        if name not in volume.classes:
            there = f"it has: {', '.join(volume.classes)}"
            add = 'add "labels": {"' + name + '": "FILE:DATASET"} to it'
            raise ValueError(f"{volume.place} has no labels of the class '{name}'; {there if volume.classes else add}")
        return volume.classes[name]()

    def check_shared(self, regions: Sequence[Region]) -> None:
        """Refuse one label volume for several images.

        Raises:
            ValueError: names the labels and the images.
        """
        images = sorted({region.image.path for region in regions})
        if self.shared is None or not is_volume_path(self.shared) or len(images) < 2:
            return
        if len({region.label.path for region in regions if region.label is not None}) < len(images):
            raise ValueError(
                f"labels '{self.shared}' is one volume for {len(images)} ({', '.join(images)}); give a list, one "
                "for each, or write the labels into a manifest, each beside its image"
            )


def open_labels(path: str) -> Volume:
    """A volume of labels.

    Raises:
        ValueError: as `open_volume`, with a note on what labels are.
    """
    try:
        return open_volume(path)
    except ValueError as error:
        raise ValueError(f"labels: {error} (labels have one whole number, the object's id, at each voxel)") from None


def _no_data_set(path: str, word: str | None) -> str:
    if word is None:
        return f"{path} comes without labels; give their path, for example --labels my.h5:labels"
    return (
        f"labels '{word}' is no path of a volume, and {path} no data set that names classes; give the labels of "
        "this volume, for example --labels my.h5:labels"
    )
