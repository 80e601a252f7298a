"""From disk to disk: the same maps as in memory, for any piece of a volume, also after a stop."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorstore
import torch
import zarr
from monai.engines import SupervisedEvaluator
from monai.transforms import Compose
from torch import nn

from scripts.data.files.predictions import read_prediction
from scripts.data.regions.region import Region
from scripts.data.volumes import ArrayVolume
from scripts.handlers.prediction_writer import PredictionWriter
from scripts.inferers.row_loader import RowLoader
from scripts.inferers.volume_inferer import VolumeInferer
from scripts.inferers.window_rows import StepInferer, VolumeSteps, prepare_step
from scripts.networks.activated_network import ActivatedNetwork
from scripts.ops.box import Box
from scripts.transforms.grey import ScaleGrey, ScaleGreyd
from scripts.workflow.predict_volume import predict_volume
from scripts.workflow.short_errors import root_cause

ROOT = Path(__file__).parents[2]
GREY = np.random.default_rng(0).integers(0, 256, (17, 40, 37)).astype(np.uint8)
ENDINGS = ["zarr", "h5"]


def convolution(channels=3, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return ActivatedNetwork(nn.Conv3d(1, channels, 3, padding=1), ["sigmoid"] * (channels - 1) + ["tanh"]).eval()


def inferer(**options):
    return VolumeInferer(**{"window": (6, 16, 16), "stride": (3, 8, 8), "flips": 4, "pad": (3, 8, 8), **options})


def in_memory(grey, **options):
    return inferer(**options)(ScaleGrey()(grey)[None, None], convolution())[0].numpy()


@pytest.fixture(scope="module")
def whole():
    """Maps of the whole volume, made in memory."""
    return in_memory(GREY)


class Stops(nn.Module):
    """A network that works for so many calls, and then meets something."""

    def __init__(self, network, calls, error):
        super().__init__()
        self.network, self.calls, self.error = network, calls, error

    def forward(self, image):
        self.calls -= 1
        if self.calls < 0:
            raise self.error
        return self.network(image)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_volume_of_no_round_size_comes_out_as_in_memory(tmp_path, whole, ending):
    volume = ArrayVolume(GREY, voxel_size_nm=(30, 6, 6))
    out = predict_volume(volume, convolution(), inferer(), tmp_path / f"p.{ending}", dtype="float32")
    maps, _ = read_prediction(out)
    assert np.array_equal(maps, whole)
    assert [path.name for path in tmp_path.iterdir()] == [f"p.{ending}"]


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 9, 50), (20, 5, 16)])
def test_thin_and_tiny_volumes_too(tmp_path, shape):
    grey = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    out = predict_volume(ArrayVolume(grey), convolution(), inferer(), tmp_path / "p.zarr", dtype="float32")
    assert np.array_equal(read_prediction(out)[0], in_memory(grey))


@pytest.mark.parametrize("pad", [(0, 0, 0), (2, 3, 5), (4, 8, 8)])
@pytest.mark.parametrize("stride", [(1, 16, 8), (4, 5, 7), (6, 16, 16)])
def test_whatever_stride_and_padding_are(tmp_path, pad, stride):
    settings = {"pad": pad, "stride": stride, "flips": 1}
    grey = GREY[:9, :30]
    out = predict_volume(ArrayVolume(grey), convolution(), inferer(**settings), tmp_path / "p.zarr", dtype="float32")
    assert np.array_equal(read_prediction(out)[0], in_memory(grey, **settings))


def test_any_grey_type_is_scaled_by_its_range(tmp_path, whole):
    grey = GREY.astype(np.uint16) * 100
    out = tmp_path / "p.zarr"
    with pytest.raises(ValueError, match="uint16 grey values: name black and white"):
        predict_volume(ArrayVolume(grey), convolution(), inferer(), out)
    predict_volume(ArrayVolume(grey), convolution(), inferer(), out, dtype="float32", grey_low=0, grey_high=25500)
    np.testing.assert_allclose(read_prediction(out)[0], whole, atol=1e-5)


def test_float16_and_uint8_keep_what_they_can(tmp_path, whole):
    for dtype in ("float16", "uint8"):
        predict_volume(ArrayVolume(GREY), convolution(), inferer(), tmp_path / f"{dtype}.zarr", dtype=dtype)
    half, _ = read_prediction(tmp_path / "float16.zarr")
    assert np.array_equal(half, whole.astype(np.float16))
    levels, _ = read_prediction(tmp_path / "uint8.zarr")
    np.testing.assert_allclose(levels[:2] / 255.0, whole[:2], atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(levels[2] / 127.5 - 1, whole[2], atol=1 / 255 + 1e-6)


def read_by_tensorstore(folder, driver):
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": f"{folder}/"}}
    return tensorstore.open(spec, open=True).result().read().result()


def test_ome_zarr_0_4_has_the_maps_of_0_5_for_every_reader_also_after_a_stop(tmp_path, whole):
    volume = ArrayVolume(GREY, voxel_size_nm=(30, 6, 6))
    settings = {"dtype": "float32", "ome_version": "0.4"}
    out = tmp_path / "p.ome.zarr"
    with pytest.raises(KeyboardInterrupt):
        predict_volume(volume, Stops(convolution(), 160, KeyboardInterrupt()), inferer(), out, **settings)
    noted = json.loads((tmp_path / "p.ome.zarr.partial" / "progress.json").read_text())
    assert noted["sections"] > 0
    with pytest.raises(ValueError, match=r"ome_version was 0\.4, is 0\.5\. Use the same"):
        predict_volume(volume, convolution(), inferer(), out, dtype="float32", resume=True)
    predict_volume(volume, Stops(convolution(), 9999, None), inferer(), out, resume=True, **settings)
    group = zarr.open_group(out, mode="r")
    assert (group.metadata.zarr_format, group.attrs["multiscales"][0]["version"]) == (2, "0.4")
    assert "ome_version" not in group.attrs["settings"]
    for maps in (read_prediction(out)[0], group["0"][:], read_by_tensorstore(out / "0", "zarr")):
        assert np.array_equal(maps, whole)
    blocks = predict_volume(volume, convolution(), inferer(), tmp_path / "b.zarr", blocks=(9, 999, 999), **settings)
    newer = predict_volume(volume, convolution(), inferer(), tmp_path / "n.zarr", dtype="float32")
    assert np.array_equal(read_prediction(blocks)[0], whole)
    assert np.array_equal(read_by_tensorstore(newer / "0", "zarr3"), whole)


def test_a_version_that_is_not_written_or_of_another_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"OME-Zarr version 0\.3 is not written; give one of 0\.4, 0\.5"):
        predict_volume(ArrayVolume(GREY), convolution(), inferer(), tmp_path / "p.zarr", ome_version="0.3")
    with pytest.raises(ValueError, match=r"--ome_version 0\.4 is of OME-Zarr and '.*p\.h5' is HDF5; give a \.zarr"):
        predict_volume(ArrayVolume(GREY), convolution(), inferer(), tmp_path / "p.h5", ome_version="0.4")


@pytest.mark.parametrize("box", ["5:14,8:29,0:20", "0:1,39:40,36:37", "16:17,0:40,3:19"])
def test_a_box_has_the_bits_of_the_whole_volume_unless_it_sees_itself_alone(tmp_path, whole, box):
    part = Box.parse(box, GREY.shape).slices
    volume = ArrayVolume(GREY, voxel_size_nm=(30, 6, 6))
    out = predict_volume(volume, convolution(), inferer(), tmp_path / "p.zarr", box=box, dtype="float32")
    assert np.array_equal(read_prediction(out)[0], whole[(..., *part)])
    assert zarr.open_group(out).attrs["offset"] == [part[0].start, part[1].start, part[2].start]
    alone = predict_volume(
        volume, convolution(), inferer(), tmp_path / "b.zarr", box=box, dtype="float32", context="box"
    )
    assert np.array_equal(read_prediction(alone)[0], in_memory(GREY[part]))
    assert not np.array_equal(read_prediction(alone)[0], whole[(..., *part)])


def test_the_metadata_of_ome_zarr_state_where_a_voxel_is_and_how_it_was_made(tmp_path):
    volume = ArrayVolume(GREY, voxel_size_nm=(30, 6, 6))
    out = predict_volume(
        volume,
        convolution(),
        inferer(),
        tmp_path / "p.zarr",
        "3:10,0:40,8:30",
        channels=("a", "b", "c"),
        metadata={"by": 1, "how": {"well": 0.5}},
    )
    group = zarr.open_group(out, mode="r")
    image = group.attrs["ome"]["multiscales"][0]
    assert group.attrs["ome"]["version"] == "0.5"
    assert [axis["name"] for axis in image["axes"]] == ["c", "z", "y", "x"]
    assert {axis.get("unit") for axis in image["axes"][1:]} == {"nanometer"}
    scale, place = image["datasets"][0]["coordinateTransformations"]
    assert scale == {"type": "scale", "scale": [1, 30, 6, 6]}
    assert place == {"type": "translation", "translation": [0, 90, 0, 48]}
    assert group["0"].shape == (3, 7, 40, 22)
    assert group["0"].dtype == np.float16
    assert (group.attrs["channels"], group.attrs["by"]) == ("a, b, c", "1")
    assert json.loads(group.attrs["how"]) == {"well": 0.5}
    assert json.loads(group.attrs["settings"])["window"] == [6, 16, 16]


def test_hdf5_gives_the_same(tmp_path):
    volume = ArrayVolume(GREY, voxel_size_nm=(30, 6, 6))
    out = predict_volume(volume, convolution(), inferer(), tmp_path / "p.h5", "3:10,0:40,8:30")
    with h5py.File(out) as file:
        assert file["prediction"].shape == (3, 7, 40, 22)
        assert file["prediction"].dtype == np.float16
        assert file.attrs["resolution"].tolist() == [30, 6, 6]
        assert file.attrs["offset"].tolist() == [3, 0, 8]
        assert json.loads(file.attrs["settings"])["stride"] == [3, 8, 8]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("calls", [3, 120, 160, 200])
def test_a_run_that_was_stopped_resumes_to_the_same_bits(tmp_path, whole, ending, calls, capsys):
    out = tmp_path / f"p.{ending}"
    volume = ArrayVolume(GREY)
    with pytest.raises(KeyboardInterrupt):
        predict_volume(volume, Stops(convolution(), calls, KeyboardInterrupt()), inferer(), out, dtype="float32")
    assert not out.exists()
    kept = (
        json.loads((tmp_path / f"p.{ending}.partial" / "progress.json").read_text())["sections"] if calls > 100 else 0
    )
    assert (kept > 0) == (calls > 100)
    printed = capsys.readouterr().out
    assert f"{kept} of 17 sections" in printed if kept else "no section" in printed
    if kept:
        with pytest.raises(FileExistsError, match="sections of an unfinished prediction; resume with --resume true"):
            predict_volume(volume, Stops(convolution(), 9999, None), inferer(), out, dtype="float32")
    resumed = Stops(convolution(), 9999, None)
    predict_volume(volume, resumed, inferer(), out, dtype="float32", resume=True)
    assert np.array_equal(read_prediction(out)[0], whole)
    steps = VolumeSteps(Region(volume, Box.whole(GREY.shape)), inferer())
    everything = len(steps) * 6
    steps.begin_at(kept)
    assert 9999 - resumed.calls == len(steps) * 6 <= everything
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


KILLED = """
import sys, time
import numpy as np
from tests.inferers.test_inference_on_disk import *
network, seen = convolution(), []
def slow(image):
    seen.append(0)
    if len(seen) == 150:
        print("half", flush=True)
    time.sleep(0.005)
    return network(image)
slow.__name__ = "slow"
predict_volume(ArrayVolume(GREY), slow, inferer(), sys.argv[1], dtype="float32", resume=True)
"""


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_run_that_was_killed_resumes_to_the_same_bits(tmp_path, whole, ending):
    out = tmp_path / f"p.{ending}"
    command = [sys.executable, "-c", KILLED, str(out)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        while "half" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    assert json.loads((tmp_path / f"{out.name}.partial" / "progress.json").read_text())["sections"] > 0
    slow = convolution().forward
    predict_volume(ArrayVolume(GREY), named(slow, "slow"), inferer(), out, dtype="float32", resume=True)
    assert np.array_equal(read_prediction(out)[0], whole)


def named(function, name):
    def call(image):
        return function(image)

    call.__name__ = name
    return call


def test_it_resumes_only_with_the_settings_and_the_network_it_was_begun_with(tmp_path):
    out = tmp_path / "p.zarr"
    volume = ArrayVolume(GREY)
    with pytest.raises(KeyboardInterrupt):
        predict_volume(volume, Stops(convolution(), 150, KeyboardInterrupt()), inferer(), out)
    other = Stops(convolution(), 9999, None)
    with pytest.raises(ValueError, match=r"other settings: stride was \[3, 8, 8\], is \[3, 4, 8\]; flips was"):
        predict_volume(volume, other, inferer(stride=(3, 4, 8), flips=1), out, resume=True)
    with pytest.raises(ValueError, match="dtype was float16, is uint8"):
        predict_volume(volume, other, inferer(), out, dtype="uint8", resume=True)
    with pytest.raises(ValueError, match="network was"):
        predict_volume(volume, Stops(convolution(seed=1), 9999, None), inferer(), out, resume=True)
    assert other.calls == 9999
    predict_volume(volume, other, inferer(), out, resume=True)


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_earlier_prediction_is_left_as_it_is_unless_it_is_to_be_replaced(tmp_path, ending):
    out = tmp_path / f"p.{ending}"
    volume = ArrayVolume(GREY[:6])
    predict_volume(volume, convolution(), inferer(), out)
    before = read_prediction(out)[0]
    network = Stops(convolution(seed=1), 9999, None)
    for resume, remedy in ((False, "choose another name"), (True, "nothing to resume")):
        with pytest.raises(FileExistsError, match=f"exists and is left as it is; .*{remedy}.*--overwrite true"):
            predict_volume(volume, network, inferer(), out, resume=resume)
    assert network.calls == 9999
    with pytest.raises(KeyboardInterrupt):
        predict_volume(volume, Stops(convolution(seed=1), 70, KeyboardInterrupt()), inferer(), out, overwrite=True)
    assert np.array_equal(read_prediction(out)[0], before)
    predict_volume(volume, network, inferer(), out, overwrite=True)
    assert not np.array_equal(read_prediction(out)[0], before)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_planes_too_large_for_memory_are_summed_in_a_file(tmp_path, whole):
    out = predict_volume(
        ArrayVolume(GREY), convolution(), inferer(), tmp_path / "p.h5", dtype="float32", blend_memory_gib=0
    )
    assert np.array_equal(read_prediction(out)[0], whole)
    assert [path.name for path in tmp_path.iterdir()] == ["p.h5"]


FULL = """
import resource, signal, sys
import numpy as np
from tests.inferers.test_inference_on_disk import *
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10000, resource.RLIM_INFINITY))
grey = np.where(np.arange(17)[:, None, None] < 9, 128, GREY).astype(np.uint8)
for name in sys.argv[1:]:
    try:
        predict_volume(ArrayVolume(grey), convolution(), inferer(), name, dtype="float32")
    except OSError as error:
        print("refused:", error)
"""


def test_on_a_full_disk_what_is_done_is_kept_and_the_message_has_path_and_remedy(tmp_path):
    out, plain = tmp_path / "p.zarr", tmp_path / "p.h5"
    command = [sys.executable, "-c", FULL, str(out), str(plain)]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name, kept in (
        (out, r"\d+ of 17 sections of .* resume with --resume true"),
        (plain, "no section of .* start again"),
    ):
        assert re.search(
            rf"refused: .*no space left for '{name}': [\d,]+ bytes are free; make space in .* elsewhere. {kept}",
            printed,
        ), name
    assert not (tmp_path / "p.h5.partial").exists()
    grey = np.where(np.arange(17)[:, None, None] < 9, 128, GREY).astype(np.uint8)
    predict_volume(ArrayVolume(grey), convolution(), inferer(), out, dtype="float32", resume=True)
    assert np.array_equal(read_prediction(out)[0], in_memory(grey))


def test_blank_and_textureless_sections_are_named(tmp_path, capsys):
    grey = GREY.copy()
    grey[4], grey[9] = 7, 100 + (GREY[9] > 127)
    predict_volume(ArrayVolume(grey), convolution(), inferer(), tmp_path / "p.zarr", "2:14,0:40,0:37")
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("section")]
    assert [line.split(";")[0] for line in printed] == [
        "section 4: blank, every voxel is 7",
        "section 9: no texture, deviation 0.5",
    ]


def test_broken_values_and_logits_are_refused_with_their_place(tmp_path):
    volume = ArrayVolume(GREY[:6])
    with pytest.raises(ValueError, match="the network gives nan in channel 0"):
        predict_volume(volume, lambda seen: seen * float("nan"), inferer(), tmp_path / "p.zarr")
    with pytest.raises(ValueError, match="logits"):
        predict_volume(volume, lambda seen: seen * 9, inferer(), tmp_path / "q.zarr", dtype="uint8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out": "p.tif"}, "ends in none of .zarr, .h5, .hdf5"),
        ({"dtype": "int8"}, "dtype 'int8' is not one of"),
        ({"box": "0:99,0:1,0:1"}, "outside the volume"),
        ({"context": "none"}, "context 'none'"),
    ],
)
def test_what_cannot_be_is_refused_before_work_starts(tmp_path, options, message):
    network = Stops(convolution(), 0, RuntimeError("it ran"))
    options = {"out": "p.zarr", **options}
    out = tmp_path / options.pop("out")
    with pytest.raises(ValueError, match=message):
        predict_volume(ArrayVolume(GREY), network, inferer(), out, **options)
    assert list(tmp_path.iterdir()) == []


def by_evaluator(folder, network, grey=GREY, resume=False):
    """Predict as inference.json does."""
    region = Region(ArrayVolume(grey), Box.whole(grey.shape))
    steps = VolumeSteps(region, inferer(), Compose([ScaleGreyd("image", 0, 255)]))
    writer = PredictionWriter(steps, inferer(), folder / "p.zarr", dtype="float32", resume=resume)
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=RowLoader(steps),
        network=network,
        inferer=StepInferer(inferer(), steps, writer.folder),
        prepare_batch=prepare_step,
        val_handlers=[writer],
        decollate=False,
    )
    writer.run(evaluator)


@pytest.mark.parametrize("stop", [False, True])
def test_monais_evaluator_drives_it_too(tmp_path, whole, stop):
    if stop:
        with pytest.raises(KeyboardInterrupt):
            by_evaluator(tmp_path, Stops(convolution(), 150, KeyboardInterrupt()))
        assert not (tmp_path / "p.zarr").exists()
    by_evaluator(tmp_path, Stops(convolution(), 9999, None), resume=stop)
    assert np.array_equal(read_prediction(tmp_path / "p.zarr")[0], whole)


@pytest.mark.parametrize("section", [0, 12])
def test_a_row_that_cannot_be_read_ends_the_run_with_its_error(tmp_path, caplog, section):
    grey = GREY.astype(np.float32)
    grey[section, 3, 5] = np.nan
    caplog.set_level("INFO")
    with pytest.raises(RuntimeError) as caught:
        by_evaluator(tmp_path, convolution(), grey)
    assert "grey value nan at" in str(root_cause(caught.value))
    assert not (tmp_path / "p.zarr").exists()
    assert ("resume with --resume true" if section else "no section of") in caplog.text
    by_evaluator(tmp_path, convolution(), np.nan_to_num(grey), resume=section > 0)
    assert read_prediction(tmp_path / "p.zarr")[0].shape == (3, *GREY.shape)
