"""Binary cross-entropy with logits in which both classes count alike."""

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from scripts.losses.known_voxels import Truth, known_logits, mean_over_known
from scripts.ops.targets.class_weights import check_balance, class_weights


class WeightedBCE(nn.Module):
    """Binary cross-entropy with logits, each voxel weighed by `scripts.ops.targets.class_weights` of its sample.

    The weighted sum is divided by the number of known voxels, not by the sum of the weights: so does PyTorch
    Connectomics (Lin et al. 2021), whose learning rates thereby stay valid; its scale grows with the imbalance.

    Args:
        balance: what the two classes are counted in: the channels of a "sample" together (Lin et al. 2021), each
            "channel" of a sample, or "none": all voxels count alike.

    Raises:
        ValueError: another balance.

    Example:
        >>> target = torch.tensor([[[[[1.0, 0, 0, 0]]]]])
        >>> known = torch.ones_like(target, dtype=torch.bool)
        >>> round(WeightedBCE()(torch.zeros_like(target), (target, known)).item(), 4)  # log(2) * (3 + 1 + 1 + 1) / 4
        1.0397
    """

    def __init__(self, balance: str = "sample") -> None:
        super().__init__()
        check_balance(balance)
        self.balance = balance

    def forward(self, prediction: torch.Tensor, truth: Truth) -> torch.Tensor:
        """Scalar loss of logits (B, C, Z, Y, X) against (target, known) of that shape.

        Raises:
            ValueError: shapes that differ, or a mask that is not bool.
        """
        logits, target, known = known_logits(prediction, truth)
        entropy = binary_cross_entropy_with_logits(logits, target, reduction="none")
        return mean_over_known(entropy * class_weights(target, known, self.balance), known).mean()
