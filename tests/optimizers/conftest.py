"""The masked autoencoder of the network tests."""

from tests.networks.conftest import image, mask, network

__all__ = ["image", "mask", "network"]
