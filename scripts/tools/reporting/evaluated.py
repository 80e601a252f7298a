"""The evaluation of runs as a viewer: image, labels, and of each run its prediction, instances and errors."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.contingency_blocks import table_of_volumes
from scripts.tools.reporting.markup import jpeg, transparent_png
from scripts.tools.reporting.viewer import Panel, Viewer, scale_bar
from scripts.visualize.segmentation_panels import (
    ERRORS,
    Mistakes,
    alike,
    id_colours,
    map_colours,
    marked_errors,
    mistakes,
)

SIZES = ((24, 448), (24, 352), (16, 352), (16, 288), (12, 256), (8, 224), (6, 160), (4, 112), (2, 96))
"""Sections and longest side in pixels of a viewer, tried in turn until it fits its share of the page."""
COLOUR_NAMES = ("red", "green", "blue")
NEEDED = ("image", "instances", "prediction")


class Evaluation:
    """An `evaluation.h5`, read section by section.

    Args:
        path: of the file.
        title: of its run.

    Raises:
        ValueError: no HDF5 file, a dataset missing, or of another shape than the image.
    """

    def __init__(self, path: Path, title: str) -> None:
        self.path, self.title = path, title
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
        self.table = self._table() if "labels" in self.file else None
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
    def first(self) -> int:
        """Number of the first section in the volume, from the box."""
        start = self.box.split(":")[0].strip("[( ")
        return int(start) if start.isdigit() else 0

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

    def painted(self, z: int, factor: int) -> NDArray[Any]:
        """(y, x) predicted ids; with ground truth, the largest segment of an object has the object's id."""
        ids = self.section("instances", z, factor)
        return ids if self.table is None else alike(ids, self.table)

    def _table(self) -> ContingencyTable:
        return table_of_volumes(_UnknownAsBackground(self.file["labels"]), self.file["instances"])


class _UnknownAsBackground:
    """Labels whose -1 reads as 0, block by block."""

    def __init__(self, labels: Any) -> None:
        self.labels, self.shape, self.dtype = labels, labels.shape, np.dtype(labels.dtype)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        known: NDArray[Any] = np.maximum(self.labels[key], 0)
        return known


def viewers(evaluations: Sequence[Evaluation], characters: int) -> list[Viewer]:
    """One viewer for each place that was evaluated, all of them within so many characters of HTML."""
    places: dict[Any, list[Evaluation]] = {}
    for one in evaluations:
        places.setdefault(one.place, []).append(one)
    share = characters // max(1, len(places))
    return [_fitting(f"segmentation-{k}", found, share) for k, found in enumerate(places.values(), start=1)]


def _fitting(name: str, together: Sequence[Evaluation], characters: int) -> Viewer:
    for count, side in SIZES:
        viewer = _drawn(name, together, count, side)
        figures = sum(len(panel.layers) for _, panels in viewer.rows for panel in panels)
        per_picture = viewer.size / max(1, sum(map(len, viewer.store.values())))
        if viewer.size + figures * per_picture <= characters:  # each figure begins with a picture of its own
            break
    return viewer


def _drawn(name: str, together: Sequence[Evaluation], count: int, side: int) -> Viewer:
    first = together[0]
    depth, height, width = first.shape
    picked = np.unique(np.linspace(0, depth - 1, min(count, depth)).round().astype(int)).tolist()
    factor = max(1, -(-max(height, width) // side))
    store: dict[str, list[str]] = {"image": [jpeg(first.section("image", z, factor)) for z in picked]}
    rows = [("", [Panel("image", ["image"], "Electron micrograph")])]
    if first.table is not None:
        store["labels"] = [transparent_png(first.section("labels", z, factor), id_colours) for z in picked]
        rows[0][1].append(Panel("labels", ["image", "labels"], "Ground-truth objects in colours over the micrograph"))
    for k, one in enumerate(together):
        rows.append((one.title, _panels(one, f"{k}-", picked, factor, store)))
    legend = {}
    if any(one.wrong is not None for one in together):
        legend = {name: "rgb({:.0f} {:.0f} {:.0f})".format(*(255 * c for c in rgb)) for name, rgb in ERRORS.items()}
    size = first.voxel_size_nm
    return Viewer(
        name=name,
        sections=[first.first + z for z in picked],
        store=store,
        rows=rows,
        scale=scale_bar(width, None if size is None else size[2]),
        legend=legend,
        shape=(-(-height // factor), -(-width // factor)),
    )


def _panels(
    one: Evaluation, prefix: str, picked: Sequence[int], factor: int, store: dict[str, list[str]]
) -> list[Panel]:
    """Pictures of a run go into the store; the panels that show them come back."""

    def each(draw: Callable[[int], str]) -> list[str]:
        return [draw(z) for z in picked]

    names = one.channels
    shown = ", ".join(f"{colour} {name}" for colour, name in zip(COLOUR_NAMES, names, strict=False))
    what = names[0] if len(names) == 1 else shown
    store[f"{prefix}prediction"] = each(lambda z: jpeg(_coloured(one.section("prediction", z, factor))))
    store[f"{prefix}instances"] = each(lambda z: transparent_png(one.painted(z, factor), id_colours))
    panels = [
        Panel(f"prediction ({what})", [f"{prefix}prediction"], f"Predicted maps of {one.title}: {what}"),
        Panel("instances", ["image", f"{prefix}instances"], f"Instances of {one.title} in colours"),
    ]
    if one.wrong is not None:
        wrong = one.wrong
        store[f"{prefix}errors"] = each(lambda z: jpeg(_marked(one, wrong, z, factor)))
        counts = f"split {len(wrong.split)}, merging {len(wrong.merged)}, missed {len(wrong.missed)}"
        words = f"Errors of {one.title}: split objects yellow, merging segments red, missed objects blue"
        panels.append(Panel(f"errors ({counts})", ["image", f"{prefix}errors"], words, sheer=False))
    return panels


def _marked(one: Evaluation, wrong: Mistakes, z: int, factor: int) -> NDArray[np.uint8]:
    """(y, x, 3): the section with what is wrong in colours."""
    grey, labels, instances = (one.section(name, z, factor)[None] for name in ("image", "labels", "instances"))
    marked: NDArray[np.uint8] = np.round(255 * marked_errors(grey / 255, labels, instances, wrong)[0]).astype(np.uint8)
    return marked


def _coloured(maps: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(channels, y, x) to (y, x, 3): red, green and blue, or grey of one channel."""
    painted: NDArray[np.uint8] = np.round(255 * map_colours(maps / 255, [False] * len(maps))).astype(np.uint8)
    return painted


def _reduced(plane: NDArray[Any], factor: int) -> NDArray[np.uint8]:
    picture = Image.fromarray(np.ascontiguousarray(plane, np.uint8))
    return np.asarray(picture if factor == 1 else picture.reduce(factor))
