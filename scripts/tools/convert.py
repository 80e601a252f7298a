"""`python -m scripts convert SOURCE OUT`: write a volume in a format that a viewer opens."""

import sys
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

from scripts.data.export.prediction import is_prediction, write_prediction
from scripts.data.export.write import Options, parse_target, voxels_of_levels, write_volume
from scripts.data.files.attributes import made_by
from scripts.data.files.predictions import open_prediction
from scripts.data.volumes import open_volume
from scripts.data.volumes.part import VolumePart
from scripts.data.volumes.voxel_size import checked_voxel_size
from scripts.ops.box import Box
from scripts.ops.limits import Count, Limits, Size
from scripts.tools.command_line.argument_types import BoxText, VoxelSize
from scripts.tools.inspect import looks_like_labels


def convert(
    source: str,
    out: str,
    *,
    box: BoxText | None = None,
    labels: bool | None = None,
    scale: Annotated[int, Limits(0, 99)] = 0,
    voxel_size_nm: VoxelSize | None = None,
    version: Literal["0.5", "0.4"] = "0.5",
    prediction: str | None = None,
    meshes: bool = False,
    skeletons: bool = False,
    ids: Sequence[Size] | None = None,
    smallest: Count = 10000,
    resume: bool = False,
    overwrite: bool = False,
) -> str:
    """Write a volume in a format that Neuroglancer, napari, webKnossos or Fiji open, block by block.

    The name of OUT chooses the format: image.zarr is OME-Zarr with coarser levels; image.zarr:labels/NAME adds labels
    to it; precomputed://FOLDER is a Neuroglancer volume, labels as 64-bit compressed segmentation with their
    properties (extra `cloud`); file.h5:DATASET and stack.tif are for boxes. Coarser levels take the mean of grey values
    and the most frequent label. A prediction, (channels, z, y, x), goes to NAME.zarr, NAME.h5 or NAME.tif.
    Example: python -m scripts convert image.h5:raw image.zarr

    Args:
        source: any volume that is read: a file, a folder or an address; or a prediction.
        out: where to write, replaced only with --overwrite.
        box: the part to write, z0:z1,y0:y1,x0:x1; it keeps its position.
        labels: whether the voxels are ids; by the type of the voxels and the name of the dataset if not given.
        scale: level of the source, 0 the finest.
        voxel_size_nm: z,y,x, where the source does not state it.
        version: of OME-Zarr, 0.5 or 0.4.
        prediction: affinities of the labels (3, z, y, x), for the mean at the border of each segment.
        meshes: write the surfaces of segments; precomputed only.
        skeletons: write skeletons of segments, SWC too; precomputed only.
        ids: segments to draw, with commas; all of at least `smallest` voxels if not given.
        smallest: voxels of the smallest segment to draw.
        resume: continue a conversion that was stopped; TIFF and HDF5 are written anew.
        overwrite: replace what is there.
    """
    kind = parse_target(out).kind
    drawing = meshes or skeletons or prediction is not None
    how: dict[str, Any] = {"version": version, "resume": resume, "overwrite": overwrite}
    if is_prediction(source):
        if labels or drawing:
            raise ValueError(
                f"'{source}' is a prediction of several channels, no labels; leave --labels, --meshes, --skeletons "
                "and --prediction out"
            )
        if scale:
            raise ValueError(f"--scale {scale}: name the level of a prediction in its path, such as maps.zarr:{scale}")
        return _convert_prediction(source, out, box, voxel_size_nm, how)
    with open_volume(source, scale=scale, voxel_size_nm=voxel_size_nm) as volume:
        are_labels = looks_like_labels(volume) if labels is None else labels
        if drawing and not (kind == "precomputed" and are_labels):
            raise ValueError(
                "--meshes, --skeletons and --prediction are for labels that go to precomputed://FOLDER; change the "
                "target, or give --labels"
            )
        part = VolumePart(volume, Box.parse(box, volume.shape))
        finish = None
        if kind == "precomputed" and are_labels:
            from scripts.data.export.segment_files import Drawn, box_in_prediction, write_segment_files

            inside = part.box if prediction is None else box_in_prediction(part, prediction)
            drawn = Drawn(meshes, skeletons, ids, smallest, prediction, inside)
            finish = partial(write_segment_files, drawn=drawn)
        plan = {
            "source": volume.path,
            "scale": scale,
            "box": str(part.box),
            "labels": are_labels,
            "voxel_size_nm": None if part.voxel_size_nm is None else list(part.voxel_size_nm),
        }
        with _progress(part.shape) as bar:
            noted = made_by(source) if are_labels else {}
            options = Options(are_labels, plan=plan, progress=bar.update, attributes=noted, **how)
            notes = write_volume(part, out, options, finish)
    shape = " x ".join(map(str, part.shape))
    return "\n".join([f"{out}: {shape} voxels (z, y, x), {part.dtype}", *notes])


def _convert_prediction(
    source: str, out: str, box: str | None, voxel_size_nm: Sequence[float] | None, how: dict[str, Any]
) -> str:
    with open_prediction(source) as maps:
        if voxel_size_nm is not None:
            maps.voxel_size_nm = checked_voxel_size(voxel_size_nm, source)
        part = Box.parse(box, maps.shape[1:])
        size = None if maps.voxel_size_nm is None else list(maps.voxel_size_nm)
        plan = {"source": source, "box": str(part), "voxel_size_nm": size}
        with _progress(part.shape) as bar:
            notes = write_prediction(maps, source, part, out, Options(False, plan=plan, progress=bar.update, **how))
    shape = " x ".join(map(str, (maps.shape[0], *part.shape)))
    return "\n".join([f"{out}: {shape} (channels, z, y, x), {maps.dtype}", *notes])


def _progress(shape: Sequence[int]) -> Any:
    from tqdm import tqdm

    hidden = not sys.stderr.isatty()
    return tqdm(total=voxels_of_levels(shape), unit="voxel", unit_scale=True, disable=hidden)
