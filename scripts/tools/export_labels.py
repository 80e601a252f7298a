"""`python -m scripts export_labels`: corrected instances of a box as labels to train on."""

from collections.abc import Iterator
from typing import Annotated

import numpy as np

from scripts.data.files.overwriting import check_overwritten
from scripts.data.files.writing import write_hdf5
from scripts.data.regions.known_labels import whole_labels
from scripts.data.volumes import open_volume
from scripts.ops.box import Box
from scripts.tools.command_line.argument_types import BoxText, ending
from scripts.tools.viewer_sources import offset_of

SECTIONS = 8


def export_labels(
    instances: str,
    image: str,
    *,
    out: Annotated[str, ending(".h5", ".hdf5")],
    box: BoxText | None = None,
    overwrite: bool = False,
) -> str:
    """Write instances of a box as labels of an image, -1, unlabelled, in the rest: ready for --labels of a training.

    Example: python -m scripts export_labels corrected.h5:labels image.h5:raw --out labels.h5 --box 80:90,0:256,0:256

    Args:
        instances: as `decode` writes them; those of a box are put at its place.
        image: the volume that the labels belong to.
        out: the HDF5 file to write, dataset `labels`.
        box: the part of the image to take, z0:z1,y0:y1,x0:x1; all that the instances cover if not given.
        overwrite: replace a file that is there.
    """
    with open_volume(image) as grey, whole_labels(open_volume(instances)) as found:
        own, stated = grey.voxel_size_nm, found.voxel_size_nm
        if found.shape != grey.shape and own and stated and not np.allclose(own, stated, rtol=0.01):
            raise ValueError(
                f"{instances} has voxels of {stated} nm (z, y, x), {image} of {own}; bring both to one resolution"
            )
        low = offset_of(found, own or stated or (1.0, 1.0, 1.0))
        high = [at + extent for at, extent in zip(low, found.shape, strict=True)]
        covered = Box.parse(",".join(f"{a}:{b}" for a, b in zip(low, high, strict=True)), grey.shape)
        wanted = covered if box is None else Box.parse(box, grey.shape)
        if not covered.contains(wanted):
            raise ValueError(f"--box {wanted} reaches out of {covered}, which the instances cover")
        largest = 0

        def slabs() -> Iterator[np.ndarray]:
            nonlocal largest
            for z in range(0, grey.shape[0], SECTIONS):
                slab = np.full((min(SECTIONS, grey.shape[0] - z), *grey.shape[1:]), -1, np.int32)
                part = wanted.overlap(Box((z, 0, 0), (z + len(slab), *grey.shape[1:])))
                if part is not None:
                    inside = tuple(slice(a - at, b - at) for a, b, at in zip(part.start, part.stop, low, strict=True))
                    ids = found[inside]
                    largest = max(largest, int(ids.max()))
                    if largest > np.iinfo(np.int32).max:
                        raise ValueError(f"id {largest} is above 2^31 - 1; number the instances from 1 on")
                    slab[(slice(part.start[0] - z, part.stop[0] - z), *part.slices[1:])] = ids
                yield slab

        if overwrite:
            check_overwritten(out, ["labels"])
        write_hdf5(str(out), {"labels": slabs()}, grey.voxel_size_nm, overwrite=overwrite)
    return f"{out}:labels: ids up to {largest} in box {wanted}, -1 (unlabelled) elsewhere"
