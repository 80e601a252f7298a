"""SEM-MAE: masked-autoencoder pre-training and instance segmentation of serial electron microscopy.

The one Python package behind every bundle; configs name its classes as `scripts.<package>.<Name>`.

Conventions:

- Axes are always z, y, x: arrays `(z, y, x)`, with a channel in front `(c, z, y, x)`, with a batch `(b, c, z, y, x)`.
- Sizes and positions are in voxels, unless a name ends in `_nm` (nanometres).
- Tokens come in the order of `Conv3d(...).flatten(2)`: z slowest, x fastest.
- A package imports only earlier ones: ops, networks, losses | optimizers, data | transforms, metrics, engines,
  inferers | checkpoints | visualize, handlers, blockwise, workflow, tools.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_LIBRARY = {
    "open_volume": "scripts.data.volumes",
    "load_network": "scripts.workflow.segmentation_model",
    "decoder": "scripts.ops.decoding.decoders",
    "score": "scripts.workflow.segmentation_model",
}
"""What a program of yours needs (docs/library.md), each loaded when it is first used."""
__all__ = ["decoder", "load_network", "open_volume", "score"]


def __getattr__(name: str) -> Any:
    if name not in _LIBRARY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LIBRARY[name]), name)
