"""SEM-MAE: masked-autoencoder pre-training and instance segmentation of serial electron microscopy.

The one Python package behind every bundle; configs name its classes as `scripts.<package>.<Name>`.

Conventions:

- Axes are always z, y, x: arrays `(z, y, x)`, with a channel in front `(c, z, y, x)`, with a batch `(b, c, z, y, x)`.
- Sizes and positions are in voxels, unless a name ends in `_nm` (nanometres).
- Tokens come in the order of `Conv3d(...).flatten(2)`: z slowest, x fastest.
- A package imports only earlier ones: ops, networks, losses | optimizers, data | transforms, metrics, engines,
  inferers | checkpoints | visualize, handlers, blockwise, workflow, tools.
"""

__version__ = "0.1.0"
