"""Choose the box of an inference or a reconstruction, and print the command that decodes maps."""

import dataclasses
import logging
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.data.datasets.manifest import Split
from scripts.data.regions.open_regions import open_regions
from scripts.data.regions.region import Region
from scripts.data.regions.region_checks import check_grey
from scripts.data.regions.volume_mask import Masks
from scripts.data.volumes.downsampled import AS_STORED

logger = logging.getLogger(__name__)

WHOLE = ":,:,:"


def inference_region(
    volume: str | os.PathLike[str],
    box: str | None,
    grey_low: float | None = None,
    grey_high: float | None = None,
    downsample: Sequence[int] = AS_STORED,
    split: Split | None = None,
    mask: Masks = None,
) -> Region:
    """Return the box of a volume to predict: the one given, else its part of a split, else all of it.

    Args:
        volume: a path, a data manifest or `synthetic`, as in `scripts.data.open_regions`; of several volumes the first.
        box: `z0:z1,y0:y1,x0:x1` in voxels, or null.
        grey_low: grey value that is black; needed unless the volume is uint8.
        grey_high: grey value that is white.
        downsample: stored voxels (z, y, x) that are averaged into one; the box counts the larger voxels.
        split: "training" or "validation", the part of the volume where no box is given; null for all of it.
        mask: the voxels that count, as in `scripts.data.open_regions`.

    Raises:
        ValueError: no such box, no grey range, impossible factors, or a mask that does not fit.
    """
    part = box if split else box or WHOLE
    region = open_regions(volume, split or "training", part, section_depth=1, downsample=downsample, mask=mask)[0]
    check_grey([region], grey_low, grey_high)
    return dataclasses.replace(region, label=None)


def print_decode_command(out: str | os.PathLike[str], decoder: Mapping[str, Any], offsets: str | None = None) -> None:
    """Print the command that turns the maps into instances.

    Args:
        out: the maps.
        decoder: "name" and "settings" of the checkpoint's decoder.
        offsets: convention of the affinities; null for other maps.
    """
    logger.info(f"instances   {decode_command(out, decoder, offsets)}")


def decode_command(out: str | os.PathLike[str], decoder: Mapping[str, Any], offsets: str | None = None) -> str:
    """Return `python -m scripts decode maps.zarr --decoder agglomeration --out maps_instances.h5 --threshold 0.3`."""
    settings = {name: value for name, value in decoder["settings"].items() if value is not None}
    if offsets not in (None, "nearest"):
        settings.setdefault("offsets", offsets)
    words = [str(out), "--decoder", str(decoder["name"])]
    options = {n: ",".join(map(str, v)) if isinstance(v, list | tuple) else str(v) for n, v in settings.items()}
    instances = Path(out).with_name(f"{Path(out).stem}_instances.h5")
    words += ["--out", str(instances), *(word for name, value in options.items() for word in (f"--{name}", value))]
    return f"python -m scripts decode {shlex.join(words)}"
