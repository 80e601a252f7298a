"""Pictures of a segmentation show what was scored: fixed colours, and marks at the errors that are scored."""

import numpy as np
import pytest
from PIL import Image

from scripts.handlers.segmentation_pictures import BoxPicture, SegmentationPictures, shown_part, target_maps
from scripts.handlers.sinks.tensorboard import TensorBoard
from scripts.ops.scoring.contingency import ContingencyTable
from scripts.transforms import AffinityTarget, MakeTargetsd
from scripts.visualize.curves import draw_fine_tuning_curves
from scripts.visualize.section_grid import draw_sections, mosaic
from scripts.visualize.segmentation_panels import (
    BOTH,
    ERRORS,
    FALSE_POSITIVE,
    MERGE,
    MISSED,
    SPLIT,
    alike,
    id_colours,
    map_colours,
    marked_errors,
    mistakes,
)
from tests.tiny_segmentation import SHAPE, Run, cells


def hue(picture, where):
    """The colour of a place where nothing but a tint lies over black."""
    tint = picture[where]
    return tuple(np.round(tint / tint.max(), 2))


def test_an_id_has_its_colour_everywhere_and_background_is_black():
    ids = np.array([[0, 1, 2, 7], [7, 2, 1, -1]])
    colours = id_colours(ids)
    assert colours.shape == (2, 4, 3)
    assert not colours[0, 0].any()
    assert (colours[0, 1] == colours[1, 2]).all()
    assert (colours[0, 3] == colours[1, 0]).all()
    assert len(set(colours[1, 3].tolist())) == 1  # unknown is grey
    many = id_colours(np.arange(1, 60)[None])[0]
    apart = np.abs(many[:, None] - many[None]).max(-1)[~np.eye(59, dtype=bool)]
    assert apart.min() > 0.01
    assert many.max(-1).min() > 0.6  # none is as dark as background


def test_a_segment_is_painted_like_the_object_it_covers_best():
    gt = np.array([[[1, 1, 1, 1, 2, 2, 3, 3, 0]]])
    pred = np.array([[[8, 8, 8, 9, 5, 5, 5, 5, 4]]])
    named = alike(pred, ContingencyTable.from_arrays(gt, pred))[0, 0].tolist()
    assert named[:3] == [1, 1, 1]
    assert named[4:8] == [2, 2, 2, 2]  # of the two it merges, one
    assert named[3] > 3
    assert named[8] > 3
    assert named[3] != named[8]


def test_what_is_wrong_is_marked_where_the_score_counts_it():
    gt = np.zeros((1, 30, 110), np.int64)
    gt[:, 2:28, 2:20] = 1  # split along y = 15
    gt[:, 2:28, 22:40], gt[:, 2:28, 40:58] = 2, 3  # merged
    gt[:, 2:28, 60:75] = 4  # missed
    gt[:, 2:28, 77:88] = 5  # right
    pred = np.where(gt == 3, 2, gt)
    pred[:, 15:, :20] *= 9
    pred[gt == 4] = 0
    pred[:, 2:28, 90:108] = 7  # on the background
    gt[:, :, 100:] = -1  # and beyond what is labelled
    known = gt >= 0
    wrong = mistakes(ContingencyTable.from_arrays(gt[known], pred[known]))
    assert (wrong.split.tolist(), wrong.merged.tolist(), wrong.missed.tolist()) == ([1], [2], [4])
    assert wrong.false_positives.tolist() == [7]
    picture = marked_errors(np.zeros(gt.shape), gt, pred, wrong)[0]
    assert hue(picture, (8, 10)) == SPLIT
    assert hue(picture, (8, 30)) == MERGE
    assert hue(picture, (8, 65)) == MISSED
    assert hue(picture, (8, 95)) == FALSE_POSITIVE
    assert not picture[8, 80].any()
    assert not picture[8, 105].any()
    assert tuple(picture[15, 10].round(2)) == SPLIT  # the line between the pieces, undimmed
    assert tuple(picture[8, 40].round(2)) == MERGE  # the border that is lacking
    pred[:, 15:, 22:58] = 6
    both = mistakes(ContingencyTable.from_arrays(gt[known], pred[known]))
    assert hue(marked_errors(np.zeros(gt.shape), gt, pred, both)[0], (8, 30)) == BOTH


def test_maps_become_red_green_and_blue_and_a_signed_one_is_grey_at_zero():
    maps = np.zeros((3, 1, 2, 2), np.float32)
    maps[0, 0, 0, 0] = 1
    colours = map_colours(maps, [False, False, True])
    assert colours[0, 0, 0].tolist() == [1, 0, 0.5]
    assert map_colours(maps[:1], [False])[0, 0, 0].tolist() == [1, 1, 1]
    assert map_colours(maps[:2], [False, False])[0, 0, 0].tolist() == [1, 0, 0]
    assert map_colours(np.zeros((12, 1, 2, 2), np.float32), [False] * 12).shape == (1, 2, 2, 3)


def test_what_is_labelled_is_shown_from_its_middle():
    known = np.zeros((20, 600, 40), bool)
    known[4:13, 300:500] = True
    rows, (y, x) = shown_part(known)
    assert rows.tolist() == [5, 8, 11]
    assert (y, x) == (slice(272, 528), slice(0, 40))
    assert shown_part(np.ones((1, 8, 8), bool))[0].tolist() == [0]


def test_the_target_of_a_place_is_that_of_the_box():
    label = cells((6, 32, 32)).astype(np.int64)
    label[3:] = np.where(label[3:] > 0, label[3:] % 3 + 1, 0)
    make = MakeTargetsd([AffinityTarget()], crop=(2, 16, 16))
    whole = AffinityTarget()(make.erode(label)).numpy()
    part = target_maps(make, label, np.array([2, 3, 5]), (slice(4, 20), slice(0, 32)))
    np.testing.assert_array_equal(part, whole[:, [2, 3, 5], 4:20])


def test_a_run_leaves_pictures_of_its_held_out_box_in_tensorboard_and_as_a_file(tmp_path):
    run = Run(tmp_path / "run", iterations=4, interval=2, loss=False)
    make = MakeTargetsd([AffinityTarget()], crop=(2, 16, 16))
    picture = BoxPicture(run.decoder_search, ["sigmoid"] * 3, make, path=tmp_path / "each.png")
    assert picture.draw(tmp_path / "none.png") is None
    picture.attach(run.evaluator)
    board = TensorBoard(tmp_path / "run")
    run.metric_logger.sinks.append(board)
    SegmentationPictures(picture, board, interval=4, metric_logger=run.metric_logger).attach(run.trainer)
    run.train()
    assert picture.runs == 3
    assert list(picture.panels) == ["section", "labels", "target", "prediction", "instances", "errors"]
    assert all(panel.shape == (3, *SHAPE[1:], 3) for panel in picture.panels.values())
    assert np.asarray(Image.open(picture.draw(tmp_path / "segmentation.png", "a title"))).std() > 5
    assert (tmp_path / "each.png").stat().st_size > 1000
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "run"), size_guidance={"images": 0, "scalars": 0})
    events.Reload()
    (tag,) = events.Tags()["images"]
    assert [image.step for image in events.Images(tag)] == [0, 4]


def test_a_mosaic_has_a_row_for_each_section_and_a_column_for_each_panel():
    panels = {name: np.full((2, 4, 5, 3), shade, np.float32) for name, shade in (("a", 0.2), ("b", 0.6))}
    picture = mosaic(list(panels.values()), gap=1)
    assert picture.shape == (10, 12, 3)
    assert picture[0, 6, 0] == pytest.approx(0.6)


def test_curves_of_losses_and_scores_become_a_file(tmp_path):
    log = [{"iteration": k, "loss": 1 / k, "loss_bce": 0.8 / k, "loss_dice": 0.2 / k} for k in range(1, 40)]
    log += [{"iteration": k, "val_x": 1 / k, "val_voi_split": 2 / k, "val_ap50_accuracy": 0.1} for k in (10, 20, 30)]
    path = draw_fine_tuning_curves(log, tmp_path / "curve.png", "val_x", best=30, title="tiny")
    assert np.asarray(Image.open(path)).shape[1] > 1200  # three panels
    draw_fine_tuning_curves([], tmp_path / "empty.png", "val_x")
    draw_sections({"section": np.zeros((1, 4, 4, 3))}, tmp_path / "one.png")
    assert set(ERRORS) == {"split", "merged", "split and merged", "missed", "false positive"}
