"""Labelled regions: which labels belong to a volume, how many are used, and what is reported before training."""

import json
import os
import pickle
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest
import tifffile
from torch.utils.data import DataLoader

from scripts.data.files.writing import write_hdf5
from scripts.data.regions.held_out import check_held_out
from scripts.data.regions.known_labels import KnownLabels
from scripts.data.regions.label_budget import budget_boxes, describe_labels, runs
from scripts.data.regions.label_search import spread
from scripts.data.regions.open_regions import describe, region_shares
from scripts.data.regions.read_margins import read_size
from scripts.data.regions.training_regions import labelled_regions
from scripts.data.sampling.crops import CropDataset
from scripts.data.volumes import ArrayVolume, open_volume
from scripts.ops.box import Box

CROP = (2, 4, 4)
BOX = Box((0, 0, 0), (20, 16, 16))


def arrays(depth: int = 20, side: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Noise, and labels of two cells: 1 on the left, 2 on the right of a column of background."""
    raw = np.random.default_rng(0).integers(0, 256, (depth, side, side), dtype=np.uint8)
    labels = np.ones(raw.shape, np.uint16)
    labels[:, :, side // 2] = 0
    labels[:, :, side // 2 + 1 :] = 2
    return raw, labels


def saved(folder: Path, **more) -> str:
    raw, labels = arrays()
    write_hdf5(folder / "v.h5", {"raw": raw, "labels": labels} | more, (30, 6, 6))
    return str(folder / "v.h5")


@pytest.fixture
def file(tmp_path) -> str:
    return saved(tmp_path)


def opened(file: str, labels: str = "labels", box: str | None = "0:16,:,:", **more):
    return labelled_regions(f"{file}:raw", f"{file}:{labels}", "training", box, CROP, **more)


def write_manifest(folder: Path, *entries: dict) -> str:
    content = {"name": "mine", "description": "a test", "licence": "CC0-1.0", "citation": "nobody"}
    content |= {"voxel_size_nm": [30, 6, 6], "training": list(entries), "validation": []}
    (folder / "mine.json").write_text(json.dumps(content))
    return str(folder / "mine.json")


# a volume that is known in parts


def test_labels_outside_the_known_boxes_read_as_unknown_whatever_is_asked():
    whole = np.arange(1, 6 * 4 * 5 + 1, dtype=np.uint8).reshape(6, 4, 5)
    boxes = [Box((0, 0, 0), (2, 4, 5)), Box((3, 1, 1), (4, 3, 5))]
    known, expected = KnownLabels(ArrayVolume(whole), boxes), np.full(whole.shape, -1)
    for box in boxes:
        expected[box.slices] = whole[box.slices]
    for key in (..., np.s_[1:4, 2, 1:], np.s_[5], np.s_[::2, ::-1, 3], np.s_[0:2]):
        assert np.array_equal(known[key], expected[key])


@pytest.mark.parametrize(
    ("stored", "signed"), [("bool", "int8"), ("uint8", "int16"), ("uint16", "int32"), ("uint32", "int64"), ("i4", "i4")]
)
def test_every_id_of_the_stored_type_is_kept(stored, signed):
    most = 1 if stored == "bool" else np.iinfo(stored).max
    known = KnownLabels(ArrayVolume(np.full((1, 1, 2), most, stored)), [Box((0, 0, 0), (1, 1, 1))])
    assert known.dtype == known[...].dtype == np.dtype(signed)
    assert known[0, 0].tolist() == [most, -1]


def test_ids_that_no_signed_number_holds_are_an_error_with_the_id():
    labels = np.full((2, 3, 3), 5, np.uint64)
    labels[1, 2, 2] = 2**63 + 7
    known = KnownLabels(ArrayVolume(labels))
    assert known[0].max() == 5
    with pytest.raises(ValueError, match=r"the id 9223372036854775815 in box 1:2,0:3,0:3, above 9223372036854775807"):
        known[1]


def test_minus_one_is_unknown_and_anything_below_is_an_error():
    labels = ArrayVolume(np.array([[[-1, 0, 3]], [[-2, 0, 3]]], np.int32))
    assert KnownLabels(labels)[0, 0].tolist() == [-1, 0, 3]
    with pytest.raises(ValueError, match="hold -2 in box 0:2,0:1,0:3; ids are 0 or positive, and -1 is unknown"):
        KnownLabels(labels)[...]


# which labels


def test_a_plain_volume_needs_its_labels_named(file):
    (region,) = opened(file, box=None)
    assert str(region.box) == "0:18,0:16,0:16"
    assert region.label[0, 0].tolist() == [1] * 8 + [0] + [2] * 7
    with pytest.raises(ValueError, match=r"v\.h5:raw comes without labels; give their path, .*--labels my\.h5"):
        labelled_regions(f"{file}:raw", None, "training", None, CROP)
    with pytest.raises(ValueError, match="labels 'neurites' is no path of a volume"):
        labelled_regions(f"{file}:raw", "neurites", "training", None, CROP)


def test_each_volume_of_a_list_has_its_own_labels(file, tmp_path):
    raw, labels = arrays()
    np.save(tmp_path / "raw.npy", raw)
    np.save(tmp_path / "ids.npy", labels * 100)
    volumes = [f"{file}:raw", str(tmp_path / "raw.npy")]
    first, second = labelled_regions(
        volumes, [f"{file}:labels", str(tmp_path / "ids.npy")], "training", None, CROP, labelled_sections=2
    )
    assert (first.label[0].max(), second.label[0].max()) == (2, 200)
    with pytest.raises(ValueError, match=r"1 labels for 2 volumes \(.*raw\.npy\); give one for each"):
        labelled_regions(volumes, [f"{file}:labels"], "training", None, CROP)
    with pytest.raises(ValueError, match=r"is one volume for 2 \(.*; give a list"):
        labelled_regions(volumes, f"{file}:labels", "training", None, CROP)


def test_the_synthetic_volume_has_neurites_and_mitochondria():
    (neurites,) = labelled_regions("synthetic", None, "training", None, (6, 96, 96))
    (mitochondria,) = labelled_regions("synthetic", "mitochondria", "training", None, (6, 96, 96))
    assert str(neurites.box) == str(mitochondria.box) == "0:57,0:512,0:512"
    assert np.mean(neurites.label[0] > 0) > 0.5 > 0.3 > np.mean(mitochondria.label[0] > 0) > 0
    with pytest.raises(ValueError, match="no labels of the class 'spines'; it has: labels, neurites, mitochondria"):
        labelled_regions("synthetic", "spines", "training", None, (6, 96, 96))


def test_a_manifest_states_the_labels_and_its_classes(tmp_path):
    file = saved(tmp_path, mito=arrays()[1] * 9)
    plain = {"image": "v.h5:raw", "label": "v.h5:labels", "box": "0:12,:,:"}
    (region,) = labelled_regions(write_manifest(tmp_path, plain), None, "training", None, CROP)
    assert region.label.path == f"{file}:labels"
    with pytest.raises(ValueError, match=r"mine\.json: \$\.training\[0\] has no labels of the class 'mito'; add \"lab"):
        labelled_regions(str(tmp_path / "mine.json"), "mito", "training", None, CROP)
    both = {"image": "v.h5:raw", "labels": {"cells": "v.h5:labels", "mito": "v.h5:mito"}}
    (region,) = labelled_regions(write_manifest(tmp_path, both), "mito", "training", None, CROP)
    assert region.label[0].max() == 18
    with pytest.raises(
        ValueError, match=r"\$\.training\[0\] has labels of several classes, choose one: --labels cells"
    ):
        labelled_regions(str(tmp_path / "mine.json"), None, "training", None, CROP)
    with pytest.raises(ValueError, match=r"\$\.training\[0\] has no labels of the class 'axons'; it has: cells, mito"):
        labelled_regions(str(tmp_path / "mine.json"), "axons", "training", None, CROP)
    with pytest.raises(ValueError, match=r"\$\.training\[0\] has no labels; add \"label\": \"FILE:DATASET\" to it"):
        labelled_regions(write_manifest(tmp_path, {"image": "v.h5:raw"}), None, "training", None, CROP)


# how many of them


def test_runs_are_neighbouring_numbers():
    assert runs([0, 1, 2, 40, 42, 43]) == [(0, 3), (40, 41), (42, 44)]
    assert runs([]) == []


@pytest.mark.parametrize(
    ("sections", "box", "expected"),
    [
        (None, None, ["2:20,0:16,0:16"]),
        (3, None, ["2:5,0:16,0:16"]),
        ([9, 3, 4, 3], None, ["3:5,0:16,0:16", "9:10,0:16,0:16"]),
        (None, "4:10,0:8,2:6", ["4:10,0:8,2:6"]),
        (None, ":,0:8,2:", ["2:20,0:8,2:16"]),
        (2, "4:10,0:8,2:6", ["4:6,0:8,2:6"]),
        ((5, 7), "4:10,0:8,2:6", ["5:6,0:8,2:6", "7:8,0:8,2:6"]),
    ],
)
def test_a_budget_becomes_one_box_a_run(sections, box, expected):
    inside = Box((2, 0, 0), (20, 16, 16))
    assert list(map(str, budget_boxes(inside, (20, 16, 16), sections, box))) == expected


@pytest.mark.parametrize(
    ("sections", "box", "message"),
    [
        (0, None, "labelled_sections 0: the box to train on has the sections 0 to 19; give a count from 1 to 20"),
        (21, None, "labelled_sections 21: .* 0 to 19"),
        (True, None, "labelled_sections True is neither a count"),
        ("8", None, "labelled_sections '8' is neither a count, such as 8, nor a list"),
        (1.5, None, "labelled_sections 1.5 is neither"),
        ([], None, "is not a list of whole section numbers"),
        ([1, 2.5], None, r"\[1, 2.5\] is not a list of whole section numbers"),
        ([3, 20], None, "section 20 is outside the box to train on, which has the sections 0 to 19"),
        ([3], "4:10,:,:", "section 3 is outside the box to train on, which has the sections 4 to 9"),
        (None, "4:10,0:17,:", r"labelled_box: box 4:10,0:17,0:16 ends at y=17, outside the volume of shape \(20, 16"),
        (None, "80", "labelled_box: box '80' is not of the form z0:z1,y0:y1,x0:x1"),
    ],
)
def test_a_budget_outside_the_box_states_what_there_is(sections, box, message):
    with pytest.raises(ValueError, match=message):
        budget_boxes(BOX, BOX.shape, sections, box)


def test_a_labelled_box_outside_the_training_box_is_an_error(file):
    with pytest.raises(
        ValueError, match=r"v\.h5:raw: labelled_box 10:18,0:16,0:16 reaches out of the training box 0:16"
    ):
        opened(file, labelled_box="10:18,:,:")


def test_the_image_is_read_everywhere_and_labels_only_in_the_budget(file):
    near, far = opened(file, labelled_sections=[0, 1, 9])
    assert str(near.box) == str(far.box) == "0:16,0:16,0:16"
    assert (str(near.labelled), str(far.labelled)) == ("0:2,0:16,0:16", "9:10,0:16,0:16")
    assert [int(far.label[z].max()) for z in range(16)] == [2, 2, -1, -1, -1, -1, -1, -1, -1, 2] + [-1] * 6
    assert region_shares([near, far]) == [2 / 3, 1 / 3]


@pytest.mark.parametrize("sections", [1, 3, [0, 9], [15], [4, 6, 8], [0, 1, 2, 3, 14, 15], None])
@pytest.mark.parametrize("box", [None, "0:16,3:5,14:16", "0:16,0:1,0:1"])
@pytest.mark.parametrize("margin", [(0, 0, 0), (3, 5, 5)])
def test_the_middle_of_every_crop_holds_known_labels_and_all_sections_are_used(file, sections, box, margin):
    regions = opened(file, labelled_sections=sections, labelled_box=box)
    size = read_size(regions, CROP, margin)
    crops = CropDataset(regions, size)
    inner = tuple(slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(size, CROP, strict=True))
    used = set()
    for index in range(150):
        item = crops[index]
        known = item["label"][0][inner] >= 0
        assert known.any()
        used |= {int(item["corner"][0]) + inner[0].start + z for z in np.flatnonzero(known.any((1, 2)))}
        region = regions[item["region"]]
        last = item["corner"] + size
        assert (item["corner"] >= region.box.start).all()
        assert (last <= region.box.stop).all()
    wanted = {z for region in regions for z in range(region.sampling_box.start[0], region.sampling_box.stop[0])}
    assert used <= wanted
    assert len(used) >= 0.75 * len(wanted)


def test_weights_of_a_manifest_are_shared_out_among_the_runs(tmp_path):
    saved(tmp_path)
    entry = {"image": "v.h5:raw", "label": "v.h5:labels", "weight": 1}
    manifest = write_manifest(tmp_path, entry | {"box": "0:8,:,:"}, entry | {"box": "8:16,:,:", "weight": 3})
    regions = labelled_regions(manifest, None, "training", None, CROP, labelled_sections=4)
    assert region_shares(regions) == [0.25, 0.75]
    entry["box"] = "0:8,:,:"
    regions = labelled_regions(write_manifest(tmp_path, entry), None, "training", None, CROP, [0, 1, 4])
    assert region_shares(regions) == pytest.approx([2 / 3, 1 / 3])


def test_the_budget_is_printed_as_text(file):
    regions = opened(file, labelled_sections=[0, 1, 2, 9])
    assert describe_labels(regions) == f"{file}:labels: 4 sections (0-2, 9), y,x 0:16,0:16, 1024 voxels"
    assert f"labels {file}:labels in 9:10,0:16,0:16, 25% of the crops" in describe(regions)
    whole = describe_labels(opened(file))
    assert whole == f"{file}:labels: 16 sections (0-15), y,x 0:16,0:16, 4096 voxels"


def test_a_mask_that_was_never_numbered_is_pointed_out(tmp_path):
    file = saved(tmp_path, mask=(arrays()[1] == 2).astype(np.uint8))
    assert "; every object in the sections read has the id 1: if this is a mask, number" in describe_labels(
        opened(file, "mask")
    )


def test_a_held_out_section_is_never_read(file):
    training = opened(file, labelled_sections=[14, 15])
    validation = labelled_regions(f"{file}:raw", f"{file}:labels", "validation", "16:20,:,:", CROP)
    check_held_out(training, validation)
    crops = CropDataset(training, read_size(training, CROP, (3, 3, 3)))
    assert max(int(crops[i]["corner"][0]) + crops.size[0] for i in range(200)) <= 16
    with pytest.raises(ValueError, match="overlaps training box"):
        check_held_out(training, labelled_regions(f"{file}:raw", f"{file}:labels", "validation", "12:20,:,:", CROP))


# what is reported before training


def test_labels_of_another_shape_or_axis_order_are_refused(tmp_path):
    labels = arrays()[1]
    file = saved(tmp_path, thin=labels[1:], turned=labels.transpose(2, 1, 0))
    with pytest.raises(
        ValueError,
        match=r"v\.h5:thin have shape \(19, 16, 16\).*voxel; .* attribute offset",
    ):
        opened(file, "thin")
    with pytest.raises(ValueError, match=r"\(16, 16, 20\).*the axes seem to be in another order, save both as \(z, y"):
        opened(file, "turned")


def test_labels_on_another_grid_are_refused(file, tmp_path):
    write_hdf5(tmp_path / "coarse.h5", {"labels": arrays()[1]}, (30, 12, 12))
    with pytest.raises(ValueError, match=r"have voxels of 30 x 12 x 12 nm .* of 30 x 6 x 6 nm; bring both to one grid"):
        labelled_regions(f"{file}:raw", str(tmp_path / "coarse.h5:labels"), "training", None, CROP)


def test_labels_that_are_no_ids_are_refused(tmp_path):
    labels = arrays()[1]
    colour = np.stack([labels] * 3, -1).astype(np.uint8)
    file = saved(tmp_path, probability=labels.astype(np.float32) / 2)
    with h5py.File(file, "a") as written:
        written["colour"] = colour
    with pytest.raises(ValueError, match=r"v\.h5:probability hold 0\.5 at .* = \(8, 0, 0\); ids are whole numbers"):
        opened(file, "probability")
    with pytest.raises(
        ValueError, match=r"labels: .*has 4 axes, shape \(20, 16, 16, 3\).*one whole number, the object"
    ):
        opened(file, "colour")
    tifffile.imwrite(tmp_path / "colour.tif", colour, photometric="rgb")
    with pytest.raises(ValueError, match=r"labels: .*is in colour .*one whole number"):
        labelled_regions(f"{file}:raw", str(tmp_path / "colour.tif"), "training", None, CROP)


def test_swapped_image_and_labels_are_noticed(file):
    with pytest.raises(ValueError, match=r"look like grey values and .* like labels: .* swap volumes and labels"):
        labelled_regions(f"{file}:labels", f"{file}:raw", "training", None, CROP, grey_low=0, grey_high=2)
    with pytest.raises(ValueError, match=r"v\.h5:raw is given as the volume and as its labels"):
        opened(file, "raw")


def test_background_alone_is_an_error_and_one_object_anywhere_is_enough(tmp_path):
    empty = np.zeros((20, 16, 16), np.uint16)
    speck = empty.copy()
    speck[13, 5, 5] = 7
    outside = empty.copy()
    outside[17] = 1
    file = saved(tmp_path, empty=empty, speck=speck, outside=outside)
    opened(file, "speck")
    for name in ("empty", "outside"):
        with pytest.raises(ValueError, match=rf"no foreground to learn from: .*v\.h5:{name} in 0:16,0:16,0:16"):
            opened(file, name)
    with pytest.raises(ValueError, match=r"no foreground .* in 0:2,0:16,0:16, .* in 12:13,0:16,0:16; check"):
        opened(file, "speck", labelled_sections=[0, 1, 12])


def test_ids_too_large_are_reported_before_training(tmp_path):
    file = saved(tmp_path, big=arrays()[1].astype(np.uint64) + 2**63)
    with pytest.raises(ValueError, match=r"hold the id 9223372036854775810 .* renumber the objects"):
        opened(file, "big")


def test_grey_values_and_crops_are_checked_as_in_pretraining(tmp_path):
    raw, _ = arrays()
    file = saved(tmp_path, wide=raw.astype(np.uint16) * 200)
    with pytest.raises(ValueError, match="uint16 grey values: name black and white"):
        labelled_regions(f"{file}:wide", f"{file}:labels", "training", None, CROP)
    with pytest.raises(ValueError, match="a crop of 2 x 4 x 20 voxels does not fit"):
        labelled_regions(f"{file}:raw", f"{file}:labels", "training", None, (2, 4, 20))


def test_far_apart_sections_are_looked_at_first():
    assert spread(8) == [0, 4, 2, 6, 1, 5, 3, 7]
    assert sorted(spread(13)) == list(range(13))
    assert spread(1) == [0]


# large volumes, worker processes, real data


def test_a_volume_of_twenty_gigabytes_is_opened_without_reading_it(tmp_path):
    shape = (320, 8192, 8192)
    for name in ("raw.npy", "ids.npy"):
        with open(tmp_path / name, "wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
            start = file.tell()
            file.truncate(start + int(np.prod(shape)))  # sparse: all zeros, and no disk
            file.seek(start + 160 * shape[1] * shape[2] + 4_000_000)
            file.write(b"\1\2\3\4")
    process = psutil.Process()
    before, read = process.memory_info().rss, process.io_counters().read_chars
    regions = labelled_regions(
        str(tmp_path / "raw.npy"), str(tmp_path / "ids.npy"), "training", "0:300,:,:", CROP, [160]
    )
    item = CropDataset(regions, read_size(regions, CROP, (2, 2, 2)))[0]
    assert item["label"].min() == -1
    assert process.memory_info().rss - before < 400 * 2**20
    assert process.io_counters().read_chars - read < 400 * 2**20


def test_labelled_crops_come_out_of_worker_processes_the_same(file):
    regions = opened(file, labelled_sections=[0, 1, 9])
    assert len(pickle.dumps(regions)) < 10_000
    crops = CropDataset(regions, CROP, seed=3, length=6)
    loader = DataLoader(crops, batch_size=None, num_workers=1, multiprocessing_context="spawn")
    for index, item in enumerate(loader):
        assert np.array_equal(np.asarray(item["label"]), crops[index]["label"])
        assert np.array_equal(np.asarray(item["image"]), crops[index]["image"])


@pytest.mark.skipif("SEM_DATA_DIR" not in os.environ, reason="SEM_DATA_DIR names no folder with real volumes")
@pytest.mark.parametrize(
    ("name", "box", "more"),
    [
        ("snemi3d_ac4_train.h5", "0:80,:,:", {"labelled_sections": 8}),
        ("snemi3d_ac4_train.h5", "0:80,:,:", {"labelled_sections": [0, 40], "labelled_box": "0:80,100:500,100:500"}),
        ("flyem_fib25_ts2.h5", None, {}),
        ("cdeep3m_sbem_mito_train.h5", "0:16,:,:", {}),
    ],
)
def test_real_labels_are_read_within_their_budget(name, box, more):
    path = os.path.join(os.environ["SEM_DATA_DIR"], name)
    regions = labelled_regions(f"{path}:raw", f"{path}:labels", "training", box, (6, 96, 96), **more)
    size = read_size(regions, (6, 96, 96), (2, 32, 32))
    crops, stored = CropDataset(regions, size), open_volume(f"{path}:labels")
    for index in range(5):
        item = crops[index]
        z, y, x = (slice(int(a), int(a) + n) for a, n in zip(item["corner"], size, strict=True))
        label = item["label"][0]
        assert np.array_equal(label[label >= 0], stored[z, y, x][label >= 0])
        assert (label >= 0).any()
        assert more or (label >= 0).all()
