"""`python -m scripts report`: one self-contained file, scores side by side, and a note of what is missing."""

import base64
import io
import json
import os
import re
import shlex
import shutil
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import h5py
import numpy as np
import pytest
from PIL import Image

from scripts.ops.scoring.error_locations import SegmentationError
from scripts.ops.scoring.scores import Score
from scripts.tools.report import report
from scripts.tools.reporting.commands import Bundle, bundle_of, evaluation_command, known_bundles, training_command
from scripts.tools.reporting.comparison import columns, score_tables, summary
from scripts.tools.reporting.curves import Line, chart
from scripts.tools.reporting.evaluation import Evaluation
from scripts.tools.reporting.pictures import IdColours
from scripts.tools.reporting.runs import Run, read_run
from scripts.tools.reporting.segmentation_viewers import shown_sections, viewers
from scripts.tools.reporting.viewer import scale_bar
from scripts.visualize.segmentation_panels import id_colours

SVG = "{http://www.w3.org/2000/svg}"


class Page(HTMLParser):
    """Tags with their attributes, and all text outside of scripts and styles."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.words, self._inside = [], "", []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside.append(tag)

    def handle_endtag(self, tag):
        if self._inside and tag == self._inside[-1]:
            self._inside.pop()

    def handle_data(self, data):
        if not self._inside:
            self.words += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def scored(seed, pretrained, error, **settings):
    """A run with one score."""
    recipe = {"task": "affinity", "seed": seed, "pretrained": pretrained, **settings}
    scores = [Score("adapted_rand_snemi3d", error, "lower", "SNEMI3D arithmetic"), Score("segments", 7, "", "a count")]
    return Run(Path(f"run_{seed}"), [], recipe, test=scores)


def decoded(url):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))).convert("RGBA"))


@pytest.fixture(scope="module")
def page(report_page):
    return Page(report_page.read_text(encoding="utf-8"))


def test_the_file_is_complete_and_loads_nothing_from_elsewhere(report_page, page):
    assert report_page.stat().st_size < 6e6
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "data", "action"):
            address = attributes.get(name, "")
            assert not address or address.startswith(("data:", "#")), (tag, address[:80])
    source = report_page.read_text(encoding="utf-8")
    assert set(re.findall(r"url\(.?", source)) == {"url(#"}  # clip paths of curves, in the same file
    assert "@import" not in source
    assert page.all("link") == [{"rel": "icon", "href": "data:,"}]


def test_every_part_is_there_and_can_be_reached_by_its_link(page):
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = ["runs", "volume", "curves", "reconstruction", "segmentation", "scores", "repeat", "made-with"]
    assert [section["id"] for section in page.all("section")] == wanted
    for link in page.all("a"):
        assert link["href"].removeprefix("#") in ids


def test_pictures_have_alternative_text_and_sliders_have_labels(page):
    pictures = page.all("img")
    assert len(pictures) > 20
    for picture in pictures:
        assert picture["alt"] or "over" in picture["class"]  # an overlay is described with its picture
        assert picture["src"].startswith("data:image/")
    sliders = [one for one in page.all("input") if one["type"] == "range"]
    assert len(sliders) == 2
    labels = {label.get("for") for label in page.all("label")}
    for slider in sliders:
        assert slider["id"] in labels
        assert slider["aria-valuetext"].startswith("section ")


def test_the_page_lists_runs_seeds_scores_decoders_and_versions(page):
    for words in (
        "pre-training, random mask 0.5, seed 0",
        "affinity, from scratch, seed 1",
        "2 (seeds 0, 1)",
        "Adapted Rand error (SNEMI3D)",
        "SNEMI3D arithmetic: gt 0 ignored",
        "threshold 0.4, size 20, dust 20",
        "30 x 6 x 6 nm",
        "python -m scripts report",
        "Versions and machine of each run and of this page",
        f"{os.cpu_count()} cores",
    ):
        assert words in page.words, words


def test_the_slider_has_every_layer_of_every_section(report_page):
    source = report_page.read_text(encoding="utf-8")
    stores = [json.loads(part.split("</script>")[0]) for part in source.split('<script type="application/json">')[1:]]
    assert stores[1]["sections"] == [10, 11, 12, 13, 14, 15]
    assert {"image", "labels", "0-prediction", "3-instances", "3-errors"} <= stores[1]["layers"].keys()
    assert all(len(urls) == 6 for urls in stores[1]["layers"].values())


def test_the_scores_list_the_worst_errors_and_each_is_a_link_to_its_pictures(report_page, page):
    source = report_page.read_text(encoding="utf-8")
    store = next(
        json.loads(part.split("</script>")[0]) for part in source.split('<script type="application/json">')[2:]
    )
    links = [link for link in page.all("a") if "data-error" in link]
    assert [(link["href"], link["data-error"]) for link in links] == [
        ("#segmentation-1", str(k)) for k in range(len(store["errors"]))
    ]
    assert len(links) > 5
    for error in store["errors"]:
        assert error["words"] in page.words
        assert ", ".join(map(str, error["position"])) in page.words
    bits = [float(error["words"].split()[-2]) for error in store["errors"]]
    assert bits == sorted(bits, reverse=True)
    assert [link for link in page.all("a") if link["href"] == "#errors"] == [{"href": "#errors"}] * 2  # split, merging


def test_a_run_that_has_only_begun_is_shown_with_what_it_lacks(tmp_path):
    folder = tmp_path / "begun"
    folder.mkdir()
    lines = [
        {"iteration": 0, "token_mean": 0.999},
        {"iteration": 1, "loss": 1.9, "seconds": 0.4, "samples_per_s": 40.0},
    ]
    (folder / "log.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"iteration": 2, "lo')
    report(str(folder), out=str(tmp_path / "report.html"))
    words = Page((tmp_path / "report.html").read_text()).words
    assert "begun has no checkpoint yet" in words
    assert "its checkpoint names no settings" in words


def test_a_run_without_evaluation_shows_its_validation_and_names_it(runs, tmp_path):
    folder = tmp_path / "unscored"
    shutil.copytree(runs.scratch_0, folder)
    shutil.rmtree(folder / "evaluation")
    Image.new("RGB", (2000, 300), (90, 90, 90)).save(folder / "segmentation.png")
    report(str(folder), out=str(tmp_path / "report.html"))
    page = Page((tmp_path / "report.html").read_text())
    assert "unscored is not evaluated yet" in page.words
    assert "on the validation box" in page.words
    assert "unscored at its last validation" in page.words
    assert "Adapted Rand error" in page.words


def test_a_volume_that_is_gone_is_reported_with_its_name(runs, cells, tmp_path):
    hidden = cells.path.with_suffix(".away")
    cells.path.rename(hidden)
    try:
        report(str(runs.pretrain), out=str(tmp_path / "report.html"))
    finally:
        hidden.rename(cells.path)
    words = Page((tmp_path / "report.html").read_text()).words
    assert "cannot be shown here" in words
    assert "pretrain cannot be drawn here" in words
    assert "small.h5" in words


def test_wrong_input_is_one_line_with_the_way_out(runs, report_page, tmp_path, error_of):
    out = tmp_path / "new.html"
    assert "there is no folder 'nowhere'; give the --output_dir" in error_of("report", "nowhere", "--out", out)
    assert "is no run: it has neither log.jsonl nor" in error_of("report", tmp_path, "--out", out)
    assert "--overwrite to replace it" in error_of("report", runs.pretrain, "--out", report_page)
    assert "is not a name that ends in .html" in error_of("report", runs.pretrain, "--out", tmp_path / "page.pdf")
    assert "no run is named" in error_of("report", "--out", out)
    assert not out.exists()


def test_a_damaged_evaluation_names_its_file(runs, tmp_path, error_of):
    folder = tmp_path / "damaged"
    shutil.copytree(runs.scratch_0, folder)
    with h5py.File(folder / "evaluation" / "evaluation.h5", "r+") as file:
        del file["instances"]
    line = error_of("report", folder, "--out", tmp_path / "report.html")
    assert "evaluation.h5 has no dataset 'instances', only" in line
    (folder / "evaluation" / "scores.json").write_text("{}")
    assert "scores.json is no table of scores" in error_of("report", folder, "--out", tmp_path / "report.html")


def test_seeds_are_one_column_with_mean_and_range():
    runs = [scored(0, "a.pt", 0.1), scored(1, "a.pt", 0.3), scored(0, None, 0.4)]
    found = columns(runs)
    assert [column.title for column in found] == ["pre-trained", "from scratch"]
    tables = score_tables(found)
    first, second = tables.main[1].cells
    assert (first.mean, first.span, first.best) == ("0.2000", "[0.1000 to 0.3000]", True)
    assert (second.mean, second.span, second.best) == ("0.4000", "", False)
    assert [column.seeds for column in found] == ["2 (seeds 0, 1)", "1 (seed 0)"]
    assert [tables.definitions[row.note - 1] for row in tables.main] == ["a count", "SNEMI3D arithmetic"]
    expected = "Adapted Rand error (SNEMI3D): pre-trained 0.2000 [0.1000 to 0.3000]; from scratch 0.4000"
    assert summary(found) == expected


def test_an_encoder_of_each_seed_is_one_setting_and_two_encoders_of_a_seed_are_two():
    each = [scored(0, "runs/first/checkpoints/best.pt", 0.1), scored(1, "runs/second/checkpoints/best.pt", 0.3)]
    assert len(columns(each)) == 1
    both = [*each, scored(0, "runs/second/checkpoints/best.pt", 0.2)]
    assert [column.title for column in columns(both)] == [
        "pre-trained, pretrained first",
        "pre-trained, pretrained second",
    ]


def test_columns_are_named_by_the_settings_that_differ():
    found = columns([scored(0, None, 0.1, labelled_sections=4), scored(0, None, 0.2, labelled_sections=8)])
    assert [column.title for column in found] == [
        "from scratch, labelled sections 4",
        "from scratch, labelled sections 8",
    ]


def test_a_command_names_what_differs_from_the_config_and_takes_the_overlay_that_covers_most():
    train = {
        "recipe": {
            "task": "@task",
            "network": "@network",
            "batch": "@batch",
            "crop": "@crop",
            "volumes": "@volumes",
            "warm": "@warm",
        },
        "task": "affinity",
        "network": "vit_base",
        "batch": 24,
        "crop": [6, 96, 96],
        "volumes": "synthetic",
        "warm": "$@iterations // 20",
    }
    demo = {"network": "demo", "crop": [2, 32, 32]}
    bundle = Bundle("bundles/one", train, {"demo": demo}, evaluates=True)
    recipe = {
        "task": "affinity",
        "network": "demo",
        "batch": 24,
        "crop": [2, 32, 32],
        "volumes": "my cells.h5:raw",
        "warm": 30,
    }
    run = Run(Path("runs/a"), [], recipe, checkpoint=Path("runs/a/checkpoints/best.pt"))
    assert bundle_of(run, [bundle]) is bundle
    words = shlex.split(training_command(run, bundle).replace("\\\n", ""))
    assert words[:5] == ["python", "-m", "monai.bundle", "run", "--config_file"]
    assert words[5] == "['bundles/one/configs/train.json','bundles/one/configs/demo.json']"
    assert words[6:] == ["--volumes", "my cells.h5:raw", "--warm", "30", "--output_dir", "runs/a"]
    words = shlex.split(evaluation_command(run, bundle).replace("\\\n", ""))
    assert words[5:] == ["bundles/one/configs/evaluate.json", "--checkpoint", "runs/a/checkpoints/best.pt"]
    assert bundle_of(Run(Path("b"), [], {**recipe, "task": "other"}), [bundle]) is None


def test_a_pretraining_finds_its_bundle_and_its_mask(runs):
    run = read_run(runs.pretrain)
    bundle = bundle_of(run, known_bundles())
    assert bundle.folder == "bundles/sem_mae_pretrain"
    assert "configs/demo.json" in training_command(run, bundle)
    assert "--iterations 40" in training_command(run, bundle)
    assert "mask " not in training_command(run, bundle)


def test_a_curve_names_its_end_and_a_level_far_above_it_keeps_its_number():
    settled = Line("<a>", np.array([[0.0, 2.0], [5, 2.0], [10, 1.0]]), 1, dashed=True)
    figure = chart("Loss", [settled, Line("empty", np.empty((0, 2)), 2)], [("far", 50.0), ("near", 1.5)])
    assert figure.words == "Loss. <a>: 1 at iteration 10"
    words = ["".join(text.itertext()) for text in ElementTree.fromstring(figure.svg).iter(f"{SVG}text")]
    assert {"iteration", "<a>", "far 50, outside the picture", "near 1.5"} <= set(words)
    assert not {"empty", "50"} & set(words)


def test_a_curve_goes_from_corner_to_corner_in_its_colour_and_scratch_is_broken():
    falls = Line("falls", np.array([[0.0, 2.0], [10, 1.0]]), 1)
    rises = Line("rises", np.array([[0.0, 1.0], [10, 2.0]]), 9, dashed=True, marked=True)
    root = ElementTree.fromstring(chart("Loss", [falls, rises]).svg)
    one, two = [path for path in root.iter(f"{SVG}path") if "stroke: var(--c1)" in path.get("style", "")][:2]
    assert "dasharray" not in one.get("style")
    assert "dasharray" in two.get("style")
    numbers = [[float(number) for number in re.findall(r"[\d.]+", path.get("d"))] for path in (one, two)]
    (left, top, right, bottom), (again, low, end, high) = numbers
    assert (left, right, top, bottom) == (again, end, high, low)
    assert left < right
    assert top < bottom  # y of a picture grows downwards


def test_pictures_of_curves_share_no_name_and_are_the_same_each_time():
    line = Line("a", np.array([[0.0, 2.0], [10, 1.0]]), 1)
    pictures = [chart(title, [line]).svg for title in ("Loss", "Loss", "VOI split")]
    assert pictures[0] == pictures[1]
    names = [set(re.findall(r' id="([^"]*)"', picture)) for picture in pictures[1:]]
    assert not names[0] & names[1]


def test_a_long_log_is_a_small_picture():
    points = np.column_stack([np.arange(100_000.0), 1 + np.sin(np.arange(100_000) / 9000)])
    assert len(chart("Loss", [Line("a", points, 0)]).svg) < 60_000


@pytest.mark.parametrize(
    ("width", "nm", "share", "words"),
    [(1000, 6, 1 / 3, "2 µm"), (96, 6, 100 / 576, "100 nm"), (512, 4, 500 / 2048, "500 nm")],
)
def test_a_scale_bar_is_round_and_at_most_a_third(width, nm, share, words):
    assert scale_bar(width, nm) == (pytest.approx(share), words)
    assert scale_bar(width, None) is None


@pytest.mark.parametrize("count", [5, 400])
def test_ids_keep_their_colours_and_background_shows_the_image(count):
    ids = np.arange(-1, count * 3 - 1).reshape(3, count)
    picture = decoded(IdColours(ids).png(ids))
    assert (picture[..., 3] == 255 * (ids > 0)).all()
    wanted = np.round(255 * id_colours(ids[ids > 0]))
    assert (picture[ids > 0, :3] == wanted).all(axis=-1).mean() > 0.99  # two ids of one colour get two


def test_the_colour_of_a_pixel_is_that_of_one_id_only():
    ids = np.arange(40_000).reshape(200, 200)
    colours = IdColours(ids)
    names = colours.names()
    assert len(set(names)) == len(names) == 39_999
    known = dict(zip(names, colours.ids.tolist(), strict=True))
    red, green, blue, _ = decoded(colours.png(ids))[17, 5]
    assert known[f"{red:02x}{green:02x}{blue:02x}"] == ids[17, 5]


def test_sections_of_the_worst_errors_are_shown_among_evenly_spread_ones():
    errors = [SegmentationError("merge", 5, 1, 2, bits, (z, 0, 0)) for z, bits in ((33, 0.1), (77, 0.9))]
    picked = shown_sections(100, 8, errors)
    assert {0, 33, 77, 99} <= set(picked)
    assert len(picked) == 8
    assert np.diff(picked).max() < 30
    assert 33 not in shown_sections(100, 3, errors)  # at most half of them are of errors
    assert shown_sections(6, 8, errors) == list(range(6))


def test_pictures_are_thinned_until_they_fit(tmp_path):
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "noise.h5", "w") as file:
        file["image"] = rng.integers(0, 256, (30, 300, 300), dtype=np.uint8)
        file["prediction"] = rng.integers(0, 256, (2, 30, 300, 300), dtype=np.uint8)
        file["instances"] = rng.integers(0, 9, (30, 300, 300), dtype=np.uint16)
    evaluation = Evaluation(tmp_path / "noise.h5", "noise")
    (viewer,) = viewers([evaluation], 500_000)
    evaluation.close()
    assert viewer.size < 500_000
    assert len(viewer.sections) < 24
    assert viewer.sections[0] == 0
    assert viewer.sections[-1] == 29
    assert [panel.title for panel in viewer.rows[0][1]] == ["image"]  # no labels, no errors
    assert len(viewer.rows[1][1]) == 2


def test_voxels_that_nobody_labelled_show_no_error(runs):
    evaluation = Evaluation(runs.scratch_0 / "evaluation" / "evaluation.h5", "scratch")
    (viewer,) = viewers([evaluation], 4_000_000)
    unknown = evaluation.section("labels", 0, 1) == -1
    evaluation.close()
    errors, labels = decoded(viewer.store["0-errors"][0]), decoded(viewer.store["labels"][0])
    assert unknown[:8].all()
    assert (labels[unknown, 3] == 0).all()
    assert np.ptp(errors[:6, :, :3].astype(int), axis=-1).max() < 12  # grey, but for the rounding of JPEG
    assert np.ptp(errors[..., :3].astype(int), axis=-1).max() > 100


def test_an_error_is_shown_with_its_section_its_voxel_and_the_ids_on_both_sides(runs):
    evaluation = Evaluation(runs.scratch_0 / "evaluation" / "evaluation.h5", "scratch: affinity")
    (viewer,) = viewers([evaluation], 4_000_000)
    labels, instances = evaluation.file["labels"][:], evaluation.file["instances"][:]
    evaluation.close()
    assert {" is split into ids " in error.words for error in viewer.errors} == {True, False}
    for error in viewer.errors:
        z, y, x = error.position
        assert viewer.sections[error.section] == z
        here = {"labels": labels[z - 10, y, x], "0-instances": instances[z - 10, y, x]}
        assert all(str(here[layer]) in ids for layer, ids in error.ids.items())
        assert error.run == "scratch"
    colours = decoded(viewer.store["0-instances"][2])
    for y, x in ((40, 40), (70, 11), (90, 60)):
        red, green, blue, seen = colours[y, x]
        found = viewer.ids["0-instances"][f"{red:02x}{green:02x}{blue:02x}"] if seen else "0"
        assert found == str(instances[2, y, x])
