"""Predict a volume on disk to maps on disk in one call, for volumes of any size."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from scripts.blockwise.block_prediction import BlockPrediction
from scripts.blockwise.prediction_choice import prediction_writer
from scripts.data.regions.region import Region
from scripts.data.regions.region_checks import check_grey
from scripts.data.regions.volume_mask import open_mask
from scripts.data.sampling.prefetch import prefetched
from scripts.data.volumes.open import open_volume
from scripts.data.volumes.volume import Volume
from scripts.handlers.prediction_writer import PredictionWriter
from scripts.inferers.volume_inferer import VolumeInferer
from scripts.inferers.window_rows import StepInferer, VolumeSteps, prepare_item
from scripts.inferers.window_votes import Network
from scripts.ops.box import Box
from scripts.transforms.grey import ScaleGreyd

AHEAD = 2
"""Steps that are read while the network works on another."""


def predict_volume(
    volume: str | os.PathLike[str] | Volume | Region,
    network: Network,
    inferer: VolumeInferer,
    out: str | os.PathLike[str],
    box: str | Box | None = None,
    dtype: str = "float16",
    grey_low: float | None = None,
    grey_high: float | None = None,
    overwrite: bool = False,
    resume: bool = False,
    context: str = "volume",
    device: torch.device | str | None = None,
    channels: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
    blend_memory_gib: float = 4.0,
    workers: int = 0,
    scheduler: str | None = None,
    scheduler_file: str | None = None,
    blocks: Sequence[int] | None = None,
    mask: str | os.PathLike[str] | None = None,
    ome_version: str = "0.5",
) -> Path:
    """Predict a box of a volume with a few sections of it in memory. Reading, network and writing overlap.

    With workers, a scheduler or blocks it goes block by block, with the same bits.

    Args:
        volume: a path as `open_volume` takes it, a volume, or a region. A network that was trained on reduced voxels
            wants them here: `downsampled_volume(open_volume("my.zarr"), (1, 2, 2))`.
        network: windows (n, 1, z, y, x), grey values from -1 to 1, to maps (n, C, z, y, x); see `ActivatedNetwork`.
        inferer: windows, flips, blending.
        out: `.zarr`, `.h5` or `.hdf5`.
        box: `z0:z1,y0:y1,x0:x1` of the volume; all of it, or the region's box, by default.
        dtype: `float16`, `float32` or `uint8`.
        grey_low, grey_high: grey values that are black and white; needed unless the volume is uint8.
        overwrite: replace an earlier prediction.
        resume: continue an earlier run.
        context: `volume` or `box`, see `VolumeSteps`.
        device: of the network; that of its first parameter by default.
        channels: names of the channels, stored with the maps.
        metadata: values to store.
        blend_memory_gib: memory for the sums of the planes a window spans; beyond it they are kept in a file.
        workers, scheduler, scheduler_file, blocks: who predicts blocks, and their voxels (z, y, x); see
            `scripts.blockwise.prediction_writer`.
        mask: the voxels that count, see `open_mask`; elsewhere maps are 0, and windows completely there are skipped.
        ome_version: `0.5` or `0.4`, of OME-Zarr.

    Returns:
        The path of the prediction.

    Raises:
        FileExistsError, BlockingIOError, ValueError: before work starts, for an impossible output, box or setting.
        OSError: the volume cannot be read, or no space is left; finished sections are kept.

    Example::

        predict_volume("my.zarr", network, VolumeInferer(), "maps.zarr", box="0:50,:,:")
    """
    region = _region(volume, box)
    if mask is not None:
        region = dataclasses.replace(region, mask=open_mask(mask, region.image))
    check_grey([region], grey_low, grey_high)
    steps = VolumeSteps(region, inferer, ScaleGreyd("image", grey_low, grey_high), context)
    grey = {"grey_low": grey_low, "grey_high": grey_high, "mask": None if mask is None else os.fspath(mask)}
    writer = prediction_writer(
        steps,
        inferer,
        out,
        dtype,
        overwrite,
        resume,
        channels,
        grey,
        metadata,
        ome_version,
        workers=workers,
        scheduler=scheduler,
        scheduler_file=scheduler_file,
        blocks=blocks,
    )
    was_training = isinstance(network, torch.nn.Module) and network.training
    if isinstance(network, torch.nn.Module):
        network.eval()
    try:
        if isinstance(writer, BlockPrediction):
            writer.predict(network)
        else:
            place = _device(network) if device is None else torch.device(device)
            _predict_rows(writer, network, StepInferer(inferer, steps, writer.folder, blend_memory_gib), place)
    finally:
        if was_training and isinstance(network, torch.nn.Module):
            network.train()
    return writer.out


def _predict_rows(writer: PredictionWriter, network: Network, stepwise: StepInferer, device: torch.device) -> None:
    steps = stepwise.steps
    try:
        writer.begin(network)
        items = (steps[number] for number in range(len(steps)))
        for item in prefetched(items, AHEAD, device):
            image, keywords = prepare_item(item, device)
            writer.write(item["index"], stepwise(image, network, **keywords)[0])
        writer.finish()
    except BaseException:
        writer.stop()
        raise


def _region(volume: str | os.PathLike[str] | Volume | Region, box: str | Box | None) -> Region:
    if isinstance(volume, Region):
        if box is None:
            return volume
        return dataclasses.replace(volume, box=Box.parse(box, volume.image.shape), labelled=None)
    image = volume if isinstance(volume, Volume) else open_volume(os.fspath(volume))
    return Region(image, Box.parse(box, image.shape))


def _device(network: Network) -> torch.device:
    parameter = next(network.parameters(), None) if isinstance(network, torch.nn.Module) else None
    return torch.device("cpu") if parameter is None else parameter.device
