"""Validation decodes and scores the held-out boxes, keeps the best network with its decoder, and survives a stop."""

import math
import os

import pytest
import torch
import torch.distributed
import torch.multiprocessing
from ignite.engine import Events
from monai.networks.utils import eval_mode

from scripts.checkpoints.file import load_checkpoint
from scripts.checkpoints.restore import decoder_of, recipe_of, restore
from scripts.checkpoints.run_log import read_log
from scripts.metrics import DecoderSearch
from scripts.networks import ActivatedNetwork
from tests.tiny_segmentation import KEY, Boxes, Run, regions

VAL = f"val_{KEY}"


def test_the_best_network_and_its_decoder_are_kept_with_all_scores(tmp_path):
    run = Run(tmp_path / "run", iterations=12, interval=3)
    run.train()
    scores = dict(run.heard.scores)
    assert list(scores) == [0, 3, 6, 9, 12]
    assert list(scores[12])[:5] == [VAL, "val_loss", "chosen_threshold", "val_voi_split", "val_voi_merge"]
    assert {"val_segments", "val_ap50_accuracy"} <= scores[12].keys()
    assert scores[12][VAL] < 0.5 * scores[0][VAL]
    best = load_checkpoint(run.folder.best)
    at = best["iteration"]
    errors = {k: values[VAL] for k, values in scores.items() if k > 0}
    assert errors[at] == min(errors.values())
    assert best["scores"] == {name: pytest.approx(value, nan_ok=True) for name, value in scores[at].items()}
    assert best["decoder"]["name"] == "agglomeration"
    assert best["decoder"]["settings"] == {
        "dust": 0,
        "size": 10,
        "low": 0.3,
        "threshold": scores[at]["chosen_threshold"],
    }
    assert run.validation.best_iteration == at
    logged = {entry["iteration"]: entry for entry in read_log(run.folder.log) if VAL in entry}
    assert logged[at][VAL] == scores[at][VAL]


def test_a_finished_network_scores_as_it_did_in_training(tmp_path):
    run = Run(tmp_path / "run", iterations=10, interval=5)
    run.train()
    best = run.folder.best
    network = restore(Run(tmp_path / "other").network, best)
    chosen = decoder_of(best, tmp_path / "none.json")
    assert recipe_of(best, tmp_path / "none.json", task="affinity")["activations"] == ["sigmoid"] * 3
    score = DecoderSearch(chosen["name"], KEY, settings=chosen["settings"])
    item = Boxes(regions(1, first=100))[0]
    with eval_mode(network), torch.no_grad():
        maps = ActivatedNetwork(network, ["sigmoid"] * 3)(torch.from_numpy(item["image"])[None])
    score.update((maps, item["label"][None]))
    assert score.compute()[KEY] == load_checkpoint(best)["scores"][VAL]
    assert score.chosen == chosen


def test_a_resumed_run_is_the_one_that_was_never_stopped(tmp_path):
    whole = Run(tmp_path / "whole", iterations=9, interval=3)
    whole.train()
    stopped = Run(tmp_path / "parts", iterations=9, interval=3)
    stopped.trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda e: e.state.iteration == 5 and e.terminate())
    stopped.train()
    content = torch.load(stopped.folder.last, weights_only=True)
    content["parts"]["recorder"] = content["parts"].pop("metric_logger")  # as earlier versions named it
    torch.save(content, stopped.folder.last)
    again = Run(tmp_path / "parts", iterations=9, interval=3, resume=True)
    assert again.validation.best is None
    again.train()
    assert [k for k, _ in again.heard.scores] == [6, 9]
    assert again.validation.state_dict() == whole.validation.state_dict()
    first, second = load_checkpoint(whole.folder.best), load_checkpoint(again.folder.best)
    assert (first["iteration"], first["decoder"]) == (second["iteration"], second["decoder"])
    assert all(torch.equal(first["network"][name], second["network"][name]) for name in first["network"])
    assert decoder_of(again.folder.last, tmp_path / "none.json") == whole.decoder_search.chosen


def test_a_run_is_not_resumed_by_another_score_than_that_of_its_best_network(tmp_path):
    Run(tmp_path / "run", iterations=2, interval=2).train()
    again = Run(tmp_path / "run", iterations=4, interval=2, resume=True)
    again.decoder_search.metric, again.validation.key = "ap50_accuracy", "val_ap50_accuracy"
    with pytest.raises(ValueError, match=f"best {KEY}, not ap50_accuracy: resume with --key_score {KEY}, or choose"):
        again.train()


def test_the_untrained_network_need_not_be_validated_and_is_never_the_best(tmp_path):
    run = Run(tmp_path / "run", iterations=2, interval=1, untrained=False, loss=False)
    run.train()
    assert [k for k, _ in run.heard.scores] == [1, 2]
    assert "val_loss" not in run.heard.scores[0][1]
    validation = Run(tmp_path / "other").validation
    validation.best = math.nan
    assert validation._is_best(1.0)
    validation.best = 0.5
    assert validation._is_best(0.5)
    assert not validation._is_best(0.6)
    assert not validation._is_best(math.nan)
    validation.lower_is_better = False
    assert validation._is_best(0.6)
    assert not validation._is_best(0.4)


def train_as(rank: int, folder: str) -> None:
    os.environ["LOCAL_RANK"] = str(rank)
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=2)
    for boxes in (1, 2):
        run = Run(f"{folder}/{boxes}_boxes", iterations=4, interval=2, boxes=boxes, rank=rank, world=2)
        run.train()
        torch.save((run.heard.scores, run.decoder_search.chosen), f"{folder}/{boxes}_boxes_{rank}.pt")
        torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def test_two_processes_validate_as_one_with_fewer_boxes_than_processes_and_with_as_many(tmp_path):
    torch.multiprocessing.start_processes(train_as, (str(tmp_path),), nprocs=2, start_method="fork")
    for boxes in (1, 2):
        alone = Run(tmp_path / f"alone_{boxes}", iterations=4, interval=2, boxes=boxes)
        alone.train()
        best = load_checkpoint(tmp_path / f"{boxes}_boxes" / "checkpoints" / "best.pt")
        assert best["decoder"] == load_checkpoint(alone.folder.best)["decoder"]
        for rank in range(2):
            scores, chosen = torch.load(tmp_path / f"{boxes}_boxes_{rank}.pt")
            assert chosen == alone.decoder_search.chosen
            for (k, shared), (k_alone, single) in zip(scores, alone.heard.scores, strict=True):
                assert k == k_alone
                assert shared == pytest.approx(single, rel=1e-4, abs=1e-6, nan_ok=True)


def test_parts_of_the_loss_reach_record_and_log_however_the_batch_is_cut(tmp_path):
    runs = [Run(tmp_path / str(cut), iterations=2, accumulation=cut, loss=False) for cut in (1, 2)]
    for run in runs:
        run.train()
    whole, cut = (run.heard.records[0] for run in runs)
    assert set(whole.terms) == {"bce", "dice"}
    assert whole.loss == pytest.approx(whole.terms["bce"] + 0.5 * whole.terms["dice"], rel=1e-5)
    assert cut.loss == pytest.approx(cut.terms["bce"] + 0.5 * cut.terms["dice"], rel=1e-5)
    entry = next(entry for entry in read_log(runs[1].folder.log) if entry["iteration"] == 1)
    assert (entry["loss_bce"], entry["loss_dice"]) == (cut.terms["bce"], cut.terms["dice"])
