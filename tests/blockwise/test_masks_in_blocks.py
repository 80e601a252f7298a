"""Objects of binary and contour maps, decoded in blocks, are those of decoding in memory."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scripts.ops.decoding.decoders import decoder
from tests.blockwise.tiny_volumes import decoded_in_blocks, plan_of

blocks = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
values = st.sampled_from([0, 0, 230, 240, 255, 255])
maps = st.tuples(st.integers(1, 2), st.integers(1, 4), st.integers(1, 5), st.integers(1, 6)).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=values)
)


def check(prediction, block, chosen):
    name = "binary" if len(prediction) == 1 else "bc"
    expected = decoder(name, chosen)(prediction)
    with tempfile.TemporaryDirectory() as folder:
        plan_of(Path(folder), prediction, block, name, chosen)
        found = decoded_in_blocks(Path(folder))["labels"]
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=16, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(maps, blocks, st.integers(0, 3), st.integers(0, 5))
def test_objects_of_few_values(prediction, block, small_seed, small):
    check(prediction, block, {"small_seed": small_seed, "small": small})


@pytest.mark.parametrize("block", [(5, 20, 20), (12, 47, 55), (20, 64, 64)])
def test_objects_that_touch_many_blocks(cells, block):
    generator = np.random.default_rng(1)
    touching = np.zeros(cells.shape, bool)
    for axis in (1, 2):
        touching |= cells != np.roll(cells, 1, axis)
    binary = np.where(
        touching & (generator.random(cells.shape) < 0.9), 0.3, 0.86 + 0.14 * generator.random(cells.shape)
    )
    binary[:, :20, :20] = 0  # a block of nothing
    prediction = np.stack([binary, touching * 0.9]).astype(np.float32)
    check(prediction, block, {"small_seed": 2, "small": 10})
    check(np.round(prediction[:1] * 255).astype(np.uint8), block, {"seed": 0.95, "small_seed": 1, "small": 10})
