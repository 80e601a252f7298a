"""A network loaded from Python predicts and decodes as the bundle does."""

from pathlib import Path

import numpy as np
import pytest
import torch

import scripts
from scripts.data.volumes import ArrayVolume
from scripts.networks import EnlargedSections
from scripts.ops.decoding.decoders import decoder

SHIPPED = Path(__file__).parents[2] / "bundles" / "sem_neuron_affinity" / "models" / "model.pt"


@pytest.fixture(scope="module")
def network():
    return scripts.load_network(SHIPPED, device="cpu")


def test_an_array_and_a_volume_have_the_same_maps_in_their_range(network):
    image = np.random.default_rng(0).integers(0, 256, (4, 24, 32), dtype=np.uint8)
    small = {"window": (2, 16, 16), "stride": (2, 8, 8), "pad": (0, 0, 0)}
    maps = network.predict(image, **small)
    assert (maps.shape, maps.dtype) == ((3, 4, 24, 32), np.float32)
    assert 0 <= maps.min() <= maps.max() <= 1
    part = network.predict(ArrayVolume(image), "0:4,0:24,8:32", **small)
    assert np.array_equal(part, network.predict(np.ascontiguousarray(image[:, :, 8:]), **small))
    assert np.array_equal(network.decode(maps), decoder(network.decoder_name, network.decoder_settings)(maps))


def test_enlarged_sections_have_the_maps_of_their_network_at_the_voxels_of_the_volume(network):
    image = np.random.default_rng(1).integers(0, 256, (2, 32, 32), dtype=np.uint8)
    one_window = {"window": (2, 32, 32), "stride": (2, 32, 32), "pad": (0, 0, 0), "flips": 1}
    larger = EnlargedSections(network.network.network, 2, network.recipe["patch"], "nearest")
    with torch.no_grad():
        expected = larger(network.scale(image)[None, None]).sigmoid()[0].numpy()
    np.testing.assert_allclose(network.predict(image, enlarge=2, **one_window), expected, atol=1e-5)
    assert np.abs(network.predict(image, **one_window) - expected).max() > 0.1
    with pytest.raises(ValueError, match="enlarge 5 is not a factor from 1 to 4"):
        network.predict(image, enlarge=5)


def test_scores_leave_out_what_is_not_known():
    truth = np.repeat([[[1, 1, 2, 2, -1]]], 4, axis=1)
    assert scripts.score(np.where(truth > 0, truth, 7), truth)["voi_split"] == 0


def test_what_is_no_segmentation_network_is_refused(tmp_path, network):
    with pytest.raises(ValueError, match=r"there is no checkpoint 'none\.pt'"):
        scripts.load_network("none.pt")
    torch.save({"weight": torch.zeros(1)}, tmp_path / "plain.pt")
    with pytest.raises(ValueError, match="is no segmentation network: its recipe has no activations"):
        scripts.load_network(tmp_path / "plain.pt")
    with pytest.raises(ValueError, match="unknown setting 'windows'; there are batch, flips, pad, stride, window"):
        network.predict(np.zeros((4, 24, 32), np.uint8), windows=3)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        scripts.nothing  # noqa: B018
