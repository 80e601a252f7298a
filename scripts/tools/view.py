"""`python -m scripts view IMAGE`: image, prediction, instances, truth and the worst errors in Neuroglancer."""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np

from scripts.data.files.replacing import replacing
from scripts.data.volumes import open_volume
from scripts.data.volumes.part import VolumePart
from scripts.ops.box import Box
from scripts.ops.limits import Limits
from scripts.ops.scoring.error_locations import SegmentationError, largest_errors, locate_errors, worst_errors
from scripts.tools.command_line.argument_types import VoxelSize
from scripts.tools.edits_file import edits_of_state
from scripts.tools.viewer_sources import UnsignedLabels, decode_of, edges_of, offset_of, open_prediction, viewer_url
from scripts.visualize.local_viewer import Viewed, open_viewer
from scripts.visualize.neuroglancer_state import LayerSource, viewer_state

logger = logging.getLogger(__name__)

UNIT = (1.0, 1.0, 1.0)


def view(
    image: str,
    *,
    prediction: str | None = None,
    instances: str | None = None,
    truth: str | None = None,
    scores: str | None = None,
    worst: Annotated[int, Limits(0, 10_000)] = 20,
    voxel_size_nm: VoxelSize | None = None,
    bind: str = "127.0.0.1",
    port: Annotated[int, Limits(0, 65535)] = 0,
    state: str | None = None,
    url: str = "http://127.0.0.1:9000",
    root: str = ".",
    edits: str | None = None,
    overwrite: bool = False,
) -> str | None:
    """Show a volume, a prediction, instances, truth and the worst errors in the browser, in sections, until Ctrl-C.

    The errors are annotations, the worst first, each with a sentence, such as "id 9 merges truth 176 and 66: 0.22
    bits"; a click shows it. Volumes of every format are shown as they are (extra `view`). With --state the state is
    written instead, for a viewer elsewhere, without the extra: its volumes are OME-Zarr, N5 or precomputed, which
    `python -m scripts serve ROOT` serves.
    Example: python -m scripts view image.h5:raw --instances seg.h5:labels --truth image.h5:labels

    Args:
        image: grey values.
        prediction: affinities or probabilities (channels, z, y, x), as inference writes them.
        instances: labels; those of a box are shown at its position.
        truth: labels.
        scores: a file of `score --out` with the worst errors; without it they are counted, where both labels are given.
        worst: how many errors to mark.
        voxel_size_nm: z,y,x, where the image does not state it.
        bind: address of this machine to listen at; 0.0.0.0 is reached from the network.
        port: 0 takes any that is free.
        state: write the state to this JSON file and do not open the viewer.
        url: with --state, the address at which `root` is served.
        root: with --state, the folder that is served.
        edits: write what the user merged and split to this JSON file at Ctrl-C, for `decode --edits`: segments joined
            by the viewer's merge tool, and lines from point to point in the layers merges and splits.
        overwrite: replace files that are there.
    """
    paths = {"image": image, "prediction": prediction, "instances": instances, "truth": truth}
    named = {name: path for name, path in paths.items() if path is not None}
    if edits is not None and Path(edits).exists() and not overwrite:
        raise FileExistsError(f"'{edits}' exists; give another --edits, or --overwrite")
    with ExitStack() as opened:
        shown = prepare_view(opened, named, scores, worst, voxel_size_nm)
        if state is not None:
            for layer in shown.state["layers"]:
                if layer["name"] in named:
                    layer["source"] = viewer_url(named[layer["name"]], root, url)
            return _write(Path(state), shown.state, root, url, overwrite)
        viewer = open_viewer(shown.state, shown.data, bind, port)
        logger.info(f"{shown.errors} errors marked\nopen {viewer} in a browser; Ctrl-C ends")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            if edits is None:
                raise
            made = edits_of_state(viewer.state.to_json(), decode_of(named.get("instances")))
            with replacing(edits, overwrite) as partial:
                partial.write_text(json.dumps(made, indent=1))
            return f"{edits}: {len(made['edits'])} edits"


class Shown(NamedTuple):
    """The state of the viewer, the data of its layers by name, and the number of errors that are marked."""

    state: dict[str, Any]
    data: dict[str, Viewed]
    errors: int


def prepare_view(
    opened: ExitStack,
    paths: Mapping[str, str],
    scores: str | None = None,
    worst: int = 20,
    voxel_size_nm: Sequence[float] | None = None,
) -> Shown:
    """What the viewer shows.

    Args:
        opened: closes the volumes in the end.
        paths: of `image`, and of `prediction`, `instances` and `truth` where they are shown.
        scores, worst, voxel_size_nm: as `view`.

    Raises:
        ValueError: volumes that do not fit together.
        OSError: one cannot be read.
    """
    size = None if voxel_size_nm is None else tuple(voxel_size_nm)
    grey = opened.enter_context(open_volume(paths["image"], voxel_size_nm=size))
    edges = grey.voxel_size_nm or UNIT
    first = offset_of(grey, edges)
    layers, data = [LayerSource("image", "image")], {"image": Viewed(grey, first, edges, False)}
    if "prediction" in paths:
        maps = open_prediction(paths["prediction"])
        real = np.dtype(maps.array.dtype).kind == "f"
        own = edges_of(maps.array.shape[1:], maps.voxel_size_nm, grey, edges)
        layers.append(LayerSource("prediction", "prediction", "", maps.array.shape[0], real, visible=False))
        data["prediction"] = Viewed(maps.array, maps.offset, own, False)
    for name in ("instances", "truth"):
        if name in paths:
            labels = opened.enter_context(open_volume(paths[name]))
            labels = UnsignedLabels(labels) if labels.dtype.kind == "i" else labels
            own = edges_of(labels.shape, labels.voxel_size_nm, grey, edges)
            shown = name == "instances" or "instances" not in paths
            layers.append(LayerSource(name, "segmentation", visible=shown))
            data[name] = Viewed(labels, offset_of(labels, own), own, True)
    errors = _errors(data, scores, worst)
    counted = data["instances" if "instances" in data else "image"]  # whose voxels positions of the state count
    centre = [
        (at + extent / 2) * edge / one
        for at, extent, edge, one in zip(first, grey.shape, edges, counted.voxel_size_nm, strict=True)
    ]
    offset = counted.offset if "instances" in data else (0, 0, 0)
    width = max(counted.array.shape[1:])
    return Shown(viewer_state(layers, counted.voxel_size_nm, centre, errors, offset, width), data, len(errors))


def _errors(data: Mapping[str, Viewed], scores: str | None, worst: int) -> list[SegmentationError]:
    """The worst errors, at voxels of the instances."""
    if not {"instances", "truth"} <= set(data):
        if scores is not None:
            raise ValueError("--scores needs --instances and --truth, in which the errors are located")
        return []
    found, truth = data["instances"].array, data["truth"].array
    if truth.shape != found.shape:
        sizes = [data[name].voxel_size_nm for name in ("instances", "truth")]
        if not np.allclose(sizes[0], sizes[1], rtol=0.01):
            raise ValueError(
                f"the instances have voxels of {sizes[0]} nm (z, y, x), the truth of {sizes[1]}; give truth of the "
                "same voxels, or leave --truth out"
            )
        low = [a - b for a, b in zip(data["instances"].offset, data["truth"].offset, strict=True)]
        high = [at + extent for at, extent in zip(low, found.shape, strict=True)]
        part = ",".join(f"{first}:{end}" for first, end in zip(low, high, strict=True))
        if min(low) < 0:
            raise ValueError(
                f"the instances begin {tuple(low)} voxels (z, y, x) before the truth; give truth of that box too"
            )
        truth = VolumePart(truth, Box.parse(part, truth.shape))
    if scores is not None:
        listed = worst_errors(json.loads(Path(str(scores)).read_text()))[:worst]
    else:
        from scripts.ops.scoring.contingency_blocks import table_of_volumes

        listed = largest_errors(table_of_volumes(truth, found), worst)
    return locate_errors(listed, truth, found)


def _write(path: Path, described: dict[str, Any], root: str, url: str, overwrite: bool) -> str:
    with replacing(path, overwrite) as partial:
        partial.write_text(json.dumps(described, indent=1))
    return f"{path}: load it in Neuroglancer (the {{}} button), while `python -m scripts serve {root}` serves {url}"
