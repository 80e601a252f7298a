"""Regions of volumes: what is read, with which labels."""
