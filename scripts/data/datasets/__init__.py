"""Data sets: manifests, download, conversion, statistics."""
