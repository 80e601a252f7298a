"""Run the forward pass in the chosen precision, the same in training and validation."""

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer

PRECISIONS = ("fp32", "bf16")


class PrecisionInferer(Inferer):
    """Call the network under autocast and return float32.

    bfloat16 has the exponent range of float32, so no gradient scaler is needed.

    Args:
        precision: "fp32" or "bf16".

    Raises:
        ValueError: another precision.

    Example::

        prediction = PrecisionInferer("bf16")(image, network)
    """

    def __init__(self, precision: str = "fp32") -> None:
        super().__init__()
        if precision not in PRECISIONS:
            raise ValueError(f"precision '{precision}' is not one of {', '.join(PRECISIONS)}")
        self.precision = precision

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Return the network's output for `inputs`, as float32."""
        with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"):
            output = network(inputs, *args, **kwargs)
        return output.float()
