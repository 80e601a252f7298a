"""Volumes written block by block in the formats that viewers open, with coarser levels, meshes and skeletons."""
