"""Print the summary of a run before it starts: what, where, how long, how to use other data, how to stop and resume."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from monai.networks.utils import eval_mode

from scripts.checkpoints.run_folder import RunFolder
from scripts.engines.duration import duration
from scripts.engines.prepare_batch import prepare_masked_batch

logger = logging.getLogger(__name__)

LONG = 1800
"""Seconds from which the summary of a run on a CPU names faster ways."""
TIMED_CROPS = 2
"""Crops that a step of pre-training is timed with."""


def print_pretraining_summary(
    described: str,
    folder: RunFolder,
    network: torch.nn.Module,
    sample: Mapping[str, Any],
    device: torch.device,
    settings: Mapping[str, Any],
    world: int = 1,
    rank: int = 0,
) -> None:
    """Print the summary of a pre-training; only process 0 prints.

    Args:
        described: the regions of the crops, as text.
        folder: of the run.
        network: to be trained.
        sample: one crop with its mask.
        device: of the network.
        settings: the knobs by name, as in the checkpoint's recipe.
        world: number of processes.
        rank: number of this one.
    """
    if rank:
        return
    mask = torch.as_tensor(sample["mask"])
    kept = int((~mask).sum())
    batch = int(settings["batch"])
    lines = [
        f"trains on   {indented(described)}",
        _device(device, world, settings),
        f"network     {network_text(settings)}, {parameter_count(network)}",
        _crops(settings),
        f"mask        {settings['token_mask']}, ratio {settings['mask_ratio']:.4g}: "
        f"{kept} of {mask.numel()} tokens kept",
        f"{_iterations(settings)}, learning rate {settings['lr']:.3g} ({settings['base_lr']:.3g} x {batch} / 256)",
        *_output(
            folder,
            elsewhere="--volumes my.h5:raw, a .zarr, .tif, .nii.gz or .npy file, a folder of sections, or a data "
            "manifest",
            first="the baselines and the validation loss of the untrained network",
        ),
    ]
    logger.info("\n".join(lines))
    _print_time(folder, device, settings, world, lambda: pretraining_seconds(network, sample, settings))


def print_segmentation_summary(
    described: str,
    labels: str,
    held_out: str,
    folder: RunFolder,
    network: torch.nn.Module,
    sample: Mapping[str, Any],
    device: torch.device,
    settings: Mapping[str, Any],
    validation: str = "",
    groups: str = "",
    elsewhere: str = "--volumes my.h5:raw --labels my.h5:labels, or a data manifest; --pretrained PATH",
    world: int = 1,
    rank: int = 0,
) -> None:
    """Print the summary of a fine-tuning; only process 0 prints.

    Args:
        described: the regions of the crops, as text.
        labels: the labels used, as text.
        held_out: the regions of validation, as text.
        folder: of the run.
        network: to be trained.
        sample: one crop with its target.
        device: of the network.
        settings: the knobs by name, as in the checkpoint's recipe: network, unetr_decoder, crop, patch, pretrained,
            freeze, seed, batch, iterations, warm_up, lr, precision; layer_decay where there is one.
        validation: how the network is validated, such as `every 5,000 iterations, by adapted_rand_snemi3d`.
        groups: the optimizer's groups of parameters, as a table.
        elsewhere: options that select other data.
        world: number of processes.
        rank: number of this one.
    """
    if rank:
        return
    channels = len(torch.as_tensor(sample["target"]))
    decay = settings.get("layer_decay")
    rate = f"learning rate {settings['lr']:.3g}" + (f", x {decay:.3g} a block down the encoder" if decay else "")
    origin = "trunk" if settings.get("architecture") == "residual_unet" else "encoder"
    lines = [
        f"trains on   {indented(described)}",
        f"labels      {indented(labels)}",
        f"validates   {indented(held_out)}" + (f"\n{' ' * 12}{validation}" if validation else ""),
        _device(device, world, settings),
        f"network     {network_text(settings)}, {parameter_count(network)}, "
        f"{channels} output channel{'s' * (channels > 1)}",
        f"{origin:<12}{encoder_text(settings)}",
        _crops(settings),
        f"{_iterations(settings)}, {rate}",
        *([f"rates       {indented(groups)}"] if groups else []),
        *_output(folder, elsewhere, first=""),
    ]
    logger.info("\n".join(lines))
    _print_time(
        folder,
        device,
        settings,
        world,
        lambda: fine_tuning_seconds(network, sample, settings),
        "; validation not counted",
    )


def network_text(settings: Mapping[str, Any]) -> str:
    """Return `vit_base` (pre-training), `vit_base encoder, published decoder`, `residual U-Net, small, batch norm`, or
    similar."""
    architecture = settings.get("architecture", "unetr")
    if architecture == "mae":
        return str(settings["network"])
    if architecture == "unetr":
        residual = "residual " if settings.get("unetr_form") == "residual" else ""
        decoder = f", {settings['unetr_decoder']} {residual}decoder" if "unetr_decoder" in settings else ""
        return f"{settings['network']} encoder{decoder}"
    encoder = f", with {settings['network']} encoder" if architecture == "hybrid" else ""
    return f"residual U-Net, {settings['trunk']}, {settings['trunk_norm']} norm{encoder}"


def encoder_text(settings: Mapping[str, Any]) -> str:
    """Return `from scratch, seed 0` or `pre-trained, runs/best.pt; frozen for the first 1,000 iterations`."""
    pretrained, freeze = settings.get("pretrained"), int(settings.get("freeze") or 0)
    source = f"pre-trained, {pretrained}" if pretrained else f"from scratch, seed {settings['seed']}"
    source += ", with its last layer" if settings.get("pretrained_head") == "keep" else ""
    source += f", trunk {settings['pretrained_trunk']}" if settings.get("pretrained_trunk") else ""
    return source + (f"; frozen for the first {freeze:,} iterations" if freeze else "")


def pretraining_seconds(network: torch.nn.Module, sample: Mapping[str, Any], settings: Mapping[str, Any]) -> float:
    """Time a training step on the CPU, for one crop, in the precision of the run; leaves no gradient or statistic."""
    batch = {key: torch.stack([torch.as_tensor(sample[key])] * TIMED_CROPS) for key in ("image", "mask")}
    image, _, (kept,), _ = prepare_masked_batch(batch, "cpu")
    with eval_mode(network), torch.enable_grad(), _autocast(settings):
        return fastest(lambda: network(image, kept), network, enough=float("inf")) / TIMED_CROPS


def fine_tuning_seconds(network: torch.nn.Module, sample: Mapping[str, Any], settings: Mapping[str, Any]) -> float:
    """Time a forward and backward pass on the CPU for one crop; leaves no gradient, statistic or draw.

    Two crops are timed where a step has two or more: one crop alone meets a slower convolution of torch.
    """
    crops = min(2, int(settings["batch"]))
    image = torch.stack([torch.as_tensor(sample["image"])] * crops)
    image = image.as_tensor() if hasattr(image, "as_tensor") else image
    with eval_mode(network), torch.enable_grad(), _autocast(settings):
        return fastest(lambda: network(image), network) / crops


def _autocast(settings: Mapping[str, Any]) -> torch.autocast:
    """The precision of the run, on a CPU."""
    return torch.autocast("cpu", torch.bfloat16, enabled=settings.get("precision") == "bf16")


def fastest(step: Callable[[], torch.Tensor], network: torch.nn.Module, enough: float = 2.0) -> float:
    """Return the seconds of a forward and backward pass: the faster of two, or the first if it exceeds `enough`.

    Args:
        step: returns the network's output.
        network: its gradients are removed.
        enough: seconds.
    """
    times: list[float] = []
    while len(times) < 2 and sum(times) < enough:
        begin = time.perf_counter()
        step().float().square().mean().backward()
        times.append(time.perf_counter() - begin)
    network.zero_grad(set_to_none=True)
    return min(times)


def parameter_count(network: torch.nn.Module) -> str:
    """Return `154.0 M parameters`."""
    millions = sum(p.numel() for p in network.parameters()) / 1e6
    return f"{millions:.1f} M parameters" if millions >= 0.1 else f"{millions * 1e3:.1f} k parameters"


def indented(text: str) -> str:
    """Align the lines after the first with the first."""
    return text.strip().replace("\n", "\n" + " " * 12)


def _device(device: torch.device, world: int, settings: Mapping[str, Any]) -> str:
    threads = torch.get_num_threads()
    name = f"CPU, {threads} thread{'s' * (threads > 1)}"
    if device.type == "cuda":
        name = f"{device} ({torch.cuda.get_device_name(device)})"
    return f"device      {name}{f', {world} processes' if world > 1 else ''}, {settings['precision']}"


def _crops(settings: Mapping[str, Any]) -> str:
    grid = [size // step for size, step in zip(settings["crop"], settings["patch"], strict=True)]
    crop, patch, tokens = (_times(sizes) for sizes in (settings["crop"], settings["patch"], grid))
    return f"crops       {crop} voxels in tokens of {patch}: {tokens} tokens"


def _iterations(settings: Mapping[str, Any]) -> str:
    return (
        f"iterations  {int(settings['iterations']):,}, warm-up {settings['warm_up']:,}, "
        f"effective batch {int(settings['batch'])}"
    )


def _times(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))


def _output(folder: RunFolder, elsewhere: str, first: str) -> list[str]:
    """Output folder, options for other data, how to stop and resume, what comes first, and what is resumed."""
    lines = [
        f"output      {folder.path}  (TensorBoard: tensorboard --logdir {folder.path})",
        f"elsewhere   {elsewhere}",
        f"stop        Ctrl-C saves; resume with --resume true --output_dir {folder.path}",
    ]
    if folder.start == 0 and first:
        lines.append(f"first       {first}")
    if folder.resume:
        lines.append(
            f"resumes     after iteration {folder.start:,}"
            if folder.start
            else f"resumes     nothing: there is no checkpoint in {folder.path}, so it starts at iteration 0"
        )
    return lines


def _print_time(
    folder: RunFolder,
    device: torch.device,
    settings: Mapping[str, Any],
    world: int,
    seconds_per_crop: Callable[[], float],
    note: str = "",
) -> None:
    """On a CPU, time a step and print how long an iteration and the rest of the run take."""
    iterations = int(settings["iterations"])
    if device.type != "cpu" or folder.start >= iterations:
        return
    seconds = seconds_per_crop() * int(settings["batch"]) / world
    hint = "; a GPU is meant for this. Minutes here: add the overlay demo.json" if seconds * iterations >= LONG else ""
    rest = duration(seconds * (iterations - folder.start))
    logger.info(f"time        about {duration(seconds)} an iteration on this CPU, {rest} in all{hint}{note}")
