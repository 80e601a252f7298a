"""Masks, filled holes and edits block by block are those of the volume in memory."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scripts.ops.decoding.decoders import decoder
from scripts.ops.decoding.edits import Edit, apply_edits
from scripts.ops.decoding.masking import mask_instances, mask_prediction
from scripts.ops.labels.label_cleanup import fill_holes, relabel_consecutive, remove_small_objects
from scripts.ops.targets.affinity_convention import NEAREST
from scripts.ops.targets.noised_affinities import noised_affinities
from scripts.tools.cli import main
from tests.blockwise.tiny_volumes import decoded_in_blocks, plan_of

SETTINGS = {"zwatershed": {"size": 0, "dust": 2}, "binary": {"small_seed": 1, "small": 2}}
shapes = st.tuples(st.integers(1, 3), st.integers(3, 5), st.integers(3, 6))
blocks = st.sampled_from([(1, 2, 3), (2, 2, 2), (3, 3, 5), (4, 9, 9)])
values = st.sampled_from([0, 0, 60, 250, 255])


def expected(prediction, name, inside, smallest, holes):
    if inside is not None:
        prediction = mask_prediction(prediction, inside, NEAREST if len(prediction) == 3 else None)
    labels = decoder(name, SETTINGS[name])(prediction)
    if inside is not None:
        labels = mask_instances(labels, inside)
    labels = remove_small_objects(labels, smallest)
    return relabel_consecutive(fill_holes(labels) if holes else labels)


def check(prediction, block, inside, smallest, holes):
    name = "zwatershed" if len(prediction) == 3 else "binary"
    with tempfile.TemporaryDirectory() as given:
        folder = Path(given)
        np.save(folder / "mask.npy", np.zeros(0) if inside is None else inside.astype(np.uint8))
        mask = None if inside is None else str(folder / "mask.npy")
        plan_of(folder, prediction, block, name, SETTINGS[name], smallest=smallest, mask=mask, holes=holes)
        found = decoded_in_blocks(folder)["labels"]
    labels = expected(prediction, name, inside, smallest, holes)
    np.testing.assert_array_equal(found, labels)
    assert found.dtype == labels.dtype


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.data(), shapes, blocks, st.sampled_from([1, 3]), st.sampled_from([0, 4]), st.booleans(), st.booleans())
def test_masks_and_holes_of_few_values(data, shape, block, channels, smallest, masked, holes):
    prediction = data.draw(arrays(np.uint8, (channels, *shape), elements=values))
    inside = data.draw(arrays(bool, shape, elements=st.sampled_from([True, True, True, False]))) if masked else None
    check(prediction, block, inside, smallest, holes)


@pytest.mark.parametrize("block", [(3, 4, 4), (2, 3, 8), (5, 8, 8)])
def test_a_hole_through_many_blocks_is_filled_and_one_with_two_neighbours_is_not(block):
    prediction = np.zeros((1, 5, 8, 8), np.uint8)
    prediction[0, :, :, :4] = 255  # two objects with a gap of one voxel between them
    prediction[0, :, :, 5:] = 255
    prediction[0, 1:4, 2:6, 1] = 0  # a hole of the first
    prediction[0, 2, 3, 3] = 0  # opens into the gap
    check(prediction, block, None, 0, True)
    prediction[0, 0], prediction[0, -1] = 255, 255  # now one object around the gap but for y
    prediction[0, :, 0], prediction[0, :, -1] = 255, 255
    check(prediction, block, None, 0, True)


@pytest.fixture(scope="module")
def maps(cells):
    return np.round(noised_affinities(cells, 1.0) * 255).astype(np.uint8)


def edits_of(labels):
    """Merge two segments by ids, split them again by points, and merge the last id away before the next split."""
    sizes = np.bincount(labels.ravel())[1:]
    a, b, c = (np.argsort(sizes)[::-1][:3] + 1).tolist()
    points = {i: tuple(np.argwhere(labels == i)[len(np.argwhere(labels == i)) // 2].tolist()) for i in (a, b, c)}
    last = int(labels.max())
    return [
        Edit("merge", a, b),
        Edit("merge", c, last) if c != last else Edit("merge", c, 1 if a != 1 and b != 1 and c != 1 else 2),
        Edit("split", points[a], points[b]),
    ]


@pytest.mark.parametrize("block", [(12, 24, 28), (7, 48, 20)])
def test_edits_are_those_of_memory(tmp_path, maps, block):
    chosen = {"high": 0.99, "weak": 0.9, "size": 20, "dust": 30}
    labels = relabel_consecutive(decoder("zwatershed", chosen)(maps))
    edits = edits_of(labels)
    plan_of(tmp_path, maps, block, "zwatershed", chosen, edits=tuple(map(tuple, edits)))
    found = decoded_in_blocks(tmp_path)["labels"]
    edited = apply_edits(labels, maps, edits)
    assert (edited != labels).any()
    np.testing.assert_array_equal(found, edited)
    assert found.dtype == edited.dtype


def test_the_command_writes_the_same_bytes_with_a_mask_holes_and_edits(tmp_path, maps, capsys):
    array = zarr.create_array(str(tmp_path / "maps.zarr"), shape=maps.shape, dtype="uint8", chunks=(3, 4, 16, 16))
    array[:] = maps
    inside = np.ones(maps.shape[1:], np.uint8)
    inside[:, :10] = 0
    np.save(tmp_path / "mask.npy", inside[:, ::2, ::2])  # larger voxels
    command = ["decode", f"{tmp_path}/maps.zarr", "--decoder=zwatershed", "--high=0.99", "--weak=0.9", "--size=20"]
    command += ["--dust=30", "--holes", "--smallest=40", f"--mask={tmp_path}/mask.npy"]
    main([*command, f"--out={tmp_path}/plain.zarr"])
    plain = zarr.open(tmp_path / "plain.zarr")
    edits = [{edit.kind: [edit.first, edit.second]} for edit in edits_of(plain["labels"][:])]
    (tmp_path / "edits.json").write_text(json.dumps({"decode": plain.attrs["decode"], "edits": edits}))
    command.append(f"--edits={tmp_path}/edits.json")
    main([*command, f"--out={tmp_path}/memory.zarr"])
    capsys.readouterr()
    main([*command, f"--out={tmp_path}/blocks.zarr", "--memory_gib=0.0001"])
    assert "block by block: in memory it takes about 0.00 GiB, 0.00 GiB are allowed" in capsys.readouterr().out
    memory, blocks = zarr.open(tmp_path / "memory.zarr"), zarr.open(tmp_path / "blocks.zarr")
    np.testing.assert_array_equal(blocks["labels"][:], memory["labels"][:])
    assert (blocks["labels"].dtype, dict(blocks.attrs)) == (memory["labels"].dtype, dict(memory.attrs))
    assert (memory["labels"][:] != plain["labels"][:]).any()
