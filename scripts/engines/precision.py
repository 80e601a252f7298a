"""Which precision a forward pass takes where the user leaves the choice to the processor."""

import logging

import torch

logger = logging.getLogger(__name__)

AUTO = "auto"
BF16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")
"""Any of these makes bfloat16 on a CPU faster than float32; without them torch emulates it."""
EMULATED = (
    "precision   bf16 on a processor without bf16 instructions (avx512_bf16, amx_bf16): torch emulates it, 20 to 50 "
    "times slower than --precision fp32 was measured"
)


def chosen_precision(precision: str, device: torch.device, rank: int = 0) -> str:
    """Resolve "auto": bf16 on a GPU and on a processor that has it, fp32 elsewhere. Other values are returned.

    Args:
        precision: "auto", "fp32" or "bf16".
        device: where the network is.
        rank: of this process; 0 prints a line where bf16 was requested and is emulated.
    """
    if precision == AUTO:
        return "bf16" if device.type == "cuda" or has_bf16() else "fp32"
    if precision == "bf16" and device.type == "cpu" and not has_bf16() and rank == 0:
        logger.warning(EMULATED)
    return precision


def has_bf16() -> bool:
    """Whether the processor has instructions for bfloat16."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in BF16_INSTRUCTIONS)
