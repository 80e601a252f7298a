"""Blocks of any size become whole chunks; an unfinished prediction is never taken for a finished one."""

import json
import os
import shutil
import threading

import numpy as np
import pytest
import torch
import zarr

from scripts.data.files.background_writer import BackgroundWriter
from scripts.data.files.open_store import open_store, prediction_format
from scripts.data.files.partial_prediction import PartialPrediction
from scripts.data.files.predictions import read_prediction
from scripts.ops.quantize import quantize

SHAPE = (2, 11, 19, 13)
MAPS = np.random.default_rng(0).random(SHAPE).astype(np.float32)


def blocks(depth, height):
    for z in range(0, SHAPE[1], depth):
        for y in range(0, SHAPE[2], height):
            yield z, y, MAPS[:, z : z + depth, y : y + height]


@pytest.mark.parametrize("kind", ["OME-Zarr", "HDF5"])
@pytest.mark.parametrize(("depth", "height"), [(1, 19), (4, 5), (3, 7), (11, 19), (5, 1)])
@pytest.mark.parametrize("chunks", [(4, 8, 8), (3, 256, 5)])
def test_blocks_of_any_size_come_back_whole(tmp_path, kind, depth, height, chunks):
    path = tmp_path / ("p.zarr" if kind == "OME-Zarr" else "p.h5")
    store = open_store(path, kind, SHAPE, "float32", chunks)
    for z, y, block in blocks(depth, height):
        store.write(z, y, block)
    store.close()
    assert np.array_equal(read_prediction(path)[0], MAPS)


def test_a_chunk_is_written_once_when_its_voxels_are_all_there(tmp_path):
    store = open_store(tmp_path / "p.zarr", "OME-Zarr", SHAPE, "float32", (4, 8, 8))
    store.write(0, 0, MAPS[:, :3])
    assert not (zarr.open_array(tmp_path / "p.zarr" / "0", mode="r")[:] != 0).any()
    assert [store.kept(sections) for sections in (3, 4, 7, 8, 10, 11)] == [0, 4, 4, 8, 8, 11]
    store.write(3, 0, MAPS[:, 3:5])
    assert np.array_equal(zarr.open_array(tmp_path / "p.zarr" / "0", mode="r")[:, :4], MAPS[:, :4])


def test_the_rest_is_written_into_what_was_left(tmp_path):
    for name, kind in (("p.zarr", "OME-Zarr"), ("p.h5", "HDF5")):
        for part in (slice(0, 8), slice(8, 11)):
            store = open_store(tmp_path / name, kind, SHAPE, "float32", (4, 8, 8))
            store.write(part.start, 0, MAPS[:, part])
            store.close()
        assert np.array_equal(read_prediction(tmp_path / name)[0], MAPS)


def test_a_prediction_is_in_its_place_when_it_is_whole_and_not_before(tmp_path):
    out = tmp_path / "new" / "p.zarr"
    partial = PartialPrediction(out, SHAPE[1:], "float32", {"a": 1}, chunks=(4, 8, 8))
    partial.write(0, 0, MAPS[:, :9])
    partial.done(9)
    with pytest.raises(RuntimeError, match="8 of 11 sections"):
        partial.finish()
    partial.close()
    assert not out.exists()
    resumed = PartialPrediction(out, SHAPE[1:], "float32", {"a": 1}, resume=True, chunks=(4, 8, 8))
    assert resumed.completed == 8
    resumed.write(8, 0, MAPS[:, 8:])
    resumed.done(11)
    resumed.finish()
    assert np.array_equal(read_prediction(out)[0], MAPS)
    assert [path.name for path in out.parent.iterdir()] == ["p.zarr"]


class Killed(BaseException):
    """Stands for SIGKILL: no code of the product handles it, and nothing runs after it."""


def complete(out, resume=False, overwrite=False):
    """A prediction of which only `finish` is missing."""
    partial = PartialPrediction(out, SHAPE[1:], "float32", {"a": 1}, overwrite, resume, chunks=(4, 8, 8))
    if not partial.completed:
        partial.write(0, 0, MAPS)
        partial.done(11)
    return partial


def files(folder):
    """Paths and bytes of every file below a folder."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("ending", ["zarr", "h5"])
@pytest.mark.parametrize("options", [{"resume": True}, {"resume": True, "overwrite": True}, {"overwrite": True}])
@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_kill_at_any_step_of_finishing_loses_neither_the_new_prediction_nor_the_old(
    tmp_path, monkeypatch, ending, options, step
):
    out = tmp_path / f"p.{ending}"
    complete(out).finish()
    partial = complete(out, overwrite=True)
    steps = iter(range(1, 9))

    def counted(function):
        def call(*arguments, **keywords):
            if next(steps) == step:
                raise Killed
            return function(*arguments, **keywords)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", counted(os.replace))
        patch.setattr(shutil, "rmtree", counted(shutil.rmtree))
        try:
            partial.finish()
        except Killed:
            partial._unlock()  # the kernel drops the lock of a killed process
    assert out.exists() or (partial.folder / "replaced").exists()
    finished = out.exists() and not (partial.folder / "store").exists()
    if finished and options == {"resume": True}:
        with pytest.raises(FileExistsError, match="nothing to resume"):
            complete(out, **options)
    elif not out.exists() or "overwrite" in options:
        again = complete(out, **options)
        assert out.exists() or "resume" in options  # the new one is complete in the folder
        assert again.finish() == out
    assert np.array_equal(read_prediction(out)[0], MAPS)
    assert [path.name for path in tmp_path.iterdir()] in ([out.name], [out.name, f"{out.name}.partial"])


def test_a_prediction_that_appeared_meanwhile_is_not_replaced_and_ours_is_kept(tmp_path):
    out = tmp_path / "p.h5"
    partial = complete(out)
    out.write_bytes(b"of another program")
    with pytest.raises(FileExistsError, match=r"appeared while .* complete in .*p\.h5\.partial"):
        partial.finish()
    assert out.read_bytes() == b"of another program"
    out.unlink()
    assert np.array_equal(read_prediction(complete(out, resume=True).finish())[0], MAPS)


def test_the_same_maps_are_the_same_bytes_in_hdf5(tmp_path):
    written = [files(complete(tmp_path / name / "p.h5").finish().parent) for name in ("a", "b")]
    assert written[0] == written[1]


def test_a_damaged_note_and_another_number_of_channels_are_reported(tmp_path):
    out = tmp_path / "p.zarr"
    partial = PartialPrediction(out, SHAPE[1:], "float32", {"box": 1}, chunks=(4, 8, 8))
    partial.write(0, 0, MAPS[:, :4])
    partial.done(4)
    resumed = PartialPrediction(out, SHAPE[1:], "float32", {}, resume=True)
    with pytest.raises(ValueError, match=r"has 1 output channels, .* has 2; start again"):
        resumed.write(4, 0, MAPS[:1, 4:])
    with pytest.raises(ValueError, match=r"box was 1, is 2\. Use the same, or start again with --overwrite true"):
        PartialPrediction(out, SHAPE[1:], "float32", {"box": 2}, resume=True)
    (partial.folder / "progress.json").write_text("{")
    with pytest.raises(ValueError, match=r"progress\.json' cannot be read"):
        PartialPrediction(out, SHAPE[1:], "float32", {}, resume=True)


def test_an_earlier_name_of_a_setting_is_compared_by_its_name_of_today(tmp_path):
    out = tmp_path / "p.zarr"
    partial = PartialPrediction(out, SHAPE[1:], "float32", {"downsample": [1, 2, 2]}, chunks=(4, 8, 8))
    partial.write(0, 0, MAPS[:, :4])
    partial.done(4)
    partial.suspend()
    note = partial.folder / "progress.json"
    note.write_text(note.read_text().replace('"downsample"', '"reduce"'))
    with pytest.raises(ValueError, match=r"downsample was \[1, 2, 2\], is \[1, 1, 1\]"):
        PartialPrediction(out, SHAPE[1:], "float32", {"downsample": [1, 1, 1]}, resume=True)
    assert PartialPrediction(out, SHAPE[1:], "float32", {"downsample": [1, 2, 2]}, resume=True).completed == 4


def test_without_a_section_done_there_is_nothing_to_be_in_the_way(tmp_path):
    out = tmp_path / "p.h5"
    partial = PartialPrediction(out, SHAPE[1:], "float32", {"a": 1})
    partial.write(0, 0, MAPS[:, :1, :3])
    partial.suspend()
    assert list(tmp_path.iterdir()) == []
    partial.folder.mkdir()
    (partial.folder / "progress.json").write_text(json.dumps({"sections": 0, "channels": 2, "settings": {"a": 2}}))
    assert PartialPrediction(out, SHAPE[1:], "float32", {"a": 1}).completed == 0


def test_an_ending_names_the_format():
    assert [prediction_format(name) for name in ("a.zarr", "b.h5", "c.hdf5")] == ["OME-Zarr", "HDF5", "HDF5"]
    with pytest.raises(ValueError, match=r"'x\.tif' ends in none of \.zarr, \.h5, \.hdf5"):
        prediction_format("x.tif")


def test_calls_in_the_background_keep_their_order_and_end_with_the_first_error():
    done, go = [], threading.Event()
    background = BackgroundWriter()
    background(go.wait)
    background(done.append, 1)
    go.set()
    background(done.append, 2)
    background(int, "no number")

    def go_on():
        background(done.append, 3)
        background.close()

    with pytest.raises(ValueError, match="no number"):  # by the next call, or at the end
        go_on()
    assert done == [1, 2]


def test_levels_span_the_range_of_their_channel():
    maps = torch.tensor([0.0, 0.5, 1.0]).reshape(1, 1, 1, 3).repeat(2, 1, 1, 1)
    maps[1] = maps[1] * 2 - 1
    levels = quantize(maps, "uint8", [(0.0, 1.0), (-1.0, 1.0)])
    assert levels[:, 0, 0].tolist() == [[0, 128, 255], [0, 128, 255]]
    with pytest.raises(ValueError, match="2 ranges for 1 channels"):
        quantize(maps[:1], "uint8", [(0.0, 1.0)] * 2)
    with pytest.raises(ValueError, match="dtype 'float8' is not one of float16, float32, uint8"):
        quantize(maps, "float8", [])
