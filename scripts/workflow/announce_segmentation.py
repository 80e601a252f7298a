"""The first lines of a fine-tuning: volumes, labels, network, where its encoder comes from, how long, how to stop."""

from collections.abc import Mapping
from typing import Any

import torch
from monai.networks.utils import eval_mode

from scripts.checkpoints.run_folder import RunFolder
from scripts.workflow.first_lines import (
    counted,
    device_in_words,
    fastest,
    indented,
    output_lines,
    time_line,
    voxels,
)


def announce_segmentation(
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
    """Print what is about to happen; only process 0 does.

    Args:
        described: the regions crops come from, in words.
        labels: the labels used, in words.
        held_out: the regions of validation, in words.
        folder: of the run.
        network: with an `encoder`, to be trained.
        sample: one crop with its target.
        device: where.
        settings: the knobs by name, as in the checkpoint's recipe: network, unetr_decoder, crop, patch, pretrained,
            freeze, seed, batch, iterations, warm_up, lr, precision; layer_decay where there is one.
        validation: how the network is validated, such as `every 5,000 iterations, by adapted_rand_snemi3d`.
        groups: the optimizer's groups of parameters, as a table.
        elsewhere: options that point the run to other data.
        world: number of processes.
        rank: number of this one.
    """
    if rank:
        return
    iterations, batch = int(settings["iterations"]), int(settings["batch"])
    target = torch.as_tensor(sample["target"])
    grid = " x ".join(str(size // step) for size, step in zip(settings["crop"], settings["patch"], strict=True))
    decay = settings.get("layer_decay")
    rate = f"learning rate {settings['lr']:.3g}" + (f", x {decay:.3g} a block down the encoder" if decay else "")
    lines = [
        f"trains on   {indented(described)}",
        f"labels      {indented(labels)}",
        f"validates   {indented(held_out)}" + (f"\n{' ' * 12}{validation}" if validation else ""),
        f"device      {device_in_words(device)}{f', {world} processes' if world > 1 else ''}, {settings['precision']}",
        f"network     {network_in_words(settings)}, {counted(network)}, "
        f"{len(target)} output channel{'s' * (len(target) > 1)}",
        f"{'trunk' if settings.get('architecture') == 'residual_unet' else 'encoder':<12}{encoder_in_words(settings)}",
        f"crops       {voxels(settings['crop'])} voxels in tokens of {voxels(settings['patch'])}: {grid} tokens",
        f"iterations  {iterations:,}, warm-up {settings['warm_up']:,}, effective batch {batch}, {rate}",
        *([f"rates       {indented(groups)}"] if groups else []),
        *output_lines(folder, elsewhere, first=""),
    ]
    print("\n".join(lines), flush=True)
    if device.type == "cpu" and folder.start < iterations:
        seconds = seconds_per_crop(network, sample) * batch / world
        print(f"{time_line(seconds, iterations - folder.start, iterations)}; validation not counted", flush=True)


def network_in_words(settings: Mapping[str, Any]) -> str:
    """`vit_base encoder, published decoder`, `residual U-Net, small`, or the latter `, with vit_base encoder`."""
    architecture = settings.get("architecture", "unetr")
    if architecture == "unetr":
        return f"{settings['network']} encoder, {settings['unetr_decoder']} decoder"
    encoder = f", with {settings['network']} encoder" if architecture == "hybrid" else ""
    return f"residual U-Net, {settings['trunk']}{encoder}"


def encoder_in_words(settings: Mapping[str, Any]) -> str:
    """`from scratch, seed 0` or `pre-trained, runs/best.pt; frozen for the first 1,000 iterations`."""
    pretrained, freeze = settings.get("pretrained"), int(settings.get("freeze") or 0)
    source = f"pre-trained, {pretrained}" if pretrained else f"from scratch, seed {settings['seed']}"
    return source + (f"; frozen for the first {freeze:,} iterations" if freeze else "")


def seconds_per_crop(network: torch.nn.Module, sample: Mapping[str, Any]) -> float:
    """Time of a forward and backward pass on the CPU for one crop; leaves no gradient, statistic or draw behind."""
    image = torch.as_tensor(sample["image"])[None]
    image = image.as_tensor() if hasattr(image, "as_tensor") else image
    with eval_mode(network), torch.enable_grad():
        return fastest(lambda: network(image), network)
