"""Instances from predictions: watersheds, agglomeration, and the decoders by name."""
