"""A plain vision transformer for volumes: tokens from patches, pre-norm blocks, a final norm (Dosovitskiy 2021)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from scripts.networks.encoder_protocol import register_encoder
from scripts.networks.positions import sincos_positions
from scripts.networks.tokens import take_tokens, to_tokens, token_grid

NORM_EPS = 1e-6
EXPLICIT_TOKENS = 512
"""Up to so many tokens, attention that trains in bfloat16 on a CPU takes matrix products: `explicit_attention`."""


class Attention(nn.Module):
    """Self-attention of tokens, by PyTorch's fused kernel where that is the faster one."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not divisible by {heads} heads")
        self.heads = heads
        self.explicit_tokens = EXPLICIT_TOKENS
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, N, W) to (B, N, W)."""
        b, n, w = tokens.shape
        query, key, value = self.qkv(tokens).view(b, n, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        slow = query.dtype == torch.bfloat16 and query.requires_grad and query.device.type == "cpu"
        if slow and n <= self.explicit_tokens:
            mixed = explicit_attention(query, key, value)
        else:
            mixed = F.scaled_dot_product_attention(query, key, value)
        return self.out(mixed.transpose(1, 2).reshape(b, n, w))


def explicit_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Attention of (B, heads, N, W) tokens by matrix products, with the softmax in float32.

    In bfloat16 on a CPU, PyTorch 2.13's fused kernel takes several times as long backward, but keeps no N x N weights.
    """
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    return scores.softmax(-1, dtype=torch.float32).to(value.dtype) @ value


class DropPath(nn.Module):
    """While training, drop a sample's whole branch with probability `rate` and scale up those that stay."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"drop path rate {rate} is not in [0, 1)")
        self.rate = rate

    def forward(self, branch: torch.Tensor) -> torch.Tensor:
        if self.rate == 0.0 or not self.training:
            return branch
        stays = torch.rand(branch.shape[0], 1, 1, device=branch.device) >= self.rate
        return branch * (stays.to(branch.dtype) / (1.0 - self.rate))


class Block(nn.Module):
    """Attention, then a two-layer perceptron; each on normalised tokens and added to them."""

    def __init__(
        self, width: int, heads: int, mlp_ratio: float = 4.0, drop_path: float = 0.0, checkpointing: bool = False
    ) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.widen = nn.Linear(width, int(width * mlp_ratio))
        self.narrow = nn.Linear(int(width * mlp_ratio), width)
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, N, W) to (B, N, W)."""
        if not torch.jit.is_scripting() and self.checkpointing and self.training and torch.is_grad_enabled():
            return checkpoint(self._transform, tokens, use_reentrant=False)
        return self._transform(tokens)

    def _transform(self, tokens: torch.Tensor) -> torch.Tensor:
        tokens = tokens + self.drop_path(self.attention(self.norm1(tokens)))
        return tokens + self.drop_path(self.narrow(F.gelu(self.widen(self.norm2(tokens)))))


@register_encoder("vit")
class Encoder(nn.Module):
    """ViT encoder of a volume, or of the tokens of it that are kept.

    Args:
        patch: voxels of a token along (z, y, x).
        width: channels of a token; ViT-B 768, ViT-L of the paper 1152.
        depth: number of blocks; 12, 24.
        heads: attention heads; 12, 16. They must divide the width.
        mlp_ratio: width of the perceptron over that of a token.
        drop_path: chance to drop the last block's branches while training; rises linearly from 0 at the first block.
        in_channels: channels of the volume.
        checkpointing: while training, recompute each block backward instead of storing it: less memory, more time.

    Example:
        >>> encoder = Encoder(patch=(1, 4, 4), width=24, depth=2, heads=2)
        >>> encoder(torch.zeros(1, 1, 2, 8, 8)).shape  # a grid of 2 x 2 x 2 tokens
        torch.Size([1, 8, 24])
    """

    def __init__(
        self,
        patch: Sequence[int] = (1, 16, 16),
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        mlp_ratio: float = 4.0,
        drop_path: float = 0.0,
        in_channels: int = 1,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if len(patch) != 3 or min(patch) < 1:
            raise ValueError(f"patch {tuple(patch)} must be three positive sizes in voxels: z, y, x")
        if depth < 1:
            raise ValueError(f"depth {depth} must be 1 or more blocks")
        self.patch: tuple[int, int, int] = (int(patch[0]), int(patch[1]), int(patch[2]))
        self.width, self.depth, self.heads, self.in_channels = width, depth, heads, in_channels
        self.patch_embedding = nn.Conv3d(in_channels, width, self.patch, stride=self.patch)
        rates = [drop_path * i / max(depth - 1, 1) for i in range(depth)]
        self.blocks = nn.ModuleList([Block(width, heads, mlp_ratio, rate, checkpointing) for rate in rates])
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.apply(initialise)

    def forward(self, image: torch.Tensor, kept: torch.Tensor | None = None) -> torch.Tensor:
        """Encode the kept tokens of a volume; hidden voxels are never read.

        Args:
            image: (B, C, Z, Y, X), each size a multiple of the patch; any such size, positions are made for it.
            kept: (B, K) int64 indices of the tokens to encode; None: all.

        Returns:
            (B, K or N, width) tokens in the order of `kept`, after the final norm.
        """
        tokens = self.embed(image, kept)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)

    @torch.jit.export
    def taps(self, image: torch.Tensor, blocks: list[int]) -> list[torch.Tensor]:
        """(B, N, width) tokens after each of the named blocks, counted from 1; ViT-B in a UNETR: 3, 6, 9, 12.

        The last must be the encoder's last block, for any after it would get no gradient; its tap has the final norm,
        and so equals `forward(image)`. Earlier taps are the running sum as the next block receives it.
        """
        rising = len(blocks) > 0 and blocks[0] >= 1 and blocks[-1] == self.depth
        for i in range(1, len(blocks)):
            rising = rising and blocks[i - 1] < blocks[i]
        if not rising:
            raise ValueError(f"taps after blocks {blocks} must rise, from 1 or more to {self.depth}, the last block")
        tokens = self.embed(image, None)
        taps: list[torch.Tensor] = []
        for i, block in enumerate(self.blocks):
            tokens = block(tokens)
            if i + 1 in blocks:
                taps.append(self.norm(tokens) if i + 1 == self.depth else tokens)
        return taps

    def embed(self, image: torch.Tensor, kept: torch.Tensor | None) -> torch.Tensor:
        """(B, K or N, width) embedded tokens with their positions, before the first block.

        A convolution whose stride is its kernel is one matrix product on flat patches; done so, only kept patches cost.
        """
        if not torch.jit.is_tracing() and (image.dim() != 5 or image.shape[1] != self.in_channels):
            raise ValueError(
                f"input of shape {list(image.shape)}: must be (batch, {self.in_channels} channels, z, y, x)"
            )
        grid = token_grid((image.shape[2], image.shape[3], image.shape[4]), self.patch)
        patches = to_tokens(image, self.patch)
        positions = sincos_positions(grid, self.width, image.device)
        if kept is not None:
            if not torch.jit.is_tracing():
                check_kept(kept, patches.shape[0], patches.shape[1])
            patches = take_tokens(patches, kept)
            positions = positions[kept]
        return F.linear(patches, self.patch_embedding.weight.flatten(1), self.patch_embedding.bias) + positions


def check_kept(kept: torch.Tensor, batch: int, tokens: int) -> None:
    """Refuse indices of kept tokens of the wrong shape or type; their values are checked by the gathering itself."""
    if kept.dtype != torch.int64 or kept.dim() != 2 or kept.shape[0] != batch or not 1 <= kept.shape[1] <= tokens:
        raise ValueError(
            f"kept tokens must be int64 of shape ({batch}, 1 to {tokens}), got {kept.dtype} of {list(kept.shape)}"
        )


def initialise(module: nn.Module) -> None:
    """The MAE recipe: Xavier-uniform matrices and zero biases; a patch embedding is a matrix too."""
    if isinstance(module, nn.Linear | nn.Conv3d):
        nn.init.xavier_uniform_(module.weight.view(module.weight.shape[0], -1))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
