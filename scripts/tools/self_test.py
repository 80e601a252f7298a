"""The parts of `python -m scripts doctor` that test an installation; each returns what worked or raises."""

import tempfile
from collections.abc import Callable

import nibabel
import numpy as np
import tifffile
import torch
import zarr

from scripts.data.files.writing import write_hdf5
from scripts.data.volumes import open_volume
from scripts.losses import HiddenTokenLoss
from scripts.networks import Encoder, MaskedAutoencoder
from scripts.ops.decoding.decoders import decoder
from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.scores import all_scores

WRITERS: dict[str, Callable[[str, np.ndarray], object]] = {
    ".h5": lambda place, voxels: write_hdf5(place, {"raw": voxels}),
    ".zarr": lambda place, voxels: zarr.create_array(place, data=voxels),
    ".tif": lambda place, voxels: tifffile.imwrite(place, voxels),
    ".nii.gz": lambda place, voxels: nibabel.save(nibabel.Nifti1Image(voxels.T, np.eye(4)), place),
    ".npy": lambda place, voxels: np.save(place, voxels),
}
"""Ending -> what writes voxels to such a file."""


def formats() -> str:
    """Volumes written in each format, and read again.

    Raises:
        RuntimeError: formats that cannot be written or read.
    """
    voxels = np.arange(2 * 8 * 8, dtype=np.uint8).reshape((2, 8, 8))
    bad = []
    with tempfile.TemporaryDirectory() as folder:
        for ending, write in WRITERS.items():
            place = f"{folder}/volume{ending}"
            try:
                write(place, voxels)
                with open_volume(f"{place}:raw" if ending == ".h5" else place) as volume:
                    if not np.array_equal(volume[:, :, :], voxels):
                        bad.append(f"{ending} (other voxels)")
            except (ImportError, ValueError, OSError) as error:
                bad.append(f"{ending} ({type(error).__name__}: {error})")
    if bad:
        raise RuntimeError(f"not read: {', '.join(bad)}")
    return f"{', '.join(WRITERS)} are written and read"


def a_network_learns(steps: int = 12) -> str:
    """Train a tiny masked autoencoder on one drawn crop; its loss must fall."""
    state = torch.random.get_rng_state()
    try:
        torch.manual_seed(0)
        network = MaskedAutoencoder(Encoder((1, 8, 8), width=24, depth=1, heads=2), 24, 1, 2)
        z, y, x = torch.meshgrid(*(torch.arange(size) for size in (2, 32, 32)), indexing="ij")
        crop = torch.sin(y / 3 + z)[None, None] * torch.cos(x / 4)[None, None]
        optimizer, loss_of = torch.optim.AdamW(network.parameters(), lr=0.01), HiddenTokenLoss((1, 8, 8))
        mask = (torch.arange(32) % 2 == 0).view(1, 2, 4, 4)
        kept = (~mask).flatten(1).nonzero()[:, 1].view(1, -1)
        losses = []
        for _ in range(steps):
            loss = loss_of(network(crop, kept), (crop, mask))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    finally:
        torch.random.set_rng_state(state)
    if not losses[-1] < losses[0]:
        raise RuntimeError(f"the loss did not fall: {losses[0]:.3f}, then {losses[-1]:.3f}")
    return f"loss {losses[0]:.2f} to {losses[-1]:.2f} in {steps} steps"


def a_decode() -> str:
    """Decode affinities of two drawn neurites and score them: two instances, no error."""
    truth = np.ones((4, 24, 24), np.uint32)
    truth[:, :, 12:] = 2
    affinities = np.full((3, *truth.shape), 0.99, np.float32)
    affinities[2, :, :, 12] = 0.01  # between the two, along x
    found = decoder("zwatershed", {"size": 0, "dust": 0})(affinities)
    error = next(s.value for s in all_scores(ContingencyTable.from_arrays(truth, found)) if s.better == "lower")
    if int(found.max()) != 2 or error > 1e-9:
        raise RuntimeError(f"two drawn neurites became {int(found.max())} instances, error {error:.3f}")
    return "two drawn neurites, two instances"
