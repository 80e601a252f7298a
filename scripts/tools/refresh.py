"""`python -m scripts refresh`: the averages of a network's batch norm, taken anew on another volume."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from scripts.checkpoints.file import load_checkpoint, save_atomically
from scripts.data.volumes import downsampled_volume, open_volume
from scripts.networks.enlarged_sections import LARGEST
from scripts.ops.box import Box
from scripts.ops.limits import Limits
from scripts.tools.command_line.argument_types import BoxText, ending
from scripts.workflow.segmentation_model import load_network

SEEN = (16, 512, 512)
"""Voxels z, y, x in the middle of a volume that are seen where no box is given: enough for averages."""


def refresh(
    checkpoint: str,
    volume: str,
    *,
    out: Annotated[str, ending(".pt")],
    box: BoxText | None = None,
    enlarge: Annotated[float, Limits(1, LARGEST)] = 1.0,
    overwrite: bool = False,
) -> str:
    """Write a checkpoint whose batch norm has the averages of another volume. Weights stay; no label is needed.

    Example: python -m scripts refresh runs/neurons/checkpoints/best.pt other.h5:raw --out runs/neurons/other.pt

    For networks with batch norm (`--trunk_norm batch`), on a volume of another microscope or stain. Predict that
    volume with the new checkpoint, and with the same `--enlarge`.

    Args:
        checkpoint: best.pt of a training.
        volume: grey values, any format.
        out: the checkpoint to write.
        box: what the network sees, z0:z1,y0:y1,x0:x1 in voxels of the network (after `--downsample`); the middle, at
            most 16x512x512, if not given.
        enlarge: for voxels larger in plane than those of the training, their size over that.
        overwrite: replace a file that is there.
    """
    if Path(out).exists() and not overwrite:
        raise FileExistsError(f"'{out}' exists; use another --out, or --overwrite")
    network = load_network(checkpoint)
    with open_volume(volume) as grey:
        shape = downsampled_volume(grey, network.recipe["downsample"]).shape
        seen = _middle(shape) if box is None else Box.parse(box, shape)
        network.refresh(grey, seen, enlarge)
    content = load_checkpoint(checkpoint)
    state = {name: value.cpu() for name, value in network.network.network.state_dict().items()}
    recipe = {**content["recipe"], "norms_of": f"{volume} {seen}"}
    save_atomically({**content, "network": state, "recipe": recipe}, out)
    return f"{out}: the averages of batch norm are those of {volume}, box {seen}"


def _middle(shape: Sequence[int]) -> Box:
    """The middle part of a volume, at most `SEEN`."""
    parts = []
    for extent, most in zip(shape, SEEN, strict=True):
        start = max(0, extent - most) // 2
        parts.append(f"{start}:{min(extent, start + most)}")
    return Box.parse(",".join(parts), shape)
