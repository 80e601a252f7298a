"""Volumes that are written for viewers: the voxels of the source, levels by definition, and what other readers see."""

import json

import h5py
import numpy as np
import pytest
import tensorstore
import tifffile
import zarr

from scripts.data.export import copying
from scripts.data.export.copying import copy_volume, resumable_folder
from scripts.data.export.meshes import segment_mesh, write_meshes
from scripts.data.export.ome_zarr import OmeZarrTarget
from scripts.data.export.precomputed import PrecomputedTarget
from scripts.data.export.pyramid import downsample, pyramid_levels
from scripts.data.export.segment_masks import segment_masks
from scripts.data.export.segment_table import SegmentTable
from scripts.data.export.target import Description
from scripts.data.export.write import Options, parse_target, write_volume
from scripts.data.files.swc import read_swc, write_swc
from scripts.data.volumes import ArrayVolume, open_volume
from scripts.data.volumes.part import VolumePart
from scripts.ops.box import Box
from scripts.ops.labels.block_modes import block_modes
from scripts.ops.scoring.skeletons import Skeleton

SIZE = (30.0, 6.0, 6.0)


@pytest.fixture(scope="module")
def image():
    """(20, 150, 140) uint8."""
    return np.random.default_rng(0).integers(0, 256, (20, 150, 140), dtype=np.uint8)


@pytest.fixture(scope="module")
def cells():
    """Labels of the image's shape: two boxes, and a third segment inside the second."""
    labels = np.zeros((20, 150, 140), np.uint32)
    labels[:, :70], labels[2:18, 75:140, 10:130], labels[5:9, 90:100, 40:60] = 7, 2**31 + 5, 300
    return labels


def write(array, target, **options):
    volume = ArrayVolume(array, SIZE)
    return write_volume(volume, str(target), Options(array.dtype.itemsize > 1, **options))


def test_the_mode_is_the_most_frequent_label_and_the_first_of_equals():
    labels = np.array([[[5, 3, 9, 0, 4], [3, 3, 0, 9, 4]], [[1, 2, 8, 8, 7], [2, 1, 8, 8, 4]]], np.uint64)
    assert block_modes(labels, (1, 2, 2)).tolist() == [[[3, 9, 4]], [[1, 8, 7]]]
    assert block_modes(labels, (2, 2, 2)).tolist() == [[[3, 8, 4]]]


def test_the_mode_agrees_with_counting(cells):
    labels = np.random.default_rng(1).integers(0, 4, (5, 9, 7)).astype(np.uint32)
    modes = block_modes(labels, (2, 2, 2))
    for place in np.ndindex(modes.shape):
        block = labels[tuple(slice(2 * at, 2 * at + 2) for at in place)].ravel().tolist()
        assert modes[place] == max(block, key=lambda label: (block.count(label), -block.index(label)))


def test_levels_halve_short_axes_until_voxels_are_alike_and_a_section_fits():
    levels = pyramid_levels((100, 1024, 1000), SIZE, (16, 128, 128))
    assert [level.shape for level in levels] == [(100, 1024, 1000), (100, 512, 500), (100, 256, 250), (50, 128, 125)]
    assert [level.factors for level in levels] == [(1, 1, 1), (1, 2, 2), (1, 4, 4), (2, 8, 8)]
    assert [level.factors for level in pyramid_levels((9, 300, 20), None, (16, 128, 128))] == [
        (1, 1, 1),
        (1, 2, 1),
        (1, 4, 1),
    ]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_ome_zarr_image_has_the_voxels_and_its_levels_are_means(tmp_path, image, version):
    write(image, tmp_path / "v.zarr", version=version)
    volume = open_volume(tmp_path / "v.zarr")
    assert (volume.voxel_size_nm, volume.offset_nm) == (SIZE, (0, 0, 0))
    assert np.array_equal(volume[:], image)
    half = open_volume(tmp_path / "v.zarr", scale=1)
    assert (half.shape, half.voxel_size_nm, half.offset_nm) == ((20, 75, 70), (30, 12, 12), (0, 3, 3))
    means = image.reshape(20, 75, 2, 70, 2).mean((2, 4))
    assert np.array_equal(half[:], np.floor(means + 0.5))
    store = {"driver": "zarr" if version == "0.4" else "zarr3", "kvstore": f"file://{tmp_path}/v.zarr/0/"}
    assert np.array_equal(tensorstore.open(store).result().read().result(), image)
    assert np.array_equal(zarr.open_group(tmp_path / "v.zarr", mode="r")["0"][:], image)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_metadata_have_what_the_format_asks_for(tmp_path, image, cells, version):
    write(image, tmp_path / "v.zarr", version=version)
    write(cells, f"{tmp_path}/v.zarr:labels/cells")
    write(cells, f"{tmp_path}/v.zarr:labels/again")
    root = zarr.open_group(tmp_path / "v.zarr", mode="r", zarr_format=2 if version == "0.4" else 3)
    for node in (root, root["labels/cells"]):
        attributes = node.attrs.asdict()
        holder = attributes if version == "0.4" else attributes["ome"]
        (described,) = holder["multiscales"]
        assert (described if version == "0.4" else holder)["version"] == version
        assert [axis["name"] for axis in described["axes"]] == ["z", "y", "x"]
        assert {(axis["type"], axis["unit"]) for axis in described["axes"]} == {("space", "nanometer")}
        for level in described["datasets"]:
            kinds = [transformation["type"] for transformation in level["coordinateTransformations"]]
            assert kinds == ["scale", "translation"]
            assert node[level["path"]].ndim == 3
    labels = root["labels"].attrs.asdict()
    assert (labels if version == "0.4" else labels["ome"])["labels"] == ["again", "cells"]
    attributes = root["labels/cells"].attrs.asdict()
    label = (attributes if version == "0.4" else attributes["ome"])["image-label"]
    assert label["source"] == {"image": "../../"}
    assert np.array_equal(open_volume(f"{tmp_path}/v.zarr:labels/cells")[:], cells)


@pytest.mark.parametrize("steps", [[(1, 1, 1), (1, 2, 2), (2, 8, 8)], [(1, 1, 1)]])
def test_labels_of_a_box_have_the_levels_of_their_image_whatever_its_size(tmp_path, cells, steps):
    """The specification: as many datasets as the image. A box is so small that it would have one level of its own."""
    image = zarr.open_group(tmp_path / "v.zarr", mode="w", zarr_format=2)
    scales = [[edge * by / 1000 for edge, by in zip(SIZE, step, strict=True)] for step in steps]
    levels = [
        {"path": str(number), "coordinateTransformations": [{"type": "scale", "scale": [1, *scale]}]}
        for number, scale in enumerate(scales)
    ]
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"]
    image.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": levels}]
    box = np.ascontiguousarray(cells[3:8, 60:91, 2:37])
    write(box, f"{tmp_path}/v.zarr:labels/cells")
    labels = zarr.open_group(tmp_path / "v.zarr/labels/cells", mode="r")
    datasets = labels.attrs["multiscales"][0]["datasets"]
    assert [one["coordinateTransformations"][0]["scale"] for one in datasets] == [
        [edge * by for edge, by in zip(SIZE, step, strict=True)] for step in steps
    ]
    before = box
    for number, step in enumerate(steps):
        last = steps[max(number - 1, 0)]
        before = block_modes(before, [by // since for by, since in zip(step, last, strict=True)])
        assert np.array_equal(labels[str(number)][:], before)


def test_labels_are_not_added_to_an_image_without_scales(tmp_path, cells):
    image = zarr.open_group(tmp_path / "v.zarr", mode="w", zarr_format=2)
    image.attrs["multiscales"] = [{"version": "0.4", "datasets": [{"path": "0"}]}]
    with pytest.raises(ValueError, match=r"metadata of '.*v\.zarr' state no scale of its levels; fix them before"):
        write(cells, f"{tmp_path}/v.zarr:labels/cells")


def test_labels_are_precomputed_as_compressed_segmentation_with_properties(tmp_path, cells):
    write(cells, f"precomputed://{tmp_path}/seg")
    volume = open_volume(tmp_path / "seg")
    assert (volume.dtype, volume.voxel_size_nm) == (np.uint64, SIZE)
    assert np.array_equal(volume[:], cells)
    info = json.loads((tmp_path / "seg" / "info").read_text())
    assert (info["type"], info["scales"][0]["encoding"]) == ("segmentation", "compressed_segmentation")
    assert np.array_equal(open_volume(tmp_path / "seg", scale=1)[:], block_modes(cells, (1, 2, 2)))


def test_a_part_keeps_its_position_in_every_format(tmp_path, image):
    part = VolumePart(ArrayVolume(image, SIZE), Box.parse("4:12,8:144,16:140", image.shape))
    write_volume(part, f"{tmp_path}/v.zarr", Options(labels=False))
    write_volume(part, f"precomputed://{tmp_path}/pre", Options(labels=False))
    for path in (tmp_path / "v.zarr", tmp_path / "pre"):
        volume = open_volume(path)
        assert volume.offset_nm == (120, 48, 96)
        assert np.array_equal(volume[:], image[4:12, 8:144, 16:140])
    assert json.loads((tmp_path / "pre" / "info").read_text())["scales"][0]["voxel_offset"] == [16, 8, 4]


def test_an_odd_offset_ends_the_levels_of_precomputed(tmp_path, image):
    part = VolumePart(ArrayVolume(image, SIZE), Box.parse("4:12,9:144,16:140", image.shape))
    write_volume(part, f"precomputed://{tmp_path}/pre", Options(labels=False))
    assert len(json.loads((tmp_path / "pre" / "info").read_text())["scales"]) == 1


def test_a_tiff_stack_and_an_hdf5_file_hold_the_voxels(tmp_path, image, cells):
    write(image, tmp_path / "v.tif")
    assert np.array_equal(tifffile.imread(tmp_path / "v.tif"), image)
    assert open_volume(tmp_path / "v.tif").voxel_size_nm == SIZE
    write(cells, f"{tmp_path}/v.h5:cells")
    with h5py.File(tmp_path / "v.h5") as file:
        assert np.array_equal(file["cells"], cells)


class Stopping:
    """A source that fails after some blocks."""

    def __init__(self, array, blocks):
        self.array, self.blocks, self.read = array, blocks, 0

    def __getitem__(self, key):
        self.read += 1
        if self.read > self.blocks:
            raise KeyboardInterrupt
        return self.array[key]


@pytest.mark.parametrize("kind", ["ome-zarr", "precomputed"])
@pytest.mark.parametrize("blocks", [0, 3])
def test_a_copy_that_was_stopped_is_continued_and_equal(tmp_path, cells, kind, blocks, monkeypatch):
    monkeypatch.setattr("scripts.data.export.target.BLOCK_BYTES", 2**17)
    about = Description(cells.shape, cells.dtype, SIZE, None, labels=True)

    def copy(source, resume):
        with resumable_folder(tmp_path / "v", {"from": "cells"}, resume, overwrite=False) as (folder, record):
            target = OmeZarrTarget(folder, about) if kind == "ome-zarr" else PrecomputedTarget(folder, about)
            copy_volume(source, target, record)

    with pytest.raises(KeyboardInterrupt):
        copy(Stopping(cells, blocks), False)
    assert not (tmp_path / "v").exists()
    with pytest.raises(FileExistsError, match=r"was begun and not completed .* continue with --resume"):
        copy(cells, False)
    rest = Stopping(cells, 10**6)
    copy(rest, True)
    assert np.array_equal(open_volume(tmp_path / "v")[:], cells)
    assert np.array_equal(open_volume(tmp_path / "v", scale=1)[:], block_modes(cells, (1, 2, 2)))
    copied = Stopping(cells, 10**6)
    with resumable_folder(tmp_path / "w", {}, False, False) as (folder, record):
        copy_volume(copied, OmeZarrTarget(folder, about), record)
    if kind == "ome-zarr":
        assert rest.read == copied.read - blocks
    assert not list((tmp_path / "v").glob(copying.PROGRESS))


def test_a_copy_of_something_else_is_not_continued(tmp_path):
    with pytest.raises(KeyboardInterrupt), resumable_folder(tmp_path / "v", {"source": "a"}, False, False):
        raise KeyboardInterrupt
    other = resumable_folder(tmp_path / "v", {"source": "b"}, True, False)
    with pytest.raises(ValueError, match=r"was begun with other settings, \{'source': 'a'\}; write it anew"), other:
        pass


def test_a_folder_of_other_files_is_not_overwritten(tmp_path, cells):
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "thesis.txt").write_text("a year of work")
    with pytest.raises(ValueError, match=r"v' is a folder of other files \(thesis\.txt\) and no volume"):
        write(cells, f"precomputed://{tmp_path / 'v'}", overwrite=True)
    (tmp_path / "w.zarr").write_text("a file")
    with pytest.raises(ValueError, match=r"w\.zarr' is a file and no volume, so it is not overwritten"):
        write(cells, tmp_path / "w.zarr", overwrite=True)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["thesis.txt", "v", "w.zarr"]
    (tmp_path / "v" / "thesis.txt").unlink()
    write(cells, f"precomputed://{tmp_path / 'v'}", overwrite=True)  # an empty folder loses nothing


def test_a_link_to_a_volume_is_followed_when_it_is_overwritten(tmp_path, image, cells):
    (tmp_path / "disk").mkdir()
    (tmp_path / "v.zarr").symlink_to(tmp_path / "disk" / "v.zarr")
    for array in (image, cells):
        write(array, tmp_path / "v.zarr", overwrite=True)
        assert np.array_equal(open_volume(tmp_path / "disk" / "v.zarr")[:], array)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "v.zarr"]
    assert (tmp_path / "v.zarr").is_symlink()
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["v.zarr"]


def test_a_stop_while_the_earlier_volume_is_removed_loses_neither(tmp_path, image, cells, monkeypatch):
    write(image, tmp_path / "v.zarr")

    def stop(path, **how):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("scripts.data.export.copying.shutil.rmtree", stop)
        with pytest.raises(KeyboardInterrupt):
            write(cells, tmp_path / "v.zarr", overwrite=True)
    assert np.array_equal(open_volume(tmp_path / "v.zarr")[:], cells)
    write(image, tmp_path / "v.zarr", overwrite=True)
    assert np.array_equal(open_volume(tmp_path / "v.zarr")[:], image)
    assert [path.name for path in tmp_path.iterdir()] == ["v.zarr"]


def test_other_datasets_of_an_hdf5_file_are_not_lost(tmp_path, image, cells):
    write(cells, tmp_path / "v.h5:labels")
    write(cells, tmp_path / "v.h5:labels", overwrite=True)
    with h5py.File(tmp_path / "v.h5", "a") as file:
        file["volumes/raw"] = image
    with pytest.raises(ValueError, match=r"v\.h5' also holds volumes/raw, which would be lost"):
        write(cells, tmp_path / "v.h5:labels", overwrite=True)
    assert np.array_equal(open_volume(tmp_path / "v.h5:volumes/raw")[:], image)


@pytest.mark.parametrize("dtype", ["uint64", "int64"])
def test_a_type_that_ome_tiff_has_not_is_refused_by_name(tmp_path, cells, dtype):
    with pytest.raises(ValueError, match=rf"v\.tif': OME-TIFF has no voxels of type {dtype}, .* save ids as uint32"):
        write(cells.astype(dtype), tmp_path / "v.tif")
    assert not list(tmp_path.iterdir())


def test_swc_keeps_the_positions_of_a_large_volume(tmp_path):
    nodes = np.array([[1_234_565.0, 1_000_004.0, 4.0], [1_234_595.0, 1_000_012.0, 12.0]])
    write_swc(tmp_path / "7.swc", Skeleton(7, nodes, np.array([[1, 0]])))
    assert np.array_equal(read_swc(tmp_path / "7.swc").nodes_nm, nodes)


def counted(cells, block=(7, 50, 60)):
    table = SegmentTable(cells.shape)
    for low in np.ndindex(*[-(-size // by) for size, by in zip(cells.shape, block, strict=True)]):
        first = tuple(at * by for at, by in zip(low, block, strict=True))
        box = tuple(slice(at, at + by) for at, by in zip(first, block, strict=True))
        table.add(cells[box], first)
    return table


def test_segments_are_counted_alike_in_blocks_and_at_once(cells):
    table = counted(cells)
    assert table.rows == counted(cells, cells.shape).rows
    assert table.rows[300] == [4 * 10 * 20, 5, 90, 40, 9, 100, 60]
    assert [table.touches_border(key) for key in (7, 300, 2**31 + 5)] == [True, False, False]
    assert table.largest(None, 1000) == [7, 2**31 + 5]
    with pytest.raises(ValueError, match="no voxel has the id 8; there are 3 ids"):
        table.largest([8], 0)


def test_the_affinity_at_a_border_is_the_mean_over_faces_to_other_segments():
    labels = np.array([[[1, 1, 2, 2, 0]], [[1, 1, 1, 2, 0]]], np.uint8)
    affinities = np.zeros((3, 2, 1, 5), np.float32)
    affinities[2, 0, 0, 2], affinities[2, 1, 0, 3], affinities[0, 1, 0, 2] = 0.2, 0.4, 0.9
    whole = SegmentTable(labels.shape)
    whole.add_borders(labels, affinities, (0, 0, 0))
    for key in (1, 2):
        assert whole.borders[key] == pytest.approx([1.5, 3])
    parts = SegmentTable(labels.shape)
    parts.add_borders(labels[:1], affinities[:, :1], (0, 0, 0))
    parts.add_borders(labels, affinities, (1, 0, 0))
    assert parts.borders == {key: pytest.approx(value) for key, value in whole.borders.items()}


def test_a_mesh_encloses_the_voxels_of_its_segment(tmp_path, cells):
    about = Description(cells.shape, cells.dtype, SIZE, (300.0, 0.0, 0.0), labels=True)
    target = PrecomputedTarget(tmp_path, about)
    copy_volume(cells, target)
    table = counted(cells)
    (mask,) = segment_masks(target, table, [300], largest_box=10**6)
    vertices, triangles = segment_mesh(target, mask)
    low, high = np.array([5, 90, 40]) * SIZE + (300, 0, 0), np.array([9, 100, 60]) * SIZE + (300, 0, 0)
    assert np.allclose(vertices.min(0), low)
    assert np.allclose(vertices.max(0), high)
    assert triangles.max() == len(vertices) - 1
    notes = write_meshes(tmp_path, target, table, [300, 7], largest_box=100_000)
    assert notes == ["id 7 is meshed from level 1, its box is too large for memory at a finer one"]
    content = (tmp_path / "mesh" / "300:0:mesh").read_bytes()
    count = int.from_bytes(content[:4], "little")
    assert np.allclose(np.frombuffer(content, "<f4", 3 * count, 4).reshape(-1, 3), vertices[:, ::-1])
    assert json.loads((tmp_path / "mesh" / "300:0").read_text()) == {"fragments": ["300:0:mesh"]}
    with pytest.raises(ValueError, match=r"box of id 7 has 20 x 70 x 140 voxels .* leave it out with --ids"):
        write_meshes(tmp_path, target, table, [7], largest_box=10)


class Counted:
    """A target that counts what is read of it."""

    def __init__(self, target):
        self.levels, self.blocks, self.target, self.read_blocks = target.levels, target.blocks, target, 0

    def read(self, level, low, high):
        self.read_blocks += 1
        return self.target.read(level, low, high)


@pytest.mark.parametrize(("together", "passes"), [(10**9, 1), (1, 3)])
def test_the_masks_of_many_segments_are_read_in_one_pass(tmp_path, cells, monkeypatch, together, passes):
    monkeypatch.setattr("scripts.data.export.target.BLOCK_BYTES", 2**17)
    target = OmeZarrTarget(tmp_path / "v", Description(cells.shape, cells.dtype, SIZE, None, labels=True))
    copy_volume(cells, target)
    counted_target, table = Counted(target), counted(cells)
    masks = list(segment_masks(counted_target, table, [300, 7, 2**31 + 5], 10**9, together))
    assert [mask.id for mask in masks] == [300, 7, 2**31 + 5]
    for mask in masks:
        box = tuple(slice(at, at + size) for at, size in zip(mask.low, mask.inside.shape, strict=True))
        assert np.array_equal(mask.inside, cells[box] == mask.id)
        assert mask.inside.sum() == (cells == mask.id).sum()
    blocks = len(list(target.blocks(0)))
    assert counted_target.read_blocks <= passes * blocks
    assert (counted_target.read_blocks > blocks) == (passes > 1)


def test_a_mesh_that_takes_more_memory_than_is_free_is_refused(tmp_path, cells, monkeypatch):
    target = OmeZarrTarget(tmp_path / "v", Description(cells.shape, cells.dtype, SIZE, None, labels=True))
    copy_volume(cells, target)
    monkeypatch.setattr("scripts.data.export.meshes.BYTES_PER_VOXEL", 2**40)
    (mask,) = segment_masks(target, counted(cells), [7], 10**9)
    with pytest.raises(MemoryError, match=r"the mesh of id 7, of 20 x 70 x 140 voxels .* are free; leave it out with"):
        segment_mesh(target, mask)


def test_swc_reads_back_as_it_was_written(tmp_path):
    skeleton = Skeleton(5, np.array([[0.0, 6, 12], [30, 6, 12], [60, 6, 18.5]]), np.array([[1, 0], [2, 1]]))
    write_swc(tmp_path / "5.swc", skeleton)
    again = read_swc(tmp_path / "5.swc")
    assert again.id == 5
    assert np.allclose(again.nodes_nm, skeleton.nodes_nm)
    assert again.edges.tolist() == skeleton.edges.tolist()
    with pytest.raises(ValueError, match="node 1 has two parents, 0 and 2"):
        write_swc(tmp_path / "loop.swc", Skeleton(5, skeleton.nodes_nm, np.array([[1, 0], [1, 2]])))


def test_channels_are_downsampled_one_by_one(image):
    both = np.stack([image, 255 - image])
    assert np.array_equal(downsample(both, (1, 2, 2), False)[1], downsample(255 - image, (1, 2, 2), False))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "s3://key:secret@bucket/v.zarr",
            r"target .* is at an address, .*; write to a folder and copy it",
        ),
        ("precomputed://gs://bucket/v", r"target 'precomputed://gs://bucket/v' is at an address"),
        ("v.n6", r"target 'v\.n6' is of an unknown format; give image\.zarr"),
        ("v.zarr:1", "what is added to an image is labels; name them v.zarr:labels/NAME"),
        ("v.tif:raw", "leave ':raw' out"),
    ],
)
def test_a_target_of_no_format_is_refused(target, message):
    with pytest.raises(ValueError, match=message):
        parse_target(target)


def test_what_a_format_cannot_hold_is_refused(tmp_path, image, cells):
    with pytest.raises(ValueError, match=r"v\.zarr' is no OME-Zarr image, so no labels can be added"):
        write(cells, f"{tmp_path}/v.zarr:labels/cells")
    with pytest.raises(ValueError, match=r"version 0\.3 is not written; give one of 0\.4, 0\.5"):
        write(image, f"{tmp_path}/v.zarr", version="0.3")
    with pytest.raises(ValueError, match="id -1 is negative, and precomputed ids are from 0 up"):
        write(cells.astype(np.int64) - 1, f"precomputed://{tmp_path}/seg")
    with pytest.raises(ValueError, match="precomputed has no images of type float64"):
        write_volume(ArrayVolume(image.astype("f8"), SIZE), f"precomputed://{tmp_path}/f8", Options(labels=False))
    write(image, tmp_path / "w.zarr")
    with pytest.raises(FileExistsError, match=r"w\.zarr' exists and is left as it is"):
        write(image, tmp_path / "w.zarr")
