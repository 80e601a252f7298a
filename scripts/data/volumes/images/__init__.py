"""Volumes that image programs write: TIFF stacks and folders of sections."""
