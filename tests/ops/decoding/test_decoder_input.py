"""Input of every decoder: what works, what is refused and how, and that nothing is changed."""

import numpy as np
import pytest

from scripts.ops.decoding.decoders import DECODERS, decoder

CHANNELS = {"mutex": 12, "binary": 1, "bc": 2, "bcd": 3, "bcd-distance": 3}
PROBABILITIES = [name for name in DECODERS if not name.startswith("bcd")]


def prediction(name, shape=(4, 20, 24), dtype=np.float32):
    generator = np.random.default_rng(5)
    return generator.random((CHANNELS.get(name, 3), *shape)).astype(dtype)


@pytest.mark.parametrize("name", DECODERS)
def test_byte_order_strides_and_float64_do_not_matter(name):
    decode, plain = decoder(name), prediction(name)
    expected = decode(plain)
    np.testing.assert_array_equal(decode(plain.astype(">f4")), expected)
    np.testing.assert_array_equal(decode(plain.astype(np.float64)), expected)
    np.testing.assert_array_equal(decode(np.asfortranarray(plain)), expected)
    backwards = np.ascontiguousarray(plain[..., ::-1])[..., ::-1]
    np.testing.assert_array_equal(decode(backwards), expected)


@pytest.mark.parametrize("name", DECODERS)
def test_half_precision_and_one_section_and_one_voxel_work(name):
    decode = decoder(name)
    assert decode(prediction(name, dtype=np.float16)).shape == (4, 20, 24)
    assert decode(prediction(name, (1, 20, 24))).shape == (1, 20, 24)
    assert decode(prediction(name, (1, 1, 1))).shape == (1, 1, 1)
    assert decode(prediction(name, (7, 1, 1))).shape == (7, 1, 1)


@pytest.mark.parametrize("name", PROBABILITIES)
def test_bytes_work(name):
    assert decoder(name)((prediction(name) * 255).astype(np.uint8)).dtype == np.uint32


@pytest.mark.parametrize("name", DECODERS)
def test_the_prediction_is_not_changed_even_when_it_is_read_only(name):
    given = prediction(name)
    kept = given.copy()
    given.flags.writeable = False
    decoder(name)(given)
    np.testing.assert_array_equal(given, kept)


@pytest.mark.parametrize("name", DECODERS)
def test_logits_are_named_and_nan_is_located(name):
    wrong = prediction(name)
    wrong[0, 1, 2, 3] = 4.5
    with pytest.raises(ValueError, match=r"holds 4.5 at \(channel, z, y, x\) = \(0, 1, 2, 3\), outside .* sigmoid"):
        decoder(name)(wrong)
    wrong[0, 1, 2, 3] = np.nan
    with pytest.raises(ValueError, match=r"holds NaN at \(channel, z, y, x\) = \(0, 1, 2, 3\)"):
        decoder(name)(wrong)


@pytest.mark.parametrize("name", DECODERS)
def test_wrong_channels_axes_emptiness_and_dtype_are_errors(name):
    decode = decoder(name)
    with pytest.raises(ValueError, match=rf"has 5 channels, expected {CHANNELS.get(name, 3)}"):
        decode(np.zeros((5, 2, 2, 2), np.float32))
    with pytest.raises(ValueError, match="not 4-D"):
        decode(np.zeros((2, 2, 2), np.float32))
    with pytest.raises(ValueError, match="is empty"):
        decode(np.zeros((CHANNELS.get(name, 3), 0, 2, 2), np.float32))
    with pytest.raises(ValueError, match="dtype int64"):
        decode(np.zeros((CHANNELS.get(name, 3), 2, 2, 2), np.int64))


def test_unknown_decoders_and_settings_are_errors():
    with pytest.raises(ValueError, match="unknown decoder 'watershed'; there are: zwatershed"):
        decoder("watershed")
    with pytest.raises(ValueError, match="has no setting 'lo'; it has: low, high"):
        decoder("zwatershed", {"lo": 0.1})
    with pytest.raises(ValueError, match=r"low 0.9 is above high 0.5"):
        decoder("zwatershed", {"low": 0.9, "high": 0.5})


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.0000005, r"holds 1\.0000005 at .* it was rounded there; clip the maps to \[0, 1\]"),
        (-1e-8, r"holds -1e-08 at .* it was rounded there"),
        (3.5, r"holds 3\.5 at .* logits\? apply a sigmoid first"),
        (7.00001, r"holds 7\.00001 at .* logits\?"),
    ],
)
def test_a_value_outside_its_range_is_printed_with_the_digits_that_tell(value, shown):
    affinities = np.full((3, 2, 4, 4), 0.5, np.float32)
    affinities[1, 1, 2, 3] = value
    with pytest.raises(ValueError, match=shown):
        decoder("zwatershed")(affinities)
