"""The synthetic volume: repeatable, labelled soundly, near to real EM, and not solved by a threshold."""

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy import ndimage

from scripts.data import open_volume
from scripts.data.synthetic import cached_synthetic, synthesize_volume
from scripts.data.synthetic.section_defects import plan_defects

ROOT = Path(__file__).parents[3]
SHAPE = (24, 192, 200)  # not cubic, and 192 and 200 are no multiples of each other


@pytest.fixture(scope="module")
def volume():
    return synthesize_volume(SHAPE, seed=3)


def sound_sections(volume):
    bad = {defect.section for defect in volume.defects if defect.kind != "slipped"}
    return [z for z in range(len(volume.image)) if z not in bad]


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_threads(volume):
    again = synthesize_volume(SHAPE, seed=3, threads=1)
    for name in ("image", "labels", "mitochondria"):
        np.testing.assert_array_equal(getattr(again, name), getattr(volume, name))
    assert again.defects == volume.defects
    other = synthesize_volume(SHAPE, seed=4)
    assert (other.image != volume.image).mean() > 0.9


def test_types_and_shapes_are_as_promised(volume):
    assert volume.image.shape == volume.labels.shape == volume.mitochondria.shape == SHAPE
    assert (volume.image.dtype, volume.labels.dtype, volume.mitochondria.dtype) == (np.uint8, np.uint32, np.uint16)


@pytest.mark.parametrize("name", ["labels", "mitochondria"])
def test_every_instance_is_in_one_piece_and_ids_have_no_gaps(volume, name):
    instances = getattr(volume, name)
    assert np.array_equal(np.unique(instances), np.arange(instances.max() + 1))
    for number, box in enumerate(ndimage.find_objects(instances.astype(np.int32)), start=1):
        _, pieces = ndimage.label(instances[box] == number)  # 6 neighbours
        assert pieces == 1, f"{name} {number} is in {pieces} pieces"


def test_neurites_never_touch_without_a_membrane_within_a_section(volume):
    labels = volume.labels
    for one, two in ((labels[:, 1:], labels[:, :-1]), (labels[:, :, 1:], labels[:, :, :-1])):
        touching = (one != two) & (one > 0) & (two > 0)
        assert touching.mean() < 2e-4


def test_a_mitochondrion_lies_inside_one_neurite(volume):
    mitochondria, labels = volume.mitochondria, volume.labels
    assert mitochondria.max() >= 2
    for number in range(1, int(mitochondria.max()) + 1):
        hosts = np.unique(labels[mitochondria == number])
        assert len(hosts) == 1
        assert hosts[0] > 0


def test_membranes_and_mitochondria_are_darker_than_the_cytoplasm(volume):
    sections = sound_sections(volume)
    image, labels = volume.image[sections], volume.labels[sections]
    mitochondria = volume.mitochondria[sections] > 0
    cytoplasm = image[(labels > 0) & ~mitochondria].mean()
    assert image[labels == 0].mean() < cytoplasm - 30
    assert image[mitochondria].mean() < cytoplasm - 25


def test_statistics_are_near_those_of_cortex():
    # SNEMI3D's training volume: mean 133, deviation 45 with drift and 40 within a section, label 0 on 9-15 %, 290-360
    # profiles on 1024 x 1024 with a median of 1,250 voxels, correlation of neighbours 0.93 and at 8 voxels 0.3-0.45.
    volume = synthesize_volume((8, 512, 512), seed=1)
    image = volume.image.astype(float)
    assert 105 < image.mean() < 160
    assert 30 < image.std(axis=(1, 2)).mean() < 50
    assert 0.09 < (volume.labels == 0).mean() < 0.18
    section = volume.labels[4]
    sizes = []
    for number in np.unique(section[section > 0]):
        pieces, count = ndimage.label(section == number)
        sizes += np.bincount(pieces.ravel(), minlength=count + 1)[1:].tolist()
    assert 180 < 4 * len(sizes) < 550
    assert 400 < np.median(sizes) < 2500
    centred = image - image.mean(axis=(1, 2), keepdims=True)
    for step, low, high in ((1, 0.88, 0.96), (8, 0.2, 0.5)):
        assert low < (centred[:, :, step:] * centred[:, :, :-step]).mean() / centred.var() < high


def test_a_slip_moves_image_and_labels_and_the_other_defects_only_the_image(volume):
    kinds = {defect.kind for defect in volume.defects}
    assert kinds == {"slipped", "blurred", "missing"}
    sharp = np.abs(np.diff(volume.image.astype(float), axis=2)).mean(axis=(1, 2))
    for defect in volume.defects:
        z = defect.section
        inside = volume.labels[z] > 0
        overlap = [(volume.labels[z][inside] == volume.labels[n][inside]).mean() for n in (z - 1, z + 1)]
        if defect.kind == "missing":
            assert volume.image[z].std() < 4
        elif defect.kind == "blurred":
            assert sharp[z] < 0.7 * np.median(sharp)
        else:
            assert np.hypot(*defect.shift_nm) > 0
            darker = volume.image[z][~inside].mean() < volume.image[z][inside].mean() - 20
            assert darker, "labels do not lie on the image of the slipped section"
        assert min(overlap) > 0.3


def test_defects_are_few_and_never_neighbours():
    for seed in range(20):
        defects = plan_defects(100, np.random.default_rng(seed))
        sections = [defect.section for defect in defects]
        assert len(sections) == 8
        assert min(np.diff(sections)) > 1
        assert sections[0] > 0
        assert sections[-1] < 99
    assert plan_defects(6, np.random.default_rng(0)) == []


def test_a_threshold_does_not_solve_it():
    from skimage.metrics import adapted_rand_error

    volume = synthesize_volume((12, 256, 256), seed=5)
    errors = []
    for sigma in (0.0, 1.5):
        smooth = np.stack([ndimage.gaussian_filter(section.astype(float), sigma) for section in volume.image])
        for percent in (30, 50, 65, 75):
            pieces, _ = ndimage.label(smooth > np.percentile(smooth, percent))
            errors.append(adapted_rand_error(volume.labels, pieces, ignore_labels=(0,))[0])
    assert min(errors) > 0.4


def test_any_voxel_size_keeps_the_size_of_cells_in_nm():
    fine = synthesize_volume((6, 128, 128), seed=2, voxel_size_nm=(30, 6, 6))
    coarse = synthesize_volume((6, 64, 64), seed=2, voxel_size_nm=(30, 12, 12))
    assert fine.image.shape == (6, 128, 128)
    assert 0.3 < coarse.labels.max() / fine.labels.max() < 3.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": (1, 64, 64)}, r"shape \(1, 64, 64\) is too small"),
        ({"shape": (6, 0, 64)}, r"shape \(6, 0, 64\) is too small"),
        ({"shape": (64, 64)}, r"shape \(64, 64\)"),
        ({"shape": (6, 64, 64), "seed": -1}, "seed -1"),
        ({"shape": (6, 64, 64), "voxel_size_nm": (30, 6, 8)}, r"voxel size \(30, 6, 8\) nm.*y = x"),
        ({"shape": (6, 64, 64), "threads": 0}, "threads 0"),
    ],
)
def test_wrong_input_is_an_error_that_quotes_it(arguments, message):
    with pytest.raises(ValueError, match=message):
        synthesize_volume(**arguments)


def test_the_cache_makes_a_volume_once_and_reads_as_any_other(tmp_path, monkeypatch):
    monkeypatch.setenv("SEM_MAE_CACHE", str(tmp_path / "cache"))
    path = cached_synthetic((16, 64, 64), seed=1)
    made = path.stat().st_mtime_ns
    assert cached_synthetic((16, 64, 64), seed=1) == path
    assert path.stat().st_mtime_ns == made
    assert cached_synthetic((16, 64, 64), seed=2) != path
    expected = synthesize_volume((16, 64, 64), seed=1)
    with open_volume(f"{path}:raw") as image, open_volume(f"{path}:labels") as labels:
        assert image.voxel_size_nm == (30.0, 6.0, 6.0)
        np.testing.assert_array_equal(image[:, :, :], expected.image)
        np.testing.assert_array_equal(labels[:, :, :], expected.labels)
    with h5py.File(path) as file:
        assert len(json.loads(file.attrs["defects"])) == len(expected.defects)
        np.testing.assert_array_equal(file["mitochondria"], expected.mitochondria)


def test_two_processes_that_ask_at_once_leave_one_whole_file(tmp_path):
    ask = "from scripts.data.synthetic import cached_synthetic; print(cached_synthetic((16, 64, 64), seed=1))"
    environment = {**os.environ, "SEM_MAE_CACHE": str(tmp_path)}
    processes = [
        subprocess.Popen([sys.executable, "-c", ask], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    paths = {process.communicate(timeout=120)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert [str(path) for path in tmp_path.iterdir()] == list(paths)
    with h5py.File(paths.pop()) as file:
        np.testing.assert_array_equal(file["raw"], synthesize_volume((16, 64, 64), seed=1).image)
