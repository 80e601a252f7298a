"""What the networks need of an encoder of volumes, and how a preset names the class of one."""

import importlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import torch
from torch import nn

ENCODERS: dict[str, Callable[..., Any]] = {}
"""Class of an encoder by the name that a preset has under "encoder"."""
DEFAULT = "vit"
"""Encoder of a preset that names none."""
OTHER_SIZES = frozenset({"decoder_width", "decoder_depth", "decoder_heads", "layer_decay"})
"""Keys of a preset that are no arguments of its encoder."""
REQUIRED = ("patch", "width", "depth", "heads")
"""Arguments that a preset names where its encoder has them, whatever their defaults."""
MODULE = re.compile(r"[a-z][a-z0-9_]*")


class VolumeEncoder(Protocol):
    """A `torch.nn.Module` that turns a volume into tokens, and that any network of this package takes.

    Its constructor takes `patch` and the sizes of its presets by name; those of fine-tuning have a `drop_path` too.
    Layer-wise learning rates need `patch_embedding` and `blocks`, a `ModuleList` of `depth` members.

    Attributes:
        patch: voxels of a token along (z, y, x).
        width: channels of a token.
        depth: number of blocks.
        in_channels: channels of the volume.
    """

    patch: tuple[int, int, int]
    width: int
    depth: int
    in_channels: int

    def __call__(self, image: torch.Tensor, kept: torch.Tensor | None = None) -> torch.Tensor:
        """(B, C, Z, Y, X) to (B, K, width) tokens of the (B, K) indices `kept`, in their order; all N where None.

        A token that is not kept must not influence the result. Tokens are in the order of `to_tokens`.
        """

    def taps(self, image: torch.Tensor, blocks: list[int]) -> list[torch.Tensor]:
        """(B, N, width) tokens after each of the blocks, counted from 1; the last equals the encoder's result."""


def register_encoder(name: str) -> Callable[[type], type]:
    """Give a class of encoders the name that presets use: the name of its module in `scripts/networks`."""

    def register(encoder: type) -> type:
        ENCODERS[name] = encoder
        return encoder

    return register


def build_encoder(sizes: Mapping[str, Any]) -> VolumeEncoder:
    """Build the encoder of a preset.

    Args:
        sizes: the preset with `patch`: "encoder" names the class, the rest are its arguments but for `OTHER_SIZES`.

    Raises:
        ValueError: an unknown encoder, a missing or unknown argument, or a class that lacks something of the protocol.
    """
    arguments = {key: value for key, value in sizes.items() if key not in OTHER_SIZES and not key.startswith("_")}
    name = arguments.pop("encoder", DEFAULT)
    made_by = encoder_class(name)
    takes = inspect.signature(made_by).parameters
    given = ", ".join(sorted(arguments))
    lacking = [size for size in REQUIRED if size in takes and size not in arguments]
    if lacking:
        raise ValueError(f"preset of encoder '{name}' lacks {', '.join(lacking)}; it has {given}")
    try:
        inspect.signature(made_by).bind(**arguments)
    except TypeError as error:
        raise ValueError(f"preset of encoder '{name}': {error}; it has {given}") from None
    encoder = made_by(**arguments)
    missing = [part for part in ("patch", "width", "depth", "in_channels", "taps") if not hasattr(encoder, part)]
    if missing or not isinstance(encoder, nn.Module):
        lack = f"has no {', '.join(missing)}" if missing else "is no torch.nn.Module"
        raise ValueError(f"encoder '{name}', {type(encoder).__name__}, {lack}; `VolumeEncoder` lists what it needs")
    return cast(VolumeEncoder, encoder)


def encoder_class(name: str) -> Callable[..., Any]:
    """Return the class of encoders of a name; the module of this name is imported where it is not registered yet.

    Raises:
        ValueError: no such encoder.
    """
    if name not in ENCODERS and isinstance(name, str) and MODULE.fullmatch(name):
        module = f"{__package__}.{name}"
        if importlib.util.find_spec(module) is not None:
            importlib.import_module(module)
    if name not in ENCODERS:
        raise ValueError(
            f"encoder '{name}' is not one of {', '.join(sorted(ENCODERS))}: give `scripts/networks/{name}.py` a class "
            f'with @register_encoder("{name}"), or choose another preset'
        )
    return ENCODERS[name]
