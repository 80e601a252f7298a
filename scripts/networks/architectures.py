"""The networks of a segmentation by name, built from the plain numbers that a recipe keeps."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from scripts.networks.encoder_protocol import VolumeEncoder, build_encoder
from scripts.networks.hybrid import HybridUNet
from scripts.networks.mae import MaskedAutoencoder
from scripts.networks.masked_trunk import MaskedTrunk
from scripts.networks.residual_unet import ResidualUNet
from scripts.networks.residual_unetr import ResidualUNETR
from scripts.networks.unetr import UNETR
from scripts.networks.upsampling import even_taps

Sizes = Mapping[str, Any]


def segmentation_network(
    architecture: str,
    out_channels: int,
    encoder: Sizes,
    decoder_widths: Sequence[int],
    trunk: Sizes | None,
    unetr_form: str = "published",
) -> nn.Module:
    """Build a network (B, C, Z, Y, X) to logits (B, out_channels, Z, Y, X) for windows of whole patches.

    Args:
        architecture: "unetr" (encoder and decoder), "residual_unet" (trunk alone), "hybrid" (encoder and trunk).
        out_channels: channels of the output.
        encoder: its preset with `patch`, see `build_encoder`; the patch is that of every architecture.
        decoder_widths: channels of the UNETR's decoder.
        trunk: widths, forms and fold of the `ResidualUNet`.
        unetr_form: of the UNETR: "published", or "residual", a residual U-Net as its decoder.

    Raises:
        ValueError: another architecture or form, or sizes that do not fit together.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"architecture '{architecture}' is not one of {', '.join(ARCHITECTURES)}")
    if unetr_form not in UNETR_FORMS:
        raise ValueError(f"unetr_form '{unetr_form}' is not one of {', '.join(UNETR_FORMS)}")
    if architecture == "unetr":
        return _unetr(unetr_form, out_channels, encoder, decoder_widths)
    return WITH_TRUNK[architecture](out_channels, encoder, _given(trunk))


def pretraining_network(
    architecture: str, patch: Sequence[int], sizes: Sizes, trunk: Sizes | None = None
) -> MaskedAutoencoder | MaskedTrunk | HybridUNet:
    """Build a network that reconstructs (B, 1, Z, Y, X) from its kept tokens.

    Args:
        architecture: "mae" (encoder and decoder of tokens), "residual_unet" (trunk alone) or "hybrid" (encoder and
            trunk).
        patch: voxels (z, y, x) of a token.
        sizes: arguments of the encoder; those of the autoencoder have decoder_width, decoder_depth and decoder_heads.
        trunk: widths, forms and fold of the `ResidualUNet`.

    Raises:
        ValueError: another architecture, or sizes that do not fit together.
    """
    if architecture == "residual_unet":
        return MaskedTrunk(ResidualUNet(1, **_given(trunk)), patch)
    if architecture == "hybrid":
        return _hybrid(1, {**sizes, "patch": patch}, _given(trunk))
    if architecture != "mae":
        known = "mae, residual_unet, hybrid"
        raise ValueError(f"architecture '{architecture}' is not one of {known}: these can be pre-trained")
    decoder = {name: sizes[name] for name in ("decoder_width", "decoder_depth", "decoder_heads")}
    return MaskedAutoencoder(build_encoder({**sizes, "patch": patch}), **decoder)


def check_trunk_patch(patch: Sequence[int], trunk: Sizes) -> None:
    """Raise ValueError unless a patch is the block of voxels of one position of a trunk's coarsest level."""
    levels, fold = len(trunk["widths"]), int(trunk["fold"])
    multiple = fold * 2 ** (levels - 1)
    fitting = [1, multiple, multiple]
    if list(patch) != fitting:
        raise ValueError(
            f"patch {list(patch)} does not fit a residual U-Net of fold {fold} and {levels} levels: "
            f'it takes windows of whole {fitting} voxels; use --patch "{str(fitting).replace(" ", "")}"'
        )


def _unetr(form: str, out_channels: int, encoder: Sizes, decoder_widths: Sequence[int]) -> nn.Module:
    made = build_encoder(encoder)
    return UNETR_FORMS[form](made, out_channels, even_taps(made.depth, made.patch), decoder_widths)


def _residual_unet(out_channels: int, encoder: Sizes, trunk: Sizes) -> nn.Module:
    check_trunk_patch(encoder["patch"], trunk)
    return ResidualUNet(out_channels, **trunk)


def _hybrid(out_channels: int, encoder: Sizes, trunk: Sizes) -> HybridUNet:
    return HybridUNet(build_encoder(encoder), ResidualUNet(out_channels, **trunk))


def _given(trunk: Sizes | None) -> Sizes:
    if trunk is None:
        raise ValueError("no sizes of the trunk: give widths, forms and fold of the residual U-Net")
    return {name: value for name, value in trunk.items() if not name.startswith("_")}


WITH_TRUNK: dict[str, Callable[[int, Sizes, Sizes], nn.Module]] = {"residual_unet": _residual_unet, "hybrid": _hybrid}
"""Builders of networks that have a trunk, by the name in a recipe."""

ARCHITECTURES = ("unetr", *WITH_TRUNK)
"""Names in a recipe."""

UNETR_FORMS: dict[str, Callable[[VolumeEncoder, int, Sequence[int], Sequence[int]], nn.Module]] = {
    "published": UNETR,
    "residual": ResidualUNETR,
}
"""Classes of a UNETR by the name in a recipe."""


def last_layer(architecture: str, unetr_form: str) -> str:
    """Name of the layer that belongs to a network's task; all other weights may be taken by another task."""
    if architecture == "unetr":
        return "trunk.head" if unetr_form == "residual" else "head.2"
    return "trunk.head" if architecture == "hybrid" else "head"
