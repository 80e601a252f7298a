"""Which precision a forward pass takes where the user leaves the choice to the processor."""

import logging
from collections.abc import Sequence

import torch

logger = logging.getLogger(__name__)

AUTO = "auto"
BF16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")
"""Any of these makes bfloat16 on a CPU faster than float32; without them torch emulates it."""
LEAST_SECTIONS = 3
"""Of a crop that trains in bf16 on a CPU: for fewer, torch 2.13 computes the gradient of a 3x3x3 convolution in bf16
from memory that it never wrote, so that it changes from run to run and may be NaN."""
EMULATED = (
    "precision   bf16 on a processor without bf16 instructions (avx512_bf16, amx_bf16): torch emulates it, 20 to 50 "
    "times slower than --precision fp32 was measured"
)


def chosen_precision(precision: str, device: torch.device, rank: int = 0, crop: Sequence[int] | None = None) -> str:
    """Resolve "auto": bf16 on a GPU and on a processor that has it, fp32 elsewhere. Other values are returned.

    A training on a CPU whose crops have fewer than `LEAST_SECTIONS` sections takes fp32.

    Args:
        precision: "auto", "fp32" or "bf16".
        device: where the network is.
        rank: of this process; 0 prints a line where bf16 was requested and is emulated.
        crop: z, y, x of a training's crops; None where nothing is trained, or the network has no 3x3x3
            convolutions.

    Raises:
        ValueError: bf16 for such crops on a CPU.
    """
    sections = crop[0] if isinstance(crop, Sequence) else LEAST_SECTIONS
    thin = device.type == "cpu" and sections < LEAST_SECTIONS
    if precision == AUTO:
        return "bf16" if device.type == "cuda" or (has_bf16() and not thin) else "fp32"
    if precision == "bf16" and thin:
        raise ValueError(
            f"--precision bf16 with crops of {sections} sections: gradients are wrong on a CPU with fewer than "
            f"{LEAST_SECTIONS}; use --precision fp32 or larger crops"
        )
    if precision == "bf16" and device.type == "cpu" and not has_bf16() and rank == 0:
        logger.warning(EMULATED)
    return precision


def has_bf16() -> bool:
    """Whether the processor has instructions for bfloat16."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in BF16_INSTRUCTIONS)
