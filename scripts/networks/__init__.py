"""Networks of volumes, and how volumes become tokens and come back."""

from scripts.networks.activated import Activated
from scripts.networks.layer_decay import group_table, layer_decay_groups
from scripts.networks.mae import MaskedAutoencoder
from scripts.networks.parameter_groups import parameter_groups, scaled_lr
from scripts.networks.paste import in_grey, paste_hidden, voxel_mask
from scripts.networks.positions import sincos_positions
from scripts.networks.taps import even_taps
from scripts.networks.tokens import from_tokens, kept_tokens, normalise_tokens, take_tokens, to_tokens, token_grid
from scripts.networks.unetr import UNETR
from scripts.networks.vit import Block, Encoder

__all__ = [
    "UNETR",
    "Activated",
    "Block",
    "Encoder",
    "MaskedAutoencoder",
    "even_taps",
    "from_tokens",
    "group_table",
    "in_grey",
    "kept_tokens",
    "layer_decay_groups",
    "normalise_tokens",
    "parameter_groups",
    "paste_hidden",
    "scaled_lr",
    "sincos_positions",
    "take_tokens",
    "to_tokens",
    "token_grid",
    "voxel_mask",
]
