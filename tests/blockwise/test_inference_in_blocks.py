"""Inference in blocks has the bits of one process, for every block, box and number of workers, also after a stop."""

import hashlib
import re
import resource
import socket
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.blockwise import cluster
from scripts.blockwise.grid import BlockGrid
from scripts.blockwise.inference_blocks import chosen_block, windows_in_blocks
from scripts.blockwise.workers import BlockError
from scripts.data.regions.region import Region
from scripts.data.volumes import ArrayVolume
from scripts.handlers.prediction_writer import chunk_of
from scripts.inferers.volume_inferer import VolumeInferer
from scripts.inferers.window_rows import StepInferer, VolumeSteps
from scripts.ops.box import Box
from scripts.ops.windows import WindowGrid
from scripts.transforms.grey import ScaleGreyd
from scripts.workflow.predict_volume import predict_volume
from tests.blockwise.networks import Fails, tiny_network

GREY = np.random.default_rng(0).integers(0, 256, (9, 20, 23)).astype(np.uint8)
NETWORK = tiny_network()


def inferer(**options):
    return VolumeInferer(**{"window": (4, 8, 8), "stride": (2, 6, 5), "flips": 1, "pad": (1, 2, 3), **options})


def content(folder):
    """SHA-256 of all files of a folder, by name."""
    found = hashlib.sha256()
    for one in sorted(path for path in folder.rglob("*") if path.is_file()):
        found.update(str(one.relative_to(folder)).encode() + one.read_bytes())
    return found.hexdigest()


def predicted_part(steps, part):
    """Maps of a part of a box, as a worker computes them."""
    rows = steps.of_part(part)
    infer, maps = StepInferer(rows.inferer, rows), np.full((2, *part.shape), np.nan, np.float32)
    for number, step in enumerate(rows.grid.steps):
        found = infer(rows[number]["image"][None], NETWORK, index=number)[0]
        if found.numel():
            (z0, z1), (y0, y1) = rows.grid.in_box(step.ended_z, 0), rows.grid.in_box(step.ended_y, 1)
            maps[:, z0:z1, y0:y1] = found
    return maps


@pytest.fixture(scope="module")
def whole():
    """Maps of the whole volume in one process, by number of windows in a batch."""
    steps = {batch: VolumeSteps(region(), inferer(batch=batch), ScaleGreyd()) for batch in (1, 3)}
    return {batch: (one, predicted_part(one, one.part)) for batch, one in steps.items()}


def region(box=None):
    return Region(ArrayVolume(GREY), Box.parse(box, GREY.shape))


@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.data(), st.sampled_from([1, 3]))
def test_any_part_has_the_bits_of_the_whole(whole, data, batch):
    ends = [
        sorted(data.draw(st.lists(st.integers(0, size), min_size=2, max_size=2, unique=True))) for size in GREY.shape
    ]
    part = Box(tuple(low for low, _ in ends), tuple(high for _, high in ends))
    steps, maps = whole[batch]
    assert np.array_equal(predicted_part(steps, part), maps[(slice(None), *part.slices)])


CELLS = np.random.default_rng(1).integers(0, 256, (4, 250, 260)).astype(np.uint8)
"""More than one chunk of maps, which has 2 x 240 x 240 voxels."""
WINDOWS = VolumeInferer((4, 64, 64), (2, 60, 60), 1, pad=(1, 4, 4))


def predict(file, out, network=NETWORK, **options):
    """Predict a volume."""
    return predict_volume(file, network, WINDOWS, out, dtype="uint8", **options)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The volume as a file."""
    path = tmp_path_factory.mktemp("volume") / "grey.npy"
    np.save(path, CELLS)
    return path


@pytest.fixture(scope="module")
def of_one_process(file):
    """SHA-256 of the prediction of one process."""
    return content(predict(file, file.with_name("p.zarr")))


@pytest.mark.parametrize("blocks", [None, (2, 240, 240), (2, 480, 240), (4, 240, 480), (90, 999, 999)])
def test_blocks_write_the_bytes_of_one_process(file, tmp_path, of_one_process, blocks):
    blocks = blocks or chosen_block(WINDOWS.grid(CELLS.shape), (2, 240, 240))
    assert content(predict(file, tmp_path / "p.zarr", blocks=blocks)) == of_one_process
    assert [path.name for path in tmp_path.iterdir()] == ["p.zarr"]


@pytest.mark.parametrize("context", ["volume", "box"])
def test_blocks_of_a_box_write_the_bytes_of_one_process(file, tmp_path, context):
    options = {"box": "1:4,2:250,5:259", "context": context}
    one = content(predict(file, tmp_path / "one.zarr", **options))
    assert content(predict(file, tmp_path / "blocks.zarr", blocks=(2, 240, 240), **options)) == one


def test_two_workers_write_the_bytes_of_one_process(file, tmp_path, of_one_process, scheduler, caplog):
    with caplog.at_level("INFO"):
        out = predict(file, tmp_path / "p.zarr", scheduler=scheduler, blocks=(2, 240, 240))
    assert content(out) == of_one_process
    assert "8 blocks of (2, 240, 240), 8 to do" in caplog.text


def test_blank_sections_are_named_as_by_one_process(tmp_path, caplog):
    grey = CELLS.copy()
    grey[3] = 7
    np.save(tmp_path / "grey.npy", grey)
    predict(tmp_path / "grey.npy", tmp_path / "p.zarr", blocks=(2, 240, 240))
    assert "section 3: blank, every voxel is 7" in caplog.text


@pytest.mark.slow
def test_a_killed_worker_loses_its_block_alone(file, tmp_path, of_one_process, workers):
    where = {"scheduler": workers.client.scheduler.address, "blocks": (2, 240, 480)}
    once = predict(file, tmp_path / "once.zarr", Fails(kills=True, file=tmp_path / "killed"), **where)
    assert content(once) == of_one_process
    assert (tmp_path / "killed").exists()
    workers.client.wait_for_workers(2, timeout="60s")  # another is started in its place


def test_a_run_that_runs_out_of_memory_names_block_and_smaller_blocks_and_resumes(file, tmp_path, of_one_process):
    where = {"blocks": (2, 240, 480)}
    with pytest.raises(BlockError) as stop:
        predict(file, tmp_path / "p.zarr", Fails(after=30), **where)
    assert re.search(
        r"block 2 \(voxels 2:4,0:240,0:260 of the box\) ran out of memory: its arrays take about 0.0\d GiB; give "
        r"workers more, start fewer, or begin anew with smaller blocks: --blocks 2,240,240; 2 of 4 blocks of .* are "
        r"finished and kept in '.*p.zarr.partial'; resume with --resume true$",
        str(stop.value),
    )
    with pytest.raises(FileExistsError, match="has 2 blocks of an unfinished prediction; resume with --resume true"):
        predict(file, tmp_path / "p.zarr", **where)
    with pytest.raises(ValueError, match=r"other settings: blocks was \[2, 240, 480\], is \[2, 240, 240\]"):
        predict(file, tmp_path / "p.zarr", resume=True, blocks=(2, 240, 240))
    with pytest.raises(ValueError, match="was begun in blocks, this run goes by sections: give --workers"):
        predict(file, tmp_path / "p.zarr", resume=True)
    where = {"workers": 1, "resume": True}  # takes the blocks of the run
    assert content(predict(file, tmp_path / "p.zarr", Fails(after=0, file=file), **where)) == of_one_process


def test_a_disk_that_is_full_for_the_workers_stops_the_run_with_host_and_bytes(file, tmp_path, of_one_process, workers):
    client, where = workers.client, {"scheduler": workers.client.scheduler.address, "blocks": (4, 240, 480)}
    client.run(limit_files, 4000)
    try:
        with pytest.raises(BlockError) as stop:
            predict(file, tmp_path / "p.zarr", **where)
    finally:
        client.run(limit_files, resource.RLIM_INFINITY)
    assert re.search(
        r"block \d .*no space left for '.*p.zarr': on host .+, [\d,]+ bytes are free; make space", str(stop.value)
    )
    assert content(predict(file, tmp_path / "p.zarr", resume=True, **where)) == of_one_process


def limit_files(size):
    """Let this process write no file larger than so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_scheduler_that_does_not_answer_is_one_line_at_once(file, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    begin = time.perf_counter()
    with pytest.raises(
        OSError, match=f"tcp://127.0.0.1:{closed} does not answer .*start it by `python -m dask scheduler`"
    ):
        predict(file, tmp_path / "p.zarr", scheduler=f"tcp://127.0.0.1:{closed}")
    assert time.perf_counter() - begin < 5
    assert list(tmp_path.iterdir()) == []


def test_workers_of_another_version_and_without_the_files_are_refused_before_work(file, tmp_path, workers, monkeypatch):
    client, version = workers.client, cluster.__version__
    one = next(iter(client.scheduler_info(n_workers=-1)["workers"]))
    client.run(set_version, "0.0.1", workers=[one])
    try:
        with pytest.raises(ValueError, match=r"worker .* has version and files \['0.0.1'.*start workers from the same"):
            predict(file, tmp_path / "p.zarr", scheduler=client.scheduler.address)
    finally:
        client.run(set_version, version, workers=[one])
    assert list(tmp_path.iterdir()) == []
    monkeypatch.chdir(file.parent)  # the workers are elsewhere, so a relative path is another file to them
    with pytest.raises(ValueError, match=r"does not run the project's code or see its files \(FileNotFoundError"):
        workers.check(tmp_path, ["grey.npy"])


def set_version(version):
    """Let this process be of another version of the package."""
    cluster.__version__ = version


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"blocks": (2, 200, 240)},
            "--blocks 2,200,240 is no multiple of the chunk 2,240,240 of the maps.*--blocks 2,240,240",
        ),
        ({"blocks": (4, 240)}, "is not three whole numbers"),
        ({"name": "p.h5", "workers": 2}, "written side by side, which HDF5 cannot; give a .zarr"),
        ({"workers": 2, "scheduler": "tcp://head:8786"}, "--workers and --scheduler: give one of them"),
        ({"scheduler_file": "none.json"}, "scheduler file 'none.json' does not exist"),
    ],
)
def test_what_blocks_cannot_do_is_refused_before_anything_is_written(file, tmp_path, options, message):
    options = {"name": "p.zarr", **options}
    with pytest.raises((ValueError, OSError), match=message):
        predict(file, tmp_path / options.pop("name"), **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("block", [(1, 1, 1), (2, 3, 5), (4, 7, 40), (9, 9, 9)])
@pytest.mark.parametrize("box", [None, "1:6,2:9,4:20"])
def test_the_planner_counts_the_windows_that_each_block_needs(block, box):
    volume = (7, 12, 23)
    part = Box.parse(box, volume)
    grid = WindowGrid(volume, (4, 6, 8), (2, 4, 5), (1, 0, 3), 1, part)
    blocks = BlockGrid(part.shape, block)
    slow = 0
    for number in range(len(blocks)):
        of_box = blocks.box(number)
        low, high = ([a + b for a, b in zip(part.start, ends, strict=True)] for ends in (of_box.start, of_box.stop))
        slow += WindowGrid(volume, grid.window, grid.stride, grid.pad, 1, Box(tuple(low), tuple(high))).windows
    assert windows_in_blocks(grid, block) == slow >= grid.windows


@pytest.mark.parametrize(("block", "most"), [((48, 480, 480), 1.3), ((96, 1440, 1440), 1.1), ((96, 1536, 1536), 1.1)])
def test_blocks_that_begin_where_windows_do_compute_few_windows_twice(block, most):
    grid = VolumeInferer().grid((960, 6144, 6144))
    assert windows_in_blocks(grid, block) / grid.windows < most


def test_no_blocks_of_48_512_512_touch_fewer_than_1_3_times_the_windows_of_one_process():
    fewest = 1.0  # whatever voxel a block begins at: windows of 6 x 96 x 96 every 3 x 48 x 48
    for size, window, stride in ((48, 6, 3), (512, 96, 48), (512, 96, 48)):
        starts = np.arange(0, 4 * size + window, stride)
        touched = [
            np.count_nonzero((first - window < starts) & (starts < first + size))
            for first in range(size, size + stride)
        ]
        fewest *= min(touched) * stride / size
    assert fewest == pytest.approx(1.345, abs=0.001)


@pytest.mark.parametrize(
    ("pad", "chunk"), [((3, 48, 48), (3, 240, 240)), ((1, 48, 0), (3, 240, 240)), ((3, 40, 80), (3, 256, 256))]
)
def test_chunks_are_multiples_of_the_stride_where_that_saves_windows(pad, chunk):
    inferer = VolumeInferer(pad=pad)
    assert chunk_of(inferer) == chunk
    grid = inferer.grid((96, 4096, 4096))
    near, other = (windows_in_blocks(grid, (96, size, size)) for size in (480, 512))
    assert (near < other) == (chunk == (3, 240, 240))
    chosen = chosen_block(grid, chunk)
    assert all(size % step == 0 for size, step in zip(chosen, chunk, strict=True))
    assert windows_in_blocks(grid, chosen) <= min(near, other)


@pytest.mark.parametrize(
    ("shape", "workers", "block"),
    [
        ((20, 1024, 512), 1, (20, 1024, 512)),
        ((20, 1024, 512), 2, (20, 512, 512)),
        ((20, 1024, 512), 4, (20, 256, 512)),
        ((20, 256, 256), 2, (12, 256, 256)),
        ((4, 256, 256), 8, (4, 256, 256)),
    ],
)
def test_the_chosen_block_gives_each_worker_a_share(shape, workers, block):
    inferer = VolumeInferer((6, 96, 96), (4, 72, 72), 1, pad=(1, 12, 12))
    chunk = tuple(min(size, step) for size, step in zip(shape, chunk_of(inferer), strict=True))
    assert chosen_block(inferer.grid(shape), chunk, workers) == block


def test_many_blocks_are_chosen_by_their_windows_alone():
    grid, chunk = VolumeInferer().grid((960, 4096, 4096)), (3, 240, 240)
    for workers in (2, 8):
        assert chosen_block(grid, chunk, workers) == chosen_block(grid, chunk)
