"""SEM-MAE: masked-autoencoder pre-training and instance segmentation of serial electron microscopy.

The one Python package behind every bundle; configs name its parts as `scripts.<room>.<Name>`.

Conventions, said once:

- Axes are always z, y, x: arrays `(z, y, x)`, with a channel in front `(c, z, y, x)`, with a batch `(b, c, z, y, x)`.
- Sizes and positions are in voxels, unless a name ends in `_nm` (nanometres).
- Tokens come in the order of `Conv3d(...).flatten(2)`: z slowest, x fastest.
- Rooms import only rooms before them: ops, networks, losses, data | transforms, metrics, handlers, tools.
"""

__version__ = "0.1.0"
