"""`decode` and `tune` on files: every format and dtype, boxes, several thresholds, and errors in one line."""

import json
import resource
from contextlib import contextmanager

import h5py
import numpy as np
import pytest
import zarr

from scripts.data.files.attributes import attributes
from scripts.data.files.open_store import open_store, prediction_format
from scripts.ops.decoding.decoders import DECODERS, MeanAgglomeration, ZWatershed
from scripts.ops.targets.affinities import label_affinities
from scripts.ops.targets.affinity_convention import LONG_RANGE, AffinityConvention
from scripts.ops.targets.contours import label_binary, label_contour
from scripts.ops.targets.noised_affinities import noised_affinities
from scripts.tools.cli import main

CELLS = np.zeros((6, 40, 60), np.uint16)
CELLS[:, 2:38, 2:28] = 1
CELLS[:, 2:38, 30:58] = 2


@pytest.fixture
def files(tmp_path):
    """pred.h5 with several arrays, pred.zarr, pred.npy (bytes), truth.h5."""
    ideal = label_affinities(CELLS).astype(np.float32)
    with h5py.File(tmp_path / "pred.h5", "w") as file:
        file["affinity"] = ideal
        file["noised"] = noised_affinities(CELLS, 0.5)
        file["long"] = label_affinities(CELLS, LONG_RANGE).astype(np.float16)
        file["bc"] = np.stack([label_binary(CELLS), label_contour(CELLS)]).astype(np.float32)
        file["logits"] = ideal * 8 - 4
    zarr.save_array(str(tmp_path / "pred.zarr"), ideal.astype(np.float16))
    np.save(tmp_path / "pred.npy", (ideal * 255).astype(np.uint8))
    with h5py.File(tmp_path / "truth.h5", "w") as file:
        file["labels"] = CELLS
    return tmp_path


@pytest.fixture
def full_disk():
    """`with full_disk(bytes)`: no file grows beyond that many bytes, as on a disk that is full."""

    @contextmanager
    def limited(most):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited


def labels(path, name="labels"):
    with h5py.File(path) as file:
        return file[name][:]


@pytest.mark.parametrize("source", ["pred.h5:affinity", "pred.zarr", "pred.npy"])
def test_affinities_of_every_format_and_dtype_become_instances(files, capsys, source):
    main(["decode", str(files / source), "--decoder", "zwatershed", "--out", str(files / "seg.h5")])
    np.testing.assert_array_equal(labels(files / "seg.h5"), CELLS)
    out = capsys.readouterr().out
    assert "2 instances, uint8" in out
    assert "Mvoxel/s" in out


def test_bc_and_mutex_decode_by_name(files):
    main(["decode", f"{files}/pred.h5:bc", "--decoder", "bc", "--out", f"{files}/bc.h5", "--small", "10"])
    assert labels(files / "bc.h5").max() == 2
    main(["decode", f"{files}/pred.h5:long", "--decoder=mutex", f"--out={files}/m.h5", "--strides=1,2,2"])
    np.testing.assert_array_equal(labels(files / "m.h5"), CELLS)


def test_a_box_is_decoded_alone_and_its_start_is_kept(files):
    main(["decode", f"{files}/pred.h5:affinity", "zwatershed", f"--out={files}/s.h5", "--box=2:5,:,10:60", "--dust=0"])
    np.testing.assert_array_equal(labels(files / "s.h5"), CELLS[2:5, :, 10:])
    with h5py.File(files / "s.h5") as file:
        assert file.attrs["offset"].tolist() == [2, 0, 10]
        assert file.attrs["decoder"] == "zwatershed"
        assert json.loads(file.attrs["settings"]) == {"dust": 0}


def test_several_thresholds_are_one_run_and_a_dataset_each(files):
    command = ["decode", f"{files}/pred.h5:noised", "agglomeration", f"--out={files}/s.h5", "--threshold=0.1,0.5"]
    main([*command, "--high", "0.999", "--dust", "0"])
    for cut in (0.1, 0.5):
        single = MeanAgglomeration(threshold=cut, high=0.999, dust=0)(noised_affinities(CELLS, 0.5))
        np.testing.assert_array_equal(labels(files / "s.h5", f"labels_{cut}"), single)


STATED = {"threshold": 0.2, "high": 0.999, "dust": 0}


def stating(path, attributes):
    """The noised affinities as inference leaves them, with these attributes."""
    maps = noised_affinities(CELLS, 0.5).astype(np.float32)
    store = open_store(path, prediction_format(path), maps.shape, "float32", (4, 64, 64), attributes=attributes)
    store.write(0, 0, maps)
    store.close()
    return maps


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("maps.h5", {"decoder": "agglomeration", "decoder_settings": json.dumps(STATED)}),
        ("maps.zarr", {"decoder": "agglomeration", "decoder_settings": json.dumps(STATED)}),
        ("earlier.zarr", {"decoder": "agglomeration", "decoder_settings": str({**STATED})}),
        ("evaluation.h5", {"decoder": json.dumps({"name": "agglomeration", "settings": STATED})}),
    ],
)
def test_a_prediction_is_decoded_as_it_states_itself(files, capsys, name, attributes):
    maps = stating(files / name, attributes)
    main(["decode", f"{files}/{name}", f"--out={files}/s.h5"])
    first, *_ = capsys.readouterr().out.splitlines()
    assert first == f"decoder: agglomeration {STATED}, as the prediction states; --decoder chooses another"
    np.testing.assert_array_equal(labels(files / "s.h5"), MeanAgglomeration(**STATED)(maps))
    with h5py.File(files / "s.h5") as file:
        assert file.attrs["decoder"] == "agglomeration"
        assert json.loads(file.attrs["settings"]) == STATED


def test_an_option_changes_one_setting_that_the_prediction_states_and_a_decoder_all(files, capsys):
    maps = stating(files / "m.zarr", {"decoder": "agglomeration", "decoder_settings": json.dumps(STATED)})
    main(["decode", f"{files}/m.zarr", f"--out={files}/s.h5", "--threshold=0.7", "--size=50"])
    first, *_ = capsys.readouterr().out.splitlines()
    assert first == (
        f"decoder: agglomeration {STATED | {'threshold': 0.7, 'size': 50}}, as the prediction states but for "
        "--threshold, --size; --decoder chooses another"
    )
    expected = MeanAgglomeration(**STATED | {"threshold": 0.7, "size": 50})(maps)
    np.testing.assert_array_equal(labels(files / "s.h5"), expected)
    main(["decode", f"{files}/m.zarr:0", f"--out={files}/several.h5", "--threshold=0.2,0.7", "--size=50"])
    np.testing.assert_array_equal(labels(files / "several.h5", "labels_0.7"), expected)
    main(["decode", f"{files}/m.zarr", f"--out={files}/z.h5", "--decoder=zwatershed", "--dust=5"])
    assert capsys.readouterr().out.count("as the prediction states") == 1  # of the run before
    np.testing.assert_array_equal(labels(files / "z.h5"), ZWatershed(dust=5)(maps))


@pytest.mark.parametrize("source", ["pred.h5:affinity", "pred.zarr", "pred.npy"])
def test_a_prediction_that_names_no_decoder_is_an_error_that_lists_them(files, error_of, source):
    line = error_of("decode", files / source, "--out", files / "s.h5")
    assert f"'{files}/{source.split(':')[0]}' does not name the decoder of its maps" in line
    assert line.endswith("choose one with --decoder: " + ", ".join(DECODERS))
    assert not (files / "s.h5").exists()


def test_a_prediction_that_cannot_be_decoded_as_it_states_is_an_error(files, error_of):
    stating(files / "odd.h5", {"decoder": "agglomeration", "decoder_settings": "threshold 0.3"})
    stating(files / "old.h5", {"decoder": "waves", "decoder_settings": "{}"})
    stating(files / "half.h5", {"decoder_settings": "{}"})
    out = files / "s.h5"
    assert "odd.h5' names its decoder by text that cannot be read" in error_of("decode", files / "odd.h5", "--out", out)
    assert "half.h5' names its decoder by text" in error_of("decode", files / "half.h5", "--out", out)
    assert "unknown decoder 'waves'; there are: " in error_of("decode", files / "old.h5", "--out", out)
    assert "none.h5' does not exist" in error_of("decode", files / "none.h5", "--out", out)


def test_small_objects_and_holes_go_when_asked(files):
    ring = np.zeros((1, 3, 20, 20), np.float32)
    ring[0, :, 2:18, 2:18] = 1
    ring[0, 1, 9, 9] = 0
    np.save(files / "ring.npy", ring)
    main(["decode", f"{files}/ring.npy", "binary", f"--out={files}/filled.h5", "--holes"])
    assert labels(files / "filled.h5")[1, 9, 9] == 1
    main(["decode", f"{files}/ring.npy", "binary", f"--out={files}/none.h5", "--smallest", "1000"])
    assert labels(files / "none.h5").max() == 0


def test_an_output_that_exists_is_kept_unless_overwritten(files, error_of):
    out = files / "seg.h5"
    out.write_bytes(b"mine")
    command = ["decode", f"{files}/pred.h5:affinity", "zwatershed", "--out", out]
    assert "exists; give another --out, or --overwrite" in error_of(*command)
    assert out.read_bytes() == b"mine"
    main([str(word) for word in command] + ["--overwrite"])
    assert labels(out).max() == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("pred.h5:logits", "zwatershed", "s.h5"), "holds -4 at (channel, z, y, x) = (0, 0, 0, 0), outside [0, 1]"),
        (("pred.h5:affinity", "bc", "s.h5"), "has 3 channels, expected 2"),
        (("pred.h5", "zwatershed", "s.h5"), "has 5 4D datasets; there are: affinity (3,"),
        (("pred.h5:none", "zwatershed", "s.h5"), "has no dataset 'none'; there are: affinity"),
        (("nothing.h5", "zwatershed", "s.h5"), "there is no volume"),
        (("pred.h5:affinity", "water", "s.h5"), "--decoder 'water' is not one of zwatershed, "),
        (
            ("pred.h5:affinity", "zwatershed", "s.txt"),
            "' is not one of NAME.zarr, NAME.h5, NAME.ome.zarr, image.zarr:labels",
        ),
        (
            ("pred.h5:affinity", "zwatershed", "s.h5", "--lo", "0.1"),
            "--lo of 'decode'; did you mean --low?",
        ),
        (("pred.h5:affinity", "zwatershed", "s.h5", "--low", "abc"), "--low 'abc' is not a number"),
        (("pred.h5:affinity", "zwatershed", "s.h5", "--low", "0.9", "--high", "0.1"), "low 0.9 is above high 0.1"),
        (
            ("pred.h5:affinity", "zwatershed", "s.h5", "--high", "80"),
            "not a number from 0 to 1; write 80 % as 0.8",
        ),
        (("pred.h5:affinity", "zwatershed", "s.h5", "--box", "0:7,:,:"), "ends at z=7, outside"),
        (
            ("pred.h5:affinity", "zwatershed", "s.h5", "--threshold", "0.1,0.2"),
            "unknown option --threshold",
        ),
    ],
)
def test_what_cannot_be_is_one_line(files, error_of, words, message):
    source, decoder, out, *rest = words
    assert message in error_of("decode", files / source, decoder, "--out", files / out, *rest)
    assert not (files / out).exists()


def test_tune_finds_the_best_setting_and_keeps_table_plot_and_record(files, capsys):
    command = ["tune", f"{files}/pred.h5:noised", f"{files}/truth.h5", "zwatershed", f"{files}/search"]
    command += ["--box=0:4,:,:", "--test_box=4:6,:,:", "--low=0.1", "--high=0.5,0.97,0.99", "--dust=100"]
    main(command)
    first = capsys.readouterr().out
    assert first.count("<-") == 1
    assert len((files / "search/search.jsonl").read_text().splitlines()) == 3
    assert (files / "search/search.png").stat().st_size > 1000
    main(command)
    assert capsys.readouterr().out == first


def test_a_full_disk_ends_tune_in_one_line_and_the_same_command_resumes(files, error_of, full_disk):
    command = ["tune", f"{files}/pred.h5:noised", f"{files}/truth.h5", "zwatershed", f"{files}/search"]
    command += ["--box=:,:,:", "--low=0.1,0.3", "--dust=10"]
    main([*command[:4], f"{files}/before", *command[5:]])  # compiles, and writes what it caches
    with full_disk((files / "before/search.jsonl").stat().st_size * 3 // 4):  # one line fits, two do not
        line = error_of(*command)
    assert f"no space left for '{files}/search/search.jsonl'" in line
    assert "The same command resumes with the settings that are recorded" in line
    assert [path.name for path in (files / "search").iterdir()] == ["search.jsonl"]
    main(command)
    assert (files / "search/search.md").read_text() == (files / "before/search.md").read_text()
    with full_disk(100):
        line = error_of(*command)
    assert f"no space left for '{files}/search/search.md'" in line
    assert sorted(path.name for path in (files / "search").iterdir()) == ["search.jsonl", "search.md", "search.png"]


def test_a_full_disk_ends_score_and_package_in_one_line_and_leaves_nothing(files, error_of, full_disk):
    main(["score", f"{files}/truth.h5", f"{files}/truth.h5", "--out", f"{files}/before.json"])  # compiles
    with full_disk(100):
        line = error_of("score", f"{files}/truth.h5", f"{files}/truth.h5", "--out", f"{files}/out/s.json")
    assert f"no space left for '{files}/out/s.json'" in line
    assert list((files / "out").iterdir()) == []
    with full_disk(100):
        line = error_of("package", "sem_mae_pretrain", "--out", f"{files}/packages")
    assert f"no space left for '{files}/packages/sem_mae_pretrain'" in line
    assert list((files / "packages").iterdir()) == []


def test_tune_warns_of_offsets_and_leaves_out_unknown_voxels(files, capsys, error_of):
    """Labels may be whole-number floats and -1; a wrong id where nothing is known changes no score."""
    tables = []
    known = np.ones(CELLS.shape, np.uint8)
    known[:, :, 40:] = 0
    np.save(files / "known.npy", known)
    np.save(files / "unknown.npy", np.where(known, CELLS.astype(np.float32), -1))
    np.save(files / "wrong.npy", np.where(known, CELLS, 9))
    for name, box, mask in (("unknown", ":,:,:", []), ("wrong", ":,:,:", [f"--mask={files}/known.npy"])):
        command = ["tune", f"{files}/pred.h5:affinity", f"{files}/{name}.npy", "zwatershed", f"{files}/{name}"]
        main([*command, f"--box={box}", "--low=0.1", "--size=0", "--dust=0", *mask])
        tables.append((files / name / "search.md").read_text())
    assert tables[0] == tables[1]
    capsys.readouterr()
    slanted = np.stack([np.roll(CELLS[0], (z, z), (0, 1)) for z in range(6)])
    np.save(files / "slanted.npy", label_affinities(slanted).astype(np.float32))
    np.save(files / "labels.npy", slanted)
    command = ["tune", f"{files}/slanted.npy", f"{files}/labels.npy", "zwatershed", f"{files}/other", "--box=:,:,:"]
    main([*command, "--low=0.1", "--offsets=[[0,0,1],[0,1,0],[1,0,0]]"])
    assert "warning: the affinities contradict these offsets and fit [[-1, 0, 0]" in "".join(capsys.readouterr())
    np.save(files / "empty.npy", np.zeros_like(CELLS))
    assert "has no labelled object in 0:6,0:40,0:60 to score" in error_of(
        *command[:2], f"{files}/empty.npy", "zwatershed", f"{files}/none", "--box=:,:,:", "--low=0.1"
    )


def test_tune_places_the_prediction_of_a_box_in_its_labels(files, error_of):
    with h5py.File(files / "pred.h5", "r+") as file:
        file.create_dataset("part", data=file["noised"][:, 2:5, :, 8:]).attrs["offset"] = (2, 0, 8)
        file["cut"] = file["part"][:]
    np.save(files / "cut.npy", CELLS[2:5, :, 8:])
    tables = []
    for pred, gt, box in (("part", "truth.h5", "3:5,:,8:50"), ("cut", "cut.npy", "1:3,:,0:42")):
        command = ["tune", f"{files}/pred.h5:{pred}", f"{files}/{gt}", "zwatershed", f"{files}/{pred}", f"--box={box}"]
        main([*command, "--low=0.1", "--size=20", "--dust=5,10"])
        tables.append((files / pred / "search.md").read_text())
    assert tables[0] == tables[1]
    command = ["tune", f"{files}/pred.h5:part", f"{files}/truth.h5", "zwatershed", f"{files}/none", "--low=0.1"]
    assert "box 0:2,0:40,0:60 of the ground truth reaches out of the prediction" in error_of(*command, "--box=0:2,:,:")


def test_tune_never_reads_the_test_box(files, error_of):
    command = ["tune", f"{files}/pred.h5:noised", f"{files}/truth.h5", "zwatershed", f"{files}/search", "--low=0.1"]
    assert "shares voxels with the test box" in error_of(*command, "--box=0:4,:,:", "--test_box=3:6,:,:")
    assert "--metric 'rand' is not one of adapted_rand_snemi3d, " in error_of(
        *command, "--box=0:4,:,:", "--metric=rand"
    )
    assert not (files / "search").exists()


NEXT_XYZ = [[0, 0, 1], [0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize("given", ["as given", "as the prediction states"])
def test_offsets_are_taken_from_the_option_or_from_the_attributes_and_printed(files, capsys, given):
    with h5py.File(files / "next.h5", "w") as file:
        file["affs"] = label_affinities(CELLS, AffinityConvention(tuple(map(tuple, NEXT_XYZ)))).astype(np.float32)
        if given != "as given":
            file["affs"].attrs["offsets"] = NEXT_XYZ
    option = [f"--offsets={json.dumps(NEXT_XYZ)}"] if given == "as given" else []
    for name in (":affs", "/affs", ""):  # one array however it is named
        main(["decode", f"{files}/next.h5{name}", "zwatershed", f"--out={files}/s.h5", "--overwrite", *option])
        np.testing.assert_array_equal(labels(files / "s.h5"), CELLS)
        assert f"offsets: {json.dumps(NEXT_XYZ)} (z, y, x), {given}" in capsys.readouterr().out


def test_attributes_are_those_of_the_array_and_all_above_it(tmp_path):
    with h5py.File(tmp_path / "co:lon.h5", "w") as file:
        file["volumes/affs"] = np.ones((3, 2, 2, 2), np.float32)
        file["other"] = np.ones(3)
        file.attrs["program"], file["volumes"].attrs["units"], file["volumes/affs"].attrs["offsets"] = (
            "a",
            "nm",
            NEXT_XYZ,
        )
    group = zarr.open_group(tmp_path / "p.zarr", mode="w")
    array = group.create_array("volumes/affs", shape=(3, 2, 2, 2), chunks=(3, 2, 2, 2), dtype="f4")
    array[:] = 1
    group.attrs["program"], array.attrs["offsets"] = "a", NEXT_XYZ
    for path in ("co:lon.h5", "co:lon.h5:volumes/affs", "p.zarr", "p.zarr/volumes/affs"):
        noted = attributes(str(tmp_path / path))
        assert noted["program"] == "a"
        assert np.array_equal(noted["offsets"], NEXT_XYZ)
    assert attributes(str(tmp_path / "co:lon.h5:nope")) == {"program": "a"}
    assert attributes(str(tmp_path / "absent.h5")) == {}


def test_nothing_is_decoded_where_the_mask_is_0(files):
    inside = np.ones(CELLS.shape, np.uint8)
    inside[:, :8] = 0
    np.save(files / "mask.npy", inside)
    main(["decode", f"{files}/pred.h5:affinity", "zwatershed", f"--out={files}/s.h5", f"--mask={files}/mask.npy"])
    np.testing.assert_array_equal(labels(files / "s.h5"), CELLS * inside)
