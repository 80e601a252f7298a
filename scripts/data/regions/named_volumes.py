"""From what a config names (a path, a data set, the synthetic volume) to the volumes of a split as they are stored."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.data.datasets.manifest import SPLITS, Manifest, Split, known_manifests, load_manifest
from scripts.data.volumes.open import FORMATS, open_volume
from scripts.data.volumes.volume import Volume

SYNTHETIC = "synthetic"
SYNTHETIC_CLASSES = {"labels": "labels", "neurites": "labels", "mitochondria": "mitochondria"}
"""Class names of the synthetic volume and the dataset of each."""

Paths = str | os.PathLike[str]


@dataclass(frozen=True)
class NamedVolume:
    """One volume of a split as it is stored, with what its data set states about it.

    Args:
        image: grey values.
        label: instance labels that the data set states, or None.
        classes: names of the classes with labels of their own, and how to open those.
        box: `z0:z1,y0:y1,x0:x1` in stored voxels that a manifest gives to the split; None for all of it.
        weight: share of the crops, or None.
        name: of the data set; "" for the path of a volume.
        place: where it is written, for messages, such as `mine.json: $.training[0]`; "" for the path of a volume.
        own_split: whether the data set states the split; otherwise its sections are divided.
    """

    image: Volume
    label: Volume | None = None
    classes: Mapping[str, Callable[[], Volume]] = field(default_factory=dict)
    box: str | None = None
    weight: float | None = None
    name: str = ""
    place: str = ""
    own_split: bool = False


def named_volumes(name: str, split: Split) -> list[NamedVolume]:
    """The volumes of a split that a name stands for.

    Args:
        name: `synthetic` (made once and cached), a data set in `data_manifests`, the path of a manifest (.json), or the
            path of a volume as `open_volume` takes it.
        split: `training`, `validation` or `test`.

    Raises:
        ValueError: an unknown or empty split; a voxel size that contradicts the manifest.
        FileNotFoundError: no such file or data set; the message gives the command that downloads it.
    """
    if split not in SPLITS:
        raise ValueError(f"split '{split}' is none of {', '.join(SPLITS)}")
    manifest = None if name == SYNTHETIC else named_manifest(name)
    if name == SYNTHETIC or (manifest is not None and manifest.name == SYNTHETIC):
        return [_synthetic()]
    if manifest is None:
        return [NamedVolume(open_volume(name))]
    return [_of_entry(manifest, split, k) for k in range(len(manifest.entries(split)))]


def names_of(volumes: Paths | Sequence[Paths]) -> list[str]:
    """One name or a list of them, as a list of strings.

    Raises:
        ValueError: an empty list.
    """
    names = [volumes] if isinstance(volumes, str | os.PathLike) else list(volumes)
    if not names:
        raise ValueError("no volume is named; give a path, the name of a data set, or 'synthetic'")
    return [os.fspath(name) for name in names]


def named_manifest(name: str) -> Manifest | None:
    """The manifest that a name in a config stands for, or None where it is the path of a volume.

    Raises:
        FileNotFoundError: neither a file here nor a data set.
    """
    if name.endswith(".json"):
        return load_manifest(name)
    if is_volume_path(name):
        return None
    known = sorted({SYNTHETIC, *known_manifests()})
    if name not in known:
        raise FileNotFoundError(
            f"'{name}' is neither a file or folder here nor a data set; there are: {', '.join(known)}"
        )
    return load_manifest(name)


def is_volume_path(name: str) -> bool:
    """Whether a name is the path of a volume rather than the name of something."""
    suffixes = tuple(suffix for group in FORMATS.values() for suffix in group)
    file = name if os.path.exists(name) else name.rsplit(":", 1)[0]
    return os.path.exists(file) or os.sep in name or file.lower().endswith(suffixes)


def open_entry(manifest: Manifest, path: str, place: str) -> Volume:
    """A volume of a manifest, with the voxel size that the manifest states; `place` names its key in messages.

    Raises:
        FileNotFoundError: no such file; the message gives the command that downloads it.
        ValueError: the file states another voxel size.
    """
    file = Path(path if os.path.exists(path) or ":" not in path else path.rsplit(":", 1)[0])
    if not file.exists():
        remedy = "check the path, relative ones are counted from the manifest's own folder"
        if manifest.files:
            remedy = f"get it with: python -m scripts fetch {manifest.name} (or set SEM_DATA_HOME to where it is)"
        raise FileNotFoundError(f"{place}: there is no file '{file}'; {remedy}")
    volume = open_volume(path)
    stated = volume.voxel_size_nm
    if stated is None:
        return open_volume(path, voxel_size_nm=manifest.voxel_size_nm)
    if any(abs(a - b) > 0.01 * b for a, b in zip(stated, manifest.voxel_size_nm, strict=True)):
        raise ValueError(
            f"{place}: {volume.path} states voxels of {times(stated)} nm, $.voxel_size_nm states "
            f"{times(manifest.voxel_size_nm)}; correct the one that is wrong"
        )
    return volume


def times(sizes: Sequence[float]) -> str:
    """`30 x 6 x 6`."""
    return " x ".join(f"{size:g}" for size in sizes)


def _synthetic() -> NamedVolume:
    from scripts.data.synthetic import cached_synthetic  # makes the volume at the first call

    path = cached_synthetic()

    def opener(dataset: str) -> Callable[[], Volume]:
        return lambda: open_volume(f"{path}:{dataset}")

    classes = {name: opener(dataset) for name, dataset in SYNTHETIC_CLASSES.items()}
    image, label = open_volume(f"{path}:raw"), open_volume(f"{path}:labels")
    return NamedVolume(image, label, classes, name=SYNTHETIC, place="the synthetic volume")


def _of_entry(manifest: Manifest, split: Split, k: int) -> NamedVolume:
    entry, place = manifest.entries(split)[k], f"{manifest.path.name}: $.{split}[{k}]"

    def opener(name: str) -> Callable[[], Volume]:
        return lambda: open_entry(manifest, entry.labels[name], f"{place}.labels.{name}")

    image = open_entry(manifest, entry.image, f"{place}.image")
    label = None if entry.label is None else open_entry(manifest, entry.label, f"{place}.label")
    classes = {name: opener(name) for name in entry.labels}
    return NamedVolume(image, label, classes, entry.box, entry.weight, manifest.name, place, own_split=True)
