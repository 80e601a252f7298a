"""The evaluation of runs as a viewer: image, labels, and of each run its prediction, instances and errors."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scripts.ops.contingency_blocks import table_of_volumes
from scripts.tools.reporting.instance_colours import ERROR_COLOURS, INSTANCE_COLOURS, ErrorMap, instance_places
from scripts.tools.reporting.markup import indexed_png, jpeg
from scripts.tools.reporting.viewer import Panel, Viewer, scale_bar

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
        self.labelled = "labels" in self.file
        self.errors = ErrorMap(self._table()) if self.labelled else None

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
    def place(self) -> tuple[str, str, tuple[int, int, int]]:
        """What it is of: evaluations of the same place are shown side by side."""
        return self.volume, self.box, self.shape

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
        """Let go of the file."""
        self.file.close()

    def _table(self) -> Any:
        labels = self.file["labels"]
        known = _Known(labels) if np.dtype(labels.dtype).kind == "i" else None
        return table_of_volumes(labels, self.file["instances"], mask=known)


class _Known:
    """Where labels are not -1, as a mask to read block by block."""

    def __init__(self, labels: Any) -> None:
        self.labels, self.shape, self.dtype = labels, labels.shape, np.dtype(np.uint8)

    def __getitem__(self, key: Any) -> NDArray[np.bool_]:
        known: NDArray[np.bool_] = np.asarray(self.labels[key]) >= 0
        return known


def viewers(evaluations: Sequence[Evaluation], characters: int) -> list[Viewer]:
    """One viewer for each place that was evaluated, all of them within so many characters of HTML."""
    places: dict[Any, list[Evaluation]] = {}
    for one in evaluations:
        places.setdefault(one.place, []).append(one)
    share = characters // max(1, len(places))
    return [_fitting(f"segmentation-{k}", alike, share) for k, alike in enumerate(places.values(), start=1)]


def _fitting(name: str, alike: Sequence[Evaluation], characters: int) -> Viewer:
    for count, side in SIZES:
        viewer = _drawn(name, alike, count, side)
        figures = sum(len(panel.layers) for _, panels in viewer.rows for panel in panels)
        per_picture = viewer.size / max(1, sum(map(len, viewer.store.values())))
        if viewer.size + figures * per_picture <= characters:  # each figure begins with a picture of its own
            break
    return viewer


def _drawn(name: str, alike: Sequence[Evaluation], count: int, side: int) -> Viewer:
    first = alike[0]
    depth, height, width = first.shape
    picked = np.unique(np.linspace(0, depth - 1, min(count, depth)).round().astype(int)).tolist()
    factor = max(1, -(-max(height, width) // side))
    store: dict[str, list[str]] = {"image": [jpeg(first.section("image", z, factor)) for z in picked]}
    rows = [("", [Panel("image", ["image"], "Electron micrograph")])]
    if first.labelled:
        store["labels"] = [
            indexed_png(instance_places(first.section("labels", z, factor)), INSTANCE_COLOURS) for z in picked
        ]
        rows[0][1].append(Panel("labels", ["image", "labels"], "Ground-truth objects in colours over the micrograph"))
    for k, one in enumerate(alike):
        rows.append((one.title, _panels(one, f"{k}-", picked, factor, store)))
    legend = {}
    if any(one.errors for one in alike):
        legend = {
            "merge": "merged: part of a segment that belongs to another object than most of it",
            "split": "split: part of an object that lies in another segment than most of it",
        }
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
    store[f"{prefix}instances"] = each(
        lambda z: indexed_png(instance_places(one.section("instances", z, factor)), INSTANCE_COLOURS)
    )
    panels = [
        Panel(f"prediction ({what})", [f"{prefix}prediction"], f"Predicted maps of {one.title}: {what}"),
        Panel("instances", ["image", f"{prefix}instances"], f"Instances of {one.title} in colours"),
    ]
    if one.errors is not None:
        errors = one.errors
        store[f"{prefix}errors"] = each(
            lambda z: indexed_png(
                errors.places(one.section("labels", z, factor), one.section("instances", z, factor)), ERROR_COLOURS
            )
        )
        found = errors.errors
        title = f"errors ({found.split_objects} split objects, {found.merged_segments} merging segments)"
        words = f"Errors of {one.title}: merges red, splits yellow"
        panels.append(Panel(title, ["image", f"{prefix}errors"], words))
    return panels


def _coloured(maps: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(channels, y, x) to (y, x) grey or (y, x, 3) colours; of two channels blue stays empty."""
    if len(maps) == 1:
        grey: NDArray[np.uint8] = maps[0]
        return grey
    picture = np.zeros((*maps.shape[1:], 3), np.uint8)
    picture[..., : len(maps)] = np.moveaxis(maps, 0, -1)
    return picture


def _reduced(plane: NDArray[Any], factor: int) -> NDArray[np.uint8]:
    picture = Image.fromarray(np.ascontiguousarray(plane, np.uint8))
    return np.asarray(picture if factor == 1 else picture.reduce(factor))
