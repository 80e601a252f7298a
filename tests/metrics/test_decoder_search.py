"""The setting that does best over all boxes is chosen and scored, as if each had been decoded and scored by itself."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed
import torch.multiprocessing
from ignite.engine import Engine
from ignite.exceptions import NotComputableError

from scripts.handlers import ScoreTable
from scripts.metrics import DecoderSearch, TableScore
from scripts.ops.decoding.decoders import decoder
from scripts.ops.scoring.scores import all_scores
from scripts.ops.targets.affinities import label_affinities
from scripts.ops.targets.noised_affinities import noised_affinities

KEY = "adapted_rand_snemi3d"
CUTS = {"threshold": [0.05, 0.2, 0.4, 0.6, 0.95], "size": [20]}
SMALL = {"dust": 0, "low": 0.3}


def tiles(shape=(4, 48, 48), side=12):
    """(z, y, x) square cells with a gap of background between them."""
    _, y, x = np.indices(shape)
    label = 1 + y // side * (shape[2] // side) + x // side
    label[(y % side == 0) | (x % side == 0)] = 0
    return label


def box(seed, noise=0.9):
    gt = tiles()
    return torch.from_numpy(noised_affinities(gt, noise, seed=seed))[None], torch.from_numpy(gt)[None, None]


def test_the_best_setting_of_all_boxes_together_has_the_scores_it_has_by_itself():
    choice = DecoderSearch("agglomeration", KEY, decoder_grid=CUTS, settings=SMALL)
    assert choice.chosen is None
    boxes = [box(0), box(1)]
    for each in boxes:
        choice.update(each)
    found = choice.compute()
    expected = []
    for setting in choice.settings:
        alone = TableScore()
        for maps, gt in boxes:
            alone.update(([decoder("agglomeration", setting)(maps[0].numpy())], [gt[0, 0].numpy()]))
        expected.append(alone.compute())
    errors = [scores[KEY] for scores in expected]
    assert len(set(errors)) > 2  # the thresholds matter here
    best = int(np.argmin(errors))
    assert repr(found) == repr(dict(expected[best]))  # by text: nan is nan
    assert choice.chosen == {"name": "agglomeration", "settings": choice.settings[best]}
    assert choice.varied == {"threshold": choice.settings[best]["threshold"]}
    assert choice.table.best == best
    assert set(choice.scores) == set(found)
    assert KEY in choice.table.markdown()
    np.testing.assert_array_equal(
        choice.decode(boxes[0][0][0].numpy()), decoder("agglomeration", choice.settings[best])(boxes[0][0][0].numpy())
    )


def test_thresholds_of_an_agglomeration_come_from_one_run():
    gt = tiles((8, 144, 144))
    item = torch.from_numpy(noised_affinities(gt, 0.9))[None], torch.from_numpy(gt)[None, None]
    times = []
    for cuts in ([0.3], list(np.linspace(0.05, 0.95, 10))):
        choice = DecoderSearch("agglomeration", KEY, decoder_grid={"threshold": cuts}, settings=SMALL)
        runs = []
        for _ in range(3):
            begin = time.perf_counter()
            choice.update(item)
            runs.append(time.perf_counter() - begin)
        times.append(min(runs))
    assert times[1] < 4 * times[0]  # ten times one decoding, if each were one
    mixed = DecoderSearch(
        "agglomeration", KEY, decoder_grid={"threshold": [0.1, 0.6], "size": [20, 50]}, settings=SMALL
    )
    found = dict(mixed.instances(item[0][0].numpy()))
    for place, setting in enumerate(mixed.settings):
        np.testing.assert_array_equal(found[place], decoder("agglomeration", setting)(item[0][0].numpy()))


def test_higher_is_better_for_precision():
    gt = tiles()
    maps = np.stack([(gt > 0) * 0.9, np.zeros(gt.shape)]).astype(np.float32)
    choice = DecoderSearch("bc", "ap75_accuracy", decoder_grid={"mask": [0.95, 0.85, 0.5]}, settings={"seed": 0.6})
    assert not choice.lower_is_better
    choice.update((torch.from_numpy(maps)[None], torch.from_numpy(gt)[None, None]))
    assert choice.compute()["ap75_accuracy"] == 1
    assert choice.chosen["settings"] == {"seed": 0.6, "mask": 0.85}  # the first of the two that find all


def test_unknown_voxels_count_for_nothing():
    gt = np.zeros((1, 8, 24), np.int64)
    gt[:, :, 2:10] = 1
    gt[:, :, 12:] = -1
    binary = np.zeros((1, 1, 8, 24), np.float32)
    binary[..., 2:10] = binary[..., 14:24] = 1  # what is found at the right is neither right nor wrong
    choice = DecoderSearch("binary", "ap50_accuracy", settings={"small": 0, "small_seed": 0})
    choice.update((torch.from_numpy(binary)[None], torch.from_numpy(gt)[None, None]))
    scores = choice.compute()
    assert scores["voxels"] == 8 * 12
    assert (scores["ap50_accuracy"], scores[KEY], scores["segments"]) == (1, pytest.approx(0, abs=1e-6), 1)
    assert choice.varied == {}


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("name", "metric"), [("agglomeration", KEY), ("zwatershed", KEY), ("bcd", "ap50_accuracy")])
def test_an_untrained_network_scores_badly_and_raises_nothing(name, metric, level):
    gt = torch.from_numpy(tiles())[None, None]
    choice = DecoderSearch(name, metric)
    choice.update((torch.full((1, 3, *gt.shape[2:]), level), gt))
    worst = choice.compute()[metric]
    assert worst > 0.5 if choice.lower_is_better else worst == 0


def test_nothing_found_is_worse_than_anything_found():
    gt = torch.from_numpy(tiles())[None, None]
    ideal = torch.from_numpy(label_affinities(tiles()).astype(np.float32))[None]
    scores = []
    for maps in (ideal, torch.full_like(ideal, 0.0)):
        choice = DecoderSearch("zwatershed", KEY, settings={"size": 0, "dust": 0})
        choice.update((maps, gt))
        scores.append(choice.compute()[KEY])
    assert scores[0] < 1e-6
    assert scores[1] > 0.99


@pytest.mark.parametrize("grain", ["white", "around a half"])
def test_noise_is_decoded_in_bounded_time(grain):
    generator = np.random.default_rng(0)
    maps = generator.random((3, 8, 256, 256), dtype=np.float32)
    if grain != "white":
        maps = 0.5 + 0.05 * (maps - 0.5)
    gt = tiles((8, 256, 256), 32)
    choice = DecoderSearch("agglomeration", KEY, decoder_grid={"threshold": list(np.linspace(0.05, 0.95, 10))})
    begin = time.perf_counter()
    choice.update((torch.from_numpy(maps)[None], torch.from_numpy(gt)[None, None]))
    assert time.perf_counter() - begin < 5  # about 0.3 s
    assert choice.compute()[KEY] > 0.3


def test_an_evaluator_gets_the_numbers_under_their_names():
    choice = DecoderSearch("agglomeration", KEY, decoder_grid=CUTS, settings=SMALL)
    engine = Engine(lambda _, batch: {"image": None, "pred": batch[0], "label": batch[1]})
    choice.attach(engine, KEY)
    for _ in range(2):  # the second time from nothing
        engine.run([box(0), box(1)])
        assert engine.state.metrics[KEY] == choice.table.scores[choice.table.best][KEY]
        assert engine.state.metrics["gt_objects"] == 2 * 16
    assert all(isinstance(value, int | float) for value in engine.state.metrics.values())
    listed = Engine(lambda _, batch: [{"pred": batch[0][0], "label": batch[1][0]}])
    choice.attach(listed, KEY)
    listed.run([box(0), box(1)])
    assert listed.state.metrics[KEY] == engine.state.metrics[KEY]


def test_scores_are_written_as_they_were_computed_and_with_the_decoder(tmp_path):
    choice = DecoderSearch("agglomeration", KEY, decoder_grid=CUTS, settings=SMALL, zero="unlabelled")
    engine = Engine(lambda _, batch: {"pred": batch[0], "label": batch[1]})
    choice.attach(engine, KEY)
    ScoreTable(tmp_path, decoder_search=choice).attach(engine)
    engine.run([box(0)])
    written = json.loads((tmp_path / "scores.json").read_text())
    assert written["decoder"] == choice.chosen
    by_name = {score["name"]: score for score in written["scores"]}
    assert by_name[KEY]["value"] == engine.state.metrics[KEY]
    assert "voxels on gt 0 left out" in by_name["ap50_accuracy"]["definition"]


def test_what_cannot_be_is_refused_by_name():
    with pytest.raises(ValueError, match="unknown decoder 'guess'"):
        DecoderSearch("guess", KEY)
    with pytest.raises(ValueError, match="no setting 'treshold'"):
        DecoderSearch("agglomeration", KEY, decoder_grid={"treshold": [0.1]})
    with pytest.raises(ValueError, match=r"unknown score 'dice'.*ap50_accuracy"):
        DecoderSearch("bc", "dice")
    with pytest.raises(ValueError, match="unknown score 'voi_total'; of these one can decide: adapted_rand"):
        DecoderSearch("bc", "voi_total", definitions=["snemi3d"])
    with pytest.raises(ValueError, match=r"decoder_grid has the setting \{'threshold': 0.5\} twice"):
        DecoderSearch("agglomeration", KEY, decoder_grid={"threshold": [0.2, 0.5, 0.5]})
    with pytest.raises(ValueError, match="zero 'void'"):
        DecoderSearch("bc", KEY, zero="void")
    choice = DecoderSearch("zwatershed", KEY)
    with pytest.raises(NotComputableError):
        choice.compute()
    maps, gt = box(0)
    with pytest.raises(ValueError, match=r"\(4, 48, 48\) and ground truth \(4, 24, 48\)"):
        choice.update((maps, gt[:, :, :, ::2]))
    with pytest.raises(ValueError, match="logits"):
        choice.update((20 * maps - 10, gt))
    choice.reset()
    choice.update((maps, torch.zeros_like(gt)))
    with pytest.raises(ValueError, match="none of the 9216 voxels to score has a label above 0"):
        choice.compute()
    everything_unknown = DecoderSearch("zwatershed", KEY)
    everything_unknown.update((maps, torch.full_like(gt, -1)))
    with pytest.raises(NotComputableError):
        everything_unknown.compute()


def test_definitions_of_scores_are_those_of_the_score_command():
    choice = DecoderSearch("zwatershed", KEY, definitions=["snemi3d"], zero="unlabelled")
    choice.update(box(0))
    table = choice._tables[0].table()
    assert list(choice.compute()) == [s.name for s in all_scores(table, definitions=["snemi3d"], zero="unlabelled")]


def chosen_of(boxes, rank=0, world=1):
    choice = DecoderSearch("agglomeration", KEY, decoder_grid=CUTS, settings=SMALL)
    for seed in range(rank, boxes, world):
        choice.update((*box(seed), f"box {seed}"))
    return repr((choice.compute(), choice.chosen))  # by text: nan is nan


def choose(rank, folder):
    os.environ["LOCAL_RANK"] = str(rank)
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=2)
    Path(folder, f"of_{rank}").write_text(chosen_of(1, rank, 2) + chosen_of(3, rank, 2))
    torch.distributed.destroy_process_group()


def test_two_processes_choose_as_one_also_where_one_has_no_box(tmp_path):
    torch.multiprocessing.start_processes(choose, (str(tmp_path),), nprocs=2, start_method="fork")
    alone = chosen_of(1) + chosen_of(3)
    assert [(tmp_path / f"of_{rank}").read_text() for rank in range(2)] == [alone, alone]


class Counting:
    """A decoder that records its thresholds at each call."""

    def __init__(self, decoder, calls):
        self.decoder, self.calls = decoder, calls

    def at_each(self, maps, cuts):
        self.calls.append(cuts)
        return self.decoder.at_each(maps, cuts)


def test_a_box_is_decoded_once_and_handlers_read_the_instances_that_were_scored():
    calls = []
    choice = DecoderSearch("agglomeration", KEY, decoder_grid={"threshold": [0.2, 0.8]}, settings={"dust": 0})
    choice._decoders[0] = Counting(choice._decoders[0], calls)
    rng = np.random.default_rng(0)
    maps, labels = rng.random((1, 3, 4, 16, 16), dtype=np.float32), rng.integers(1, 4, (1, 1, 4, 16, 16))
    choice.update((torch.from_numpy(maps), torch.from_numpy(labels)))
    kept = dict(choice.latest)
    choice.compute()
    assert calls == [[0.2, 0.8]]
    assert choice.latest == {}
    assert np.array_equal(choice.chosen_of(kept, maps[0]), choice.decode(maps[0]))
    choice.reset()
    choice.update((torch.from_numpy(maps), torch.full_like(torch.from_numpy(labels), -1)))  # nothing to score
    assert choice.latest == {}
    assert np.array_equal(choice.chosen_of(choice.latest, maps[0]), choice.decode(maps[0]))
