"""Which array of a file or a folder a path means, and whether its voxels are there."""
