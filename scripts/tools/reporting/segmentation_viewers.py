"""The evaluation of runs as a viewer: image, labels, and of each run its prediction, instances and worst errors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.ops.scoring.error_locations import SegmentationError
from scripts.tools.reporting.evaluation import Evaluation
from scripts.tools.reporting.pictures import IdColours, jpeg
from scripts.tools.reporting.viewer import Panel, ShownError, Viewer, scale_bar
from scripts.visualize.segmentation_panels import ERRORS, Mistakes, map_colours, marked_errors

SIZES = ((24, 448), (24, 352), (16, 352), (16, 288), (12, 256), (8, 224), (6, 160), (4, 112), (2, 96))
"""Sections and longest side in pixels of a viewer, tried in turn until it fits its share of the page."""
COLOUR_NAMES = ("red", "green", "blue")


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
    picked = shown_sections(depth, count, [error for one in together for error in one.errors])
    factor = max(1, -(-max(height, width) // side))
    size = first.voxel_size_nm
    z0, y0, x0 = first.start
    viewer = Viewer(
        name=name,
        sections=[z0 + z for z in picked],
        store={"image": [jpeg(first.section("image", z, factor)) for z in picked]},
        rows=[("", [Panel("image", ["image"], "Electron micrograph")])],
        scale=scale_bar(width, None if size is None else size[2]),
        shape=(-(-height // factor), -(-width // factor)),
        corner=(y0, x0),
        factor=factor,
    )
    if first.table is not None:
        labels = np.stack([first.section("labels", z, factor) for z in picked])
        _add_ids(viewer, "labels", "truth", labels, labels)
        panel = Panel("labels", ["image", "labels"], "Ground-truth objects in colours over the micrograph")
        viewer.rows[0][1].append(panel)
        viewer.legend = {
            name: "rgb({:.0f} {:.0f} {:.0f})".format(*(255 * c for c in rgb)) for name, rgb in ERRORS.items()
        }
    for k, one in enumerate(together):
        viewer.rows.append((one.title, _add_run(viewer, one, f"{k}-", picked)))
    found = [(error, k) for k, one in enumerate(together) for error in one.errors]
    found.sort(key=lambda each: -each[0].bits)
    shown = [_shown(error, k, together[k], picked) for error, k in found]
    viewer.errors = [error for error in shown if error is not None]
    return viewer


def shown_sections(depth: int, count: int, errors: Sequence[SegmentationError]) -> list[int]:
    """At most `count` of the sections of a box: those of the worst errors, up to half, and others evenly spread.

    Args:
        depth: sections of the box.
        count: how many may be shown.
        errors: with locations.
    """
    if depth <= count:
        return list(range(depth))
    worst = sorted(errors, key=lambda error: -error.bits)
    erroneous = list(dict.fromkeys(error.location[0] for error in worst if error.location))[: count // 2]
    for even in range(count, 0, -1):
        picked = {*erroneous, *np.linspace(0, depth - 1, even).round().astype(int).tolist()}
        if len(picked) <= count:
            break
    return sorted(picked)


def _add_ids(viewer: Viewer, layer: str, name: str, ids: NDArray[Any], painted: NDArray[Any]) -> None:
    """Add (sections, y, x) ids as a layer, coloured by others."""
    colours = IdColours(painted)
    viewer.store[layer] = [colours.png(section) for section in painted]
    _, places = np.unique(painted, return_index=True)
    own = {int(painted.flat[k]): str(ids.flat[k]) for k in places.tolist()}
    viewer.names[layer] = name
    viewer.ids[layer] = {code: own[shown] for code, shown in zip(colours.names(), colours.ids.tolist(), strict=True)}


def _shown(error: SegmentationError, k: int, one: Evaluation, picked: Sequence[int]) -> ShownError | None:
    """An error of run `k` with its ids in the layers of truth and instances; None where its section is not shown."""
    if error.location is None or error.location[0] not in picked:
        return None
    (z, y, x), (z0, y0, x0) = error.location, one.start
    whole, pieces = ("labels", f"{k}-instances")[:: -1 if error.kind == "merge" else 1]
    ids = {whole: [str(error.id)], pieces: [str(error.first), str(error.second)]}
    return ShownError(one.name, str(error), picked.index(z), (z0 + z, y0 + y, x0 + x), ids)


def _add_run(viewer: Viewer, one: Evaluation, prefix: str, picked: Sequence[int]) -> list[Panel]:
    """Put the pictures of a run into the store; the panels that show them are returned."""
    names, factor = one.channels, viewer.factor
    shown = ", ".join(f"{colour} {name}" for colour, name in zip(COLOUR_NAMES, names, strict=False))
    what = names[0] if len(names) == 1 else shown
    viewer.store[f"{prefix}prediction"] = [jpeg(_coloured(one.section("prediction", z, factor))) for z in picked]
    ids = np.stack([one.section("instances", z, factor) for z in picked])
    _add_ids(viewer, f"{prefix}instances", one.name, ids, one.painted(ids))
    panels = [
        Panel(f"prediction ({what})", [f"{prefix}prediction"], f"Predicted maps of {one.title}: {what}"),
        Panel("instances", ["image", f"{prefix}instances"], f"Instances of {one.title} in colours"),
    ]
    if one.wrong is not None:
        wrong = one.wrong
        viewer.store[f"{prefix}errors"] = [jpeg(_marked(one, wrong, z, factor)) for z in picked]
        counts = (
            f"split {len(wrong.split)}, merging {len(wrong.merged)}, missed {len(wrong.missed)}, "
            f"false positive {len(wrong.false_positives)}"
        )
        words = f"Errors of {one.title}: split objects yellow, merging segments red, missed objects blue, false violet"
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
