"""The state of Neuroglancer that shows a volume, what a network made of it, and the worst errors.

Sections are what is seen first: the axes of the state are x, y, z, and the layout is the xy panel.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from scripts.ops.scoring.error_locations import SegmentationError

GREY = "#uicontrol invlerp normalized\nvoid main() {\n  emitGrayscale(normalized());\n}\n"
AFFINITIES = (
    "void main() {\n"
    "  emitRGB(vec3(toNormalized(getDataValue(2)), toNormalized(getDataValue(1)), toNormalized(getDataValue(0))));\n"
    "}\n"
)
"""Affinities of y and z in green and blue, x in red: a membrane is black."""
ONE_CHANNEL = "void main() {\n  emitGrayscale(toNormalized(getDataValue(0)));\n}\n"
FLOATS = (AFFINITIES.replace("toNormalized", "float"), ONE_CHANNEL.replace("toNormalized", "float"))
PANEL = 720
"""Pixels of the panel in a browser window, about."""
CLOSEST = 0.25
"""Voxels a pixel where the view is zoomed in most."""


class LayerSource(NamedTuple):
    """What a layer shows.

    Attributes:
        name: of the layer.
        kind: `image`, `prediction` or `segmentation`.
        url: of the data; empty where the viewer is given the data itself.
        channels: of a prediction.
        real: whether the values are real numbers, shown from 0 to 1.
        visible: whether it is shown at the start.
    """

    name: str
    kind: str
    url: str = ""
    channels: int = 1
    real: bool = False
    visible: bool = True


def viewer_state(
    layers: Sequence[LayerSource],
    voxel_size_nm: Sequence[float],
    centre: Sequence[float],
    errors: Sequence[SegmentationError] = (),
    offset: Sequence[float] = (0, 0, 0),
    width: float = PANEL,
) -> dict[str, Any]:
    """The state as Neuroglancer reads it, ready for `json.dumps`.

    Args:
        layers: from the bottom up.
        voxel_size_nm: (z, y, x) in nm.
        centre: voxel (z, y, x) to look at where there are no errors.
        errors: become annotations, in this order; the view opens at the first.
        offset: added to the location of each error, (z, y, x) voxels.
        width: voxels along y or x that the view is zoomed to.
    """
    points = [
        {
            "type": "point",
            "id": f"error-{number:03d}",
            "point": _xyz([at + first + 0.5 for at, first in zip(error.location, offset, strict=True)]),
            "description": f"{number}. {error}",
            "segments": [[str(error.id)] if error.kind == "merge" else [str(error.first), str(error.second)]],
        }
        for number, error in enumerate((one for one in errors if one.location is not None), 1)
        if error.location is not None
    ]
    described = [_layer(layer) for layer in layers]
    if points:
        annotations: dict[str, Any] = {
            "type": "annotation",
            "name": "errors",
            "source": {"url": "local://annotations", "transform": {"outputDimensions": _dimensions(voxel_size_nm)}},
            "tab": "annotations",
            "annotationColor": "#ffee00",
            "annotations": points,
        }
        if any(layer.name == "instances" for layer in layers):
            annotations |= {"linkedSegmentationLayer": {"segments": "instances"}, "filterBySegmentation": []}
        described.append(annotations)
    if any(layer.kind == "segmentation" for layer in layers):
        described += [_edit_layer("merges", "#00ff88", voxel_size_nm), _edit_layer("splits", "#ff4444", voxel_size_nm)]
    state: dict[str, Any] = {
        "dimensions": _dimensions(voxel_size_nm),
        "position": points[0]["point"] if points else _xyz(centre),
        "crossSectionScale": min(max(width / PANEL, CLOSEST), 1.0),
        "layers": described,
        "layout": "xy",
    }
    if points:
        state["selectedLayer"] = {"layer": "errors", "visible": True}
    return state


def _layer(layer: LayerSource) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "image", "name": layer.name, "source": layer.url}
    if layer.kind == "segmentation":
        found |= {"type": "segmentation", "selectedAlpha": 0.35, "notSelectedAlpha": 0.2}
    elif layer.kind == "prediction":
        colours = 0 if layer.channels >= 3 else 1
        found |= {"shader": FLOATS[colours] if layer.real else (AFFINITIES, ONE_CHANNEL)[colours], "opacity": 0.6}
    else:
        found["shader"] = GREY
    return found if layer.visible else {**found, "visible": False}


def _edit_layer(name: str, colour: str, voxel_size_nm: Sequence[float]) -> dict[str, Any]:
    """A layer in which the user draws lines from point to point: what to join, what to take apart."""
    return {
        "type": "annotation",
        "name": name,
        "source": {"url": "local://annotations", "transform": {"outputDimensions": _dimensions(voxel_size_nm)}},
        "tool": "annotateLine",
        "annotationColor": colour,
        "annotations": [],
    }


def _dimensions(voxel_size_nm: Sequence[float]) -> dict[str, list[Any]]:
    """x, y, z in metres: the first two are the axes of the panel."""
    return {axis: [float(f"{size * 1e-9:.9g}"), "m"] for axis, size in zip("xyz", reversed(voxel_size_nm), strict=True)}


def _xyz(place: Sequence[float]) -> list[float]:
    return [float(at) for at in reversed(place)]
