"""The masked autoencoder of volumes: encode the kept tokens, decode all of them (He et al. 2021; Cheng et al. 2023)."""

import torch
from torch import nn

from scripts.networks.encoder_protocol import VolumeEncoder
from scripts.networks.positions import sincos_positions
from scripts.networks.tokens import from_tokens, token_grid
from scripts.networks.vit import NORM_EPS, Block, initialise


class MaskedAutoencoder(nn.Module):
    """An encoder that sees the kept tokens only, and a narrow decoder that predicts the voxels of all.

    Args:
        encoder: what is pre-trained and later transferred, at any patch.
        decoder_width: channels of a token in the decoder; 512 was the paper's best.
        decoder_depth: blocks of the decoder; 4 was the paper's best.
        decoder_heads: attention heads of the decoder.

    Example:
        >>> from scripts.networks import Encoder
        >>> encoder = Encoder((1, 4, 4), width=24, depth=2, heads=2)
        >>> network = MaskedAutoencoder(encoder, decoder_width=12, decoder_depth=1, decoder_heads=2)
        >>> network(torch.zeros(1, 1, 2, 8, 8), kept=torch.tensor([[0, 3, 6]])).shape  # 5 of 8 tokens are hidden
        torch.Size([1, 1, 2, 8, 8])
    """

    def __init__(
        self, encoder: VolumeEncoder, decoder_width: int = 512, decoder_depth: int = 4, decoder_heads: int = 16
    ) -> None:
        super().__init__()
        pz, py, px = encoder.patch
        self.patch = encoder.patch
        self.decoder_width = decoder_width
        self.encoder = encoder
        self.decoder_embedding = nn.Linear(encoder.width, decoder_width)
        self.mask_token = nn.Parameter(torch.empty(decoder_width))
        self.decoder_blocks = nn.ModuleList([Block(decoder_width, decoder_heads) for _ in range(decoder_depth)])
        self.decoder_norm = nn.LayerNorm(decoder_width, eps=NORM_EPS)
        self.head = nn.Linear(decoder_width, encoder.in_channels * pz * py * px)
        for part in (self.decoder_embedding, self.decoder_blocks, self.head):
            part.apply(initialise)
        nn.init.trunc_normal_(self.mask_token, std=0.02)

    def forward(self, image: torch.Tensor, kept: torch.Tensor | None = None) -> torch.Tensor:
        """Reconstruct a volume from its kept tokens.

        Args:
            image: (B, C, Z, Y, X), each size a multiple of the patch.
            kept: (B, K) int64 indices of the tokens the encoder sees, from `kept_tokens(mask)`; None hides nothing.

        Returns:
            (B, C, Z, Y, X): every token's voxels in units of that token's own mean and deviation, as the loss has them
            (`scripts.networks.paste_hidden` turns them back into grey).
        """
        grid = token_grid((image.shape[2], image.shape[3], image.shape[4]), self.patch)
        seen = self.encoder(image, kept)
        return from_tokens(self.decode(seen, kept, grid), grid, self.patch)

    def decode(self, seen: torch.Tensor, kept: torch.Tensor | None, grid: tuple[int, int, int]) -> torch.Tensor:
        """(B, K, encoder width) encoded tokens to the (B, N, voxels) tokens of the whole grid."""
        tokens = self.decoder_embedding(seen)
        positions = sincos_positions(grid, self.decoder_width, tokens.device)
        if kept is not None:
            hidden = self.mask_token.to(tokens.dtype).expand(tokens.shape[0], positions.shape[0], -1)
            tokens = hidden.scatter(1, kept.unsqueeze(2).expand(-1, -1, self.decoder_width), tokens)
        tokens = tokens + positions
        for block in self.decoder_blocks:
            tokens = block(tokens)
        return self.head(self.decoder_norm(tokens))
