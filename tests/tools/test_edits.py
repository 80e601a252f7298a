"""`decode --edits` makes the merges and splits of a file; `export_labels` makes labels of the result."""

import json

import h5py
import numpy as np
import pytest

from scripts.data.volumes import open_volume
from scripts.tools.cli import main
from scripts.tools.edits_file import edits_of_state


@pytest.fixture
def files(tmp_path):
    """Affinities of two cells with a weak spot in the first one, in a box of an image."""
    cells = np.zeros((4, 12, 40), np.uint8)
    cells[:, 1:11, :20], cells[:, 1:11, 22:] = 1, 2
    affinities = np.zeros((3, *cells.shape), np.float32)
    for axis in range(3):
        here, before = [slice(None)] * 3, [slice(None)] * 3
        here[axis], before[axis] = slice(1, None), slice(None, -1)
        affinities[axis][tuple(here)] = 0.9 * ((cells[tuple(here)] == cells[tuple(before)]) & (cells[tuple(here)] > 0))
    affinities[2, :, :, 9] *= 0.7
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file["prediction"] = affinities
    with h5py.File(tmp_path / "image.h5", "w") as file:
        file["raw"] = np.zeros((6, 12, 40), np.uint8)
        file.attrs["resolution"] = (30, 6, 6)
    return tmp_path


def decode(folder, out, *more):
    command = ["decode", f"{folder}/maps.h5", "zwatershed", f"--out={folder}/{out}", "--dust=0", "--size=0"]
    main([*command, "--join=0.5", *more])
    with h5py.File(folder / out) as file:
        return file["labels"][:], dict(file.attrs)


def edits_file(folder, **content):
    path = folder / "edits.json"
    path.write_text(json.dumps(content))
    return f"--edits={path}"


def test_edits_are_made_and_all_other_voxels_stay(files):
    first, about = decode(files, "first.h5")
    assert first.max() == 2
    a, b = int(first[0, 5, 2]), int(first[0, 5, 30])
    split = {"split": [[1, 5, 2], [1, 5, 17]]}
    edited, _ = decode(files, "split.h5", edits_file(files, edits=[split]))
    expected = first.copy()
    expected[:, 1:11, 9:20] = 3
    assert np.array_equal(edited, expected)
    both = [split, {"merge": [[1, 5, 17], [1, 5, 30]]}]
    edited, _ = decode(files, "both.h5", edits_file(files, decode=about["decode"], edits=both))
    assert np.array_equal(edited, np.where(expected == b, 3, expected))
    merged, _ = decode(files, "ids.h5", edits_file(files, decode=about["decode"], edits=[{"merge": [a, b]}]))
    assert np.array_equal(merged, np.where(first == b, a, first))


def test_points_are_voxels_of_the_volume_where_a_box_is_decoded(files):
    edits = edits_file(files, edits=[{"split": [[2, 5, 2], [2, 5, 17]]}])
    edited, _ = decode(files, "box.h5", "--box=1:4,:,:", edits)
    assert edited[1, 5, 2] != edited[1, 5, 17]


def test_edits_of_another_decode_and_damaged_files_are_refused(files, error_of):
    command = ["decode", f"{files}/maps.h5", "zwatershed", f"--out={files}/s.h5"]
    assert "has edits of the decode abc, this one is " in error_of(*command, edits_file(files, decode="abc", edits=[]))
    wrong = error_of(*command, edits_file(files, edits=[{"merge": [1, 2]}]))
    assert 'has edits by ids and no "decode"; add "decode": "' in wrong
    assert "is neither" in error_of(*command, edits_file(files, edits=[{"join": [1, 2]}]))
    assert "are not two sides" in error_of(*command, edits_file(files, edits=[{"split": [[1, 2, 3]]}]))
    assert "is neither a point [z, y, x] of whole voxels nor an id" in error_of(
        *command, edits_file(files, edits=[{"split": [[1, 2, 3], [1, 2.5, 3]]}])
    )
    (files / "edits.json").write_text("[")
    assert "is not JSON of the form" in error_of(*command, f"--edits={files}/edits.json")
    assert "there is no file of edits" in error_of(*command, f"--edits={files}/none.json")
    assert not (files / "s.h5").exists()


def test_what_was_drawn_in_the_viewer_is_read_from_its_state():
    line = {"type": "line", "pointA": [12.5, 3.5, 1.5], "pointB": [20.0, 3.0, 1.0]}
    layers = [
        {"name": "instances", "type": "segmentation", "equivalences": [["4", "9", "11"]]},
        {"name": "splits", "type": "annotation", "annotations": [line, {"type": "point", "point": [0, 0, 0]}]},
        {"name": "merges", "type": "annotation", "annotations": [line]},
        {"name": "errors", "type": "annotation", "annotations": [line]},
    ]
    points = [[1, 3, 12], [1, 3, 20]]
    assert edits_of_state({"layers": layers}, "abc") == {
        "decode": "abc",
        "edits": [{"merge": [4, 9]}, {"merge": [4, 11]}, {"split": points}, {"merge": points}],
    }


def test_corrected_instances_become_labels_with_the_rest_unlabelled(files, error_of):
    found, _ = decode(files, "box.h5", "--box=1:4,2:12,:")
    command = ["export_labels", f"{files}/box.h5", f"{files}/image.h5:raw"]
    main([*command, f"--out={files}/labels.h5", "--box=1:3,4:12,5:30"])
    labels = open_volume(files / "labels.h5")
    assert (labels.shape, labels.dtype, labels.voxel_size_nm) == ((6, 12, 40), np.int32, (30, 6, 6))
    expected = np.full((6, 12, 40), -1)
    expected[1:3, 4:12, 5:30] = found[:2, 2:, 5:30]
    assert np.array_equal(labels[:], expected)
    assert "reaches out of 1:4,2:12,0:40, which the instances cover" in error_of(
        *command, f"--out={files}/l2.h5", "--box=0:3,4:12,5:30"
    )


def test_instances_of_other_voxels_are_no_labels_of_the_image(files, error_of):
    with h5py.File(files / "coarse.h5", "w") as file:
        file["labels"] = np.ones((6, 6, 20), np.uint8)
        file.attrs["resolution"] = (30, 12, 12)
    line = error_of("export_labels", f"{files}/coarse.h5", f"{files}/image.h5:raw", f"--out={files}/l.h5")
    assert "of (30.0, 12.0, 12.0) nm (z, y, x), " in line
    assert line.endswith("of (30.0, 6.0, 6.0); bring both to one resolution")
    assert not (files / "l.h5").exists()


def test_a_map_is_no_labels_and_whole_numbers_of_a_real_type_are(files, error_of):
    with h5py.File(files / "real.h5", "w") as file:
        file["map"], file["ids"] = np.full((6, 12, 40), 0.5, np.float32), np.full((2, 12, 40), 3, np.float32)
        file["ids"].attrs["offset"] = (4, 0, 0)
    line = error_of("export_labels", f"{files}/real.h5:map", f"{files}/image.h5:raw", f"--out={files}/l.h5")
    assert "hold 0.5 at (z, y, x) = (0, 0, 0); ids are whole numbers" in line
    main(["export_labels", f"{files}/real.h5:ids", f"{files}/image.h5:raw", f"--out={files}/l.h5"])
    assert np.unique(open_volume(files / "l.h5")[:4]).tolist() == [-1]
    assert np.unique(open_volume(files / "l.h5")[4:]).tolist() == [3]
