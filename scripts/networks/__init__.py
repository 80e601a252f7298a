"""Networks of volumes, and how volumes become tokens and come back."""

from scripts.networks.activated_network import ActivatedNetwork
from scripts.networks.architectures import pretraining_network, segmentation_network
from scripts.networks.encoder_protocol import VolumeEncoder, build_encoder, register_encoder
from scripts.networks.enlarged_sections import EnlargedSections, enlarged_sections
from scripts.networks.hybrid import HybridUNet
from scripts.networks.mae import MaskedAutoencoder
from scripts.networks.masked_trunk import MaskedTrunk
from scripts.networks.positions import sincos_positions
from scripts.networks.reconstruction_to_grey import in_grey, paste_hidden
from scripts.networks.refreshed_norms import refresh_norms
from scripts.networks.residual_unet import ResidualUNet
from scripts.networks.residual_unetr import ResidualUNETR
from scripts.networks.tokens import kept_tokens, take_tokens, to_tokens, token_grid
from scripts.networks.unetr import UNETR
from scripts.networks.upsampling import even_taps
from scripts.networks.vit import Encoder

__all__ = [
    "UNETR",
    "ActivatedNetwork",
    "Encoder",
    "EnlargedSections",
    "HybridUNet",
    "MaskedAutoencoder",
    "MaskedTrunk",
    "ResidualUNETR",
    "ResidualUNet",
    "VolumeEncoder",
    "build_encoder",
    "enlarged_sections",
    "even_taps",
    "in_grey",
    "kept_tokens",
    "paste_hidden",
    "pretraining_network",
    "refresh_norms",
    "register_encoder",
    "segmentation_network",
    "sincos_positions",
    "take_tokens",
    "to_tokens",
    "token_grid",
]
