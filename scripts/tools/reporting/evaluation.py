"""The volumes that an evaluation wrote, read section by section, with the worst errors in them."""

import json
import re
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scripts.ops.scoring.contingency_blocks import table_of_volumes
from scripts.ops.scoring.error_locations import SegmentationError, largest_errors, locate_errors
from scripts.visualize.segmentation_panels import alike, mistakes

NEEDED = ("image", "instances", "prediction")
WORST = 20
"""Errors of a run that are located."""


class Evaluation:
    """An `evaluation.h5`, read section by section.

    Args:
        path: of the file.
        title: of its run; what is before a colon names it.

    Raises:
        ValueError: no HDF5 file, a dataset missing, or of another shape than the image.
    """

    def __init__(self, path: Path, title: str) -> None:
        self.path, self.title, self.name = path, title, title.split(":")[0]
        try:
            self.file = h5py.File(path, "r")
        except OSError as error:
            raise ValueError(f"{path} cannot be read ({error}); evaluate the run again") from error
        missing = [name for name in NEEDED if name not in self.file]
        if missing:
            raise ValueError(
                f"{path} has no dataset '{missing[0]}', only {', '.join(self.file)}; evaluate the run again"
            )
        self.shape: tuple[int, int, int] = self.file["image"].shape
        for name in ("labels", "instances", "prediction"):
            if name in self.file and self.file[name].shape[-3:] != self.shape:
                raise ValueError(
                    f"{path}: '{name}' has shape {self.file[name].shape}, 'image' {self.shape}; evaluate the run again"
                )
        size = self.file.attrs.get("voxel_size_nm")
        self.voxel_size_nm = None if size is None else tuple(float(edge) for edge in np.ravel(size))
        self.volume, self.box = (str(self.file.attrs.get(name, "")) for name in ("volume", "box"))
        labelled = "labels" in self.file
        self.table = (
            table_of_volumes(_UnknownAsBackground(self.file["labels"]), self.file["instances"]) if labelled else None
        )
        self.wrong = None if self.table is None else mistakes(self.table)

    @property
    def channels(self) -> list[str]:
        """Names of the prediction's channels."""
        names = self.file.attrs.get("channels")
        if isinstance(names, str | bytes):
            words = names.decode() if isinstance(names, bytes) else names
            names = json.loads(words) if words.startswith("[") else words.split(",")
        found = [] if names is None else [n.decode() if isinstance(n, bytes) else str(n).strip() for n in names]
        count = self.file["prediction"].shape[0]
        return found if len(found) == count else [f"channel {k}" for k in range(count)]

    @property
    def place(self) -> tuple[str, str, tuple[int, int, int], tuple[float, ...] | None]:
        """What it is of: evaluations of the same place, in voxels of the same size, are shown side by side."""
        return self.volume, self.box, self.shape, self.voxel_size_nm

    @property
    def start(self) -> tuple[int, int, int]:
        """First voxel (z, y, x) in the volume, from the box."""
        z, y, x = (int(first) for first in re.findall(r"(\d+):", self.box)) if self.box.count(":") == 3 else (0, 0, 0)
        return z, y, x

    @cached_property
    def errors(self) -> list[SegmentationError]:
        """The worst errors at voxels of the box, those of the most bits first."""
        if self.table is None:
            return []
        labels = _UnknownAsBackground(self.file["labels"])
        located = locate_errors(largest_errors(self.table, WORST), labels, self.file["instances"])
        return [error for error in located if error.location is not None]

    def section(self, name: str, z: int, factor: int) -> NDArray[Any]:
        """(y, x), or (channels, y, x) of the prediction; grey values averaged and ids picked over `factor` pixels."""
        if name == "prediction":
            planes = self.file[name][:3, z]
            return np.stack([_reduced(plane, factor) for plane in planes])
        if name == "image":
            return _reduced(self.file[name][z], factor)
        ids: NDArray[Any] = self.file[name][z][::factor, ::factor]
        return ids

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def painted(self, ids: NDArray[Any]) -> NDArray[Any]:
        """Ids to colour predicted ones by; with ground truth, the largest segment of an object has the object's id."""
        return ids if self.table is None else alike(ids, self.table)


class _UnknownAsBackground:
    """Labels whose -1 reads as 0, block by block."""

    def __init__(self, labels: Any) -> None:
        self.labels, self.shape, self.dtype = labels, labels.shape, np.dtype(labels.dtype)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        known: NDArray[Any] = np.maximum(self.labels[key], 0)
        return known


def _reduced(plane: NDArray[Any], factor: int) -> NDArray[np.uint8]:
    picture = Image.fromarray(np.ascontiguousarray(plane, np.uint8))
    return np.asarray(picture if factor == 1 else picture.reduce(factor))
