"""Sliding windows in memory: equal to MONAI's, right under flips, for volumes of any size."""

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.inferers import SlidingWindowInferer
from torch import nn

from scripts.inferers.volume_inferer import VolumeInferer
from scripts.ops.targets.affinities import label_affinities
from scripts.ops.targets.affinity_convention import LONG_RANGE, NEAREST
from scripts.workflow.segmentation_model import load_network

ROOT = Path(__file__).parents[2]


class Ideal(nn.Module):
    """The network that knows: of windows that hold labels it gives the affinities."""

    def __init__(self, convention=NEAREST):
        super().__init__()
        self.convention = convention

    def forward(self, image):
        maps = [label_affinities(window[0].numpy().astype(np.int64), self.convention) for window in image]
        return torch.from_numpy(np.stack(maps)).float()


class Counting(nn.Module):
    """A convolution that counts the windows it was given."""

    def __init__(self, channels=3):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.convolution = nn.Conv3d(1, channels, 3, padding=1)
        self.windows = 0
        self.largest = 0

    def forward(self, image):
        self.windows += len(image)
        self.largest = max(self.largest, len(image))
        return self.convolution(image).sigmoid()


def labels(shape, seed=0):
    """Blocks of random ids, of 2 x 5 x 5 voxels."""
    ids = np.random.default_rng(seed).integers(0, 5, [-(-n // k) for n, k in zip(shape, (2, 5, 5), strict=True)])
    for axis, size in enumerate((2, 5, 5)):
        ids = ids.repeat(size, axis)
    return ids[tuple(slice(0, n) for n in shape)]


def noise(*shape):
    return torch.from_numpy(np.random.default_rng(1).standard_normal(shape).astype(np.float32))


@pytest.mark.parametrize("shape", [(7, 33, 40), (6, 16, 16), (5, 17, 41)])
@pytest.mark.parametrize("blend", ["gaussian", "constant"])
def test_it_equals_monais_inferer_on_the_padded_volume(shape, blend):
    pad, window = (3, 8, 8), (6, 16, 16)
    network = Counting().eval()
    image = noise(2, 1, *shape)
    ours = VolumeInferer(window, (3, 8, 8), 1, blend, batch=3, pad=pad)(image, network)
    padded = np.pad(image.numpy(), [(0, 0), (0, 0), *[(n, n) for n in pad]], mode="reflect")
    with torch.no_grad():
        theirs = SlidingWindowInferer(window, 3, 0.5, mode=blend)(torch.from_numpy(padded), network)
    inside = theirs[:, :, 3:-3, 8:-8, 8:-8]
    assert ours.shape == inside.shape
    assert ours.dtype == torch.float32
    assert (ours - inside).abs().max() < 1e-5


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 20, 3), (2, 5, 40), (13, 31, 17)])
@pytest.mark.parametrize("flips", [1, 4, 16])
def test_volumes_of_any_size_give_back_what_a_network_predicts_for_each_voxel(shape, flips):
    image = noise(1, 1, *shape)
    maps = VolumeInferer((6, 16, 16), (3, 8, 8), flips, pad=(3, 8, 8))(image, lambda seen: torch.cat([seen, -seen], 1))
    np.testing.assert_allclose(maps, torch.cat([image, -image], 1), atol=1e-5)


@pytest.mark.parametrize("flips", [1, 4, 8, 16])
def test_flips_of_ideal_affinities_are_blended_to_the_ideal_affinity(flips):
    ids = labels((10, 40, 30))
    image = torch.from_numpy(ids.astype(np.float32))[None, None]
    inferer = VolumeInferer((6, 16, 16), (3, 8, 8), flips, batch=6, affinity="nearest", pad=(3, 8, 8))
    maps = inferer(image, Ideal())[0].numpy()
    known = _known_in_every_window(ids.shape, NEAREST)
    np.testing.assert_allclose(maps[known], label_affinities(ids)[known], atol=1e-6)


@pytest.mark.parametrize(
    ("flips", "expected"), [(1, (0.125, 0.5, 1.0)), (4, (0.125, 0.75, 0.75)), (8, (0.125, 0.5, 1))]
)
def test_a_swap_averages_the_channels_of_y_and_x_however_far_apart_their_values_are(flips, expected):
    values = torch.tensor([0.125, 0.5, 1.0])[:, None, None, None]
    inferer = VolumeInferer((6, 16, 16), (3, 8, 8), flips, batch=3, affinity="nearest", pad=(3, 8, 8))
    maps = inferer(noise(1, 1, 7, 20, 24), lambda seen: values.expand(len(seen), 3, *seen.shape[2:]))
    for channel, value in zip(maps[0], expected, strict=True):
        np.testing.assert_allclose(channel, value, atol=1e-6)


@pytest.mark.parametrize("flips", [4, 16])
def test_long_steps_are_right_wherever_a_window_holds_both_ends(flips):
    ids = labels((9, 60, 60))
    image = torch.from_numpy(ids.astype(np.float32))[None, None]
    window = (9, 60, 60)
    inferer = VolumeInferer(window, window, flips, affinity="long_range", pad=(0, 0, 0))
    np.testing.assert_allclose(inferer(image, Ideal(LONG_RANGE))[0], label_affinities(ids, LONG_RANGE), atol=1e-6)


def test_without_the_correction_flipped_affinities_blur_the_borders():
    ids = labels((10, 40, 30))
    image = torch.from_numpy(ids.astype(np.float32))[None, None]
    wrong = VolumeInferer((6, 16, 16), (3, 8, 8), 4, pad=(3, 8, 8))(image, Ideal())[0].numpy()
    known = _known_in_every_window(ids.shape, NEAREST)
    assert (np.abs(wrong - label_affinities(ids))[known] > 0.2).mean() > 0.02


def _known_in_every_window(shape, convention):
    """Voxels that are on no first plane of a window, where a network cannot know the edge to the voxel before."""
    grid = VolumeInferer((6, 16, 16), (3, 8, 8), pad=(3, 8, 8)).grid(shape)
    known = np.ones((convention.channels, *shape), bool)
    for axis, (starts, before) in enumerate(zip(grid.starts, grid.before, strict=True)):
        for start in starts:
            if 0 <= start - before < shape[axis]:
                known[axis].swapaxes(0, axis)[start - before] = False
    return known


def test_each_window_and_flip_is_computed_once_in_batches_of_the_size_asked_for():
    network = Counting()
    inferer = VolumeInferer((6, 16, 16), (3, 8, 8), 4, batch=8, pad=(3, 8, 8))
    inferer(noise(1, 1, 9, 40, 24), network)
    assert network.windows == 4 * inferer.grid((9, 40, 24)).windows
    assert network.largest == 8


@pytest.mark.parametrize("batch", [3, 8, 64])
def test_the_batch_changes_nothing(batch):
    image = noise(1, 1, 7, 20, 24)
    by_one, other = (VolumeInferer((6, 16, 16), (3, 8, 8), batch=n, pad=(0, 0, 0)) for n in (1, batch))
    np.testing.assert_allclose(other(image, Counting()), by_one(image, Counting()), atol=1e-6)


def test_a_window_that_is_not_square_is_swapped_all_the_same():
    image = noise(1, 1, 7, 20, 30)
    maps = VolumeInferer((4, 8, 16), (2, 4, 8), 16, batch=32, pad=(0, 0, 0))(image, lambda seen: seen)
    np.testing.assert_allclose(maps, image, atol=1e-6)


def test_half_precision_computes_in_bfloat16_and_blends_in_float32():
    image = noise(1, 1, 6, 16, 16)
    full, half = (VolumeInferer((6, 16, 16), (3, 8, 8), 1, precision=p)(image, Counting()) for p in ("fp32", "bf16"))
    assert half.dtype == torch.float32
    assert 0 < (full - half).abs().max() < 2e-2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 0}, "batch 0 is not"),
        ({"window": (6, 96)}, "is not three whole numbers"),
        ({"stride": (7, 48, 48)}, r"stride \(7, 48, 48\) exceeds window"),
        ({"flips": 3}, "flips 3 is not one of 1, 4, 8, 16"),
        ({"blend": "mean"}, "unknown blend 'mean'"),
        ({"affinity": "far"}, "unknown affinity convention 'far'"),
        ({"precision": "fp16"}, "precision 'fp16'"),
    ],
)
def test_settings_that_cannot_be_are_refused_when_they_are_given(options, message):
    with pytest.raises(ValueError, match=message):
        VolumeInferer(**options)


def test_a_network_that_changes_the_size_and_an_image_without_channel_are_refused():
    inferer = VolumeInferer((6, 16, 16), (3, 8, 8), 1)
    with pytest.raises(ValueError, match="must have the size of its windows"):
        inferer(noise(1, 1, 6, 16, 16), lambda seen: seen[..., 1:])
    with pytest.raises(ValueError, match="has not the five axes"):
        inferer(noise(1, 6, 16, 16), lambda seen: seen)
    with pytest.raises(ValueError, match="gives 1 channels, the affinity convention has 3"):
        VolumeInferer((6, 16, 16), (3, 8, 8), 4, affinity="nearest")(noise(1, 1, 6, 16, 16), lambda seen: seen)


@pytest.mark.parametrize("places", [1, 3, 8, 9])
def test_the_network_is_always_given_as_many_windows_with_the_last_repeated(places):
    image = noise(1, 1, 1, 2, 2 * places)
    seen = []
    inferer = VolumeInferer((1, 2, 2), (1, 2, 2), 1, batch=4, pad=(0, 0, 0))
    maps = inferer(image, lambda windows: seen.append(windows) or windows)
    assert [len(windows) for windows in seen] == [4] * -(-places // 4)
    last = list(seen[-1])[(places - 1) % 4 :]
    assert all(torch.equal(window, image[0, :, :, :, -2:]) for window in last)
    torch.testing.assert_close(maps, image)


@pytest.mark.parametrize("bundle", ["sem_neuron_affinity", "sem_neuron_bcd", "sem_mito_bc"])
def test_the_bits_of_a_window_depend_on_no_other_window_of_its_batch_nor_on_the_threads(bundle):
    """With AVX-512, torch's convolutions divide their sums among threads: there it holds for one thread."""
    network = load_network(ROOT / "bundles" / bundle / "models/model.pt", "cpu").network
    windows = noise(3, 1, 6, 32, 32)
    inferer = VolumeInferer((6, 32, 32), (6, 32, 32), 1, batch=3, pad=(0, 0, 0))
    threads = torch.get_num_threads()
    try:
        found = []
        counts = (1, 1) if torch.cpu.get_capabilities().get("avx512_f") else (3, 2)
        for count, order in zip(counts, ([0, 1, 2], [2, 0, 1]), strict=True):
            torch.set_num_threads(count)
            row = torch.cat([windows[number] for number in order], -1)[None]
            maps = inferer(row, network)[0].split(32, -1)
            found.append([maps[order.index(number)] for number in range(3)])
        alone = inferer(windows[1:2], network)[0]
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
    assert torch.equal(alone, found[0][1])


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0])
@pytest.mark.parametrize("flips", [1, 4])
def test_a_network_of_ones_gives_ones_and_not_a_rounding_more(value, flips):
    maps = VolumeInferer((6, 16, 16), (3, 5, 7), flips, pad=(3, 8, 8))(
        noise(1, 1, 13, 31, 37), lambda image: torch.full_like(image, value).expand(-1, 2, -1, -1, -1)
    )
    assert (maps.min().item(), maps.max().item()) == (value, value)


def test_blended_values_stay_within_those_of_the_windows_and_nan_stays_where_it_is():
    image = noise(1, 1, 9, 24, 24).sigmoid()
    maps = VolumeInferer((6, 16, 16), (3, 8, 8), 1, pad=(3, 8, 8))(image, lambda seen: seen)
    assert image.min() <= maps.min()
    assert maps.max() <= image.max()
    image[0, 0, 4, 5, 6] = torch.nan
    broken = VolumeInferer((6, 16, 16), (3, 8, 8), 1, pad=(3, 8, 8))(image, lambda seen: seen)
    assert broken.isnan().nonzero().tolist() == [[0, 0, 4, 5, 6]]
    np.testing.assert_allclose(broken.nan_to_num(0.5), image.nan_to_num(0.5), atol=1e-6)
