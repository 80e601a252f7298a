"""`python -m scripts report`: one file with everything in it, scores side by side, and what is lacking said."""

import base64
import io
import json
import os
import shlex
import shutil
from html.parser import HTMLParser
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from scripts.ops.scoring.scores import Score
from scripts.tools.cli import main
from scripts.tools.report import report
from scripts.tools.reporting.commands import Bundle, bundle_of, evaluation_command, known_bundles, training_command
from scripts.tools.reporting.comparison import columns, score_tables, summary
from scripts.tools.reporting.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Line, chart, thinned, ticks
from scripts.tools.reporting.evaluated import Evaluation, viewers
from scripts.tools.reporting.markup import transparent_png
from scripts.tools.reporting.runs import Run, read_run
from scripts.tools.reporting.viewer import scale_bar
from scripts.visualize.segmentation_panels import id_colours

NAMES = ("pretrain", "pretrained_0", "pretrained_1", "scratch_0", "scratch_1")


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


def error_of(capsys, *words):
    with pytest.raises(SystemExit) as stop:
        main(["report", *map(str, words)])
    assert stop.value.code == 2
    line = capsys.readouterr().err.strip()
    assert line.startswith("error: ")
    assert "\n" not in line
    return line


def scored(seed, pretrained, error, **settings):
    """A run with one score."""
    recipe = {"task": "affinity", "seed": seed, "pretrained": pretrained, **settings}
    scores = [Score("adapted_rand_snemi3d", error, "lower", "SNEMI3D arithmetic"), Score("segments", 7, "", "a count")]
    return Run(Path(f"run_{seed}"), [], recipe, test=scores)


def decoded(url):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))).convert("RGBA"))


@pytest.fixture(scope="module")
def written(runs, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "report.html"
    report(*(str(getattr(runs, name)) for name in NAMES), out=str(out))
    return out


@pytest.fixture(scope="module")
def page(written):
    return Page(written.read_text(encoding="utf-8"))


def test_the_file_is_whole_and_asks_for_nothing(written, page):
    assert written.stat().st_size < 6e6
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "data", "action"):
            address = attributes.get(name, "")
            assert not address or address.startswith(("data:", "#")), (tag, address[:80])
    source = written.read_text(encoding="utf-8")
    assert "url(" not in source
    assert "@import" not in source
    assert page.all("link") == [{"rel": "icon", "href": "data:,"}]


def test_every_part_is_there_and_can_be_reached_by_its_link(page):
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = ["runs", "volume", "curves", "reconstruction", "segmentation", "scores", "repeat", "made-with"]
    assert [section["id"] for section in page.all("section")] == wanted
    for link in page.all("a"):
        assert link["href"].removeprefix("#") in ids


def test_pictures_have_words_and_sliders_have_labels(page):
    pictures = page.all("img")
    assert len(pictures) > 20
    for picture in pictures:
        assert picture["alt"] or "over" in picture["class"]  # what lies over a picture is told with it
        assert picture["src"].startswith("data:image/")
    sliders = [one for one in page.all("input") if one["type"] == "range"]
    assert len(sliders) == 2
    labels = {label.get("for") for label in page.all("label")}
    for slider in sliders:
        assert slider["id"] in labels
        assert slider["aria-valuetext"].startswith("section ")


def test_the_page_tells_runs_seeds_scores_decoders_and_versions(page):
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


def test_the_slider_has_every_layer_of_every_section(written):
    source = written.read_text(encoding="utf-8")
    stores = [json.loads(part.split("</script>")[0]) for part in source.split('<script type="application/json">')[1:]]
    assert stores[1]["sections"] == [10, 11, 12, 13, 14, 15]
    assert {"image", "labels", "0-prediction", "3-instances", "3-errors"} <= stores[1]["layers"].keys()
    assert all(len(urls) == 6 for urls in stores[1]["layers"].values())


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


def test_a_run_without_evaluation_shows_its_validation_and_says_so(runs, tmp_path):
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


def test_a_volume_that_is_gone_is_said_with_its_name(runs, synthetic, tmp_path):
    hidden = synthetic.path.with_suffix(".away")
    synthetic.path.rename(hidden)
    try:
        report(str(runs.pretrain), out=str(tmp_path / "report.html"))
    finally:
        hidden.rename(synthetic.path)
    words = Page((tmp_path / "report.html").read_text()).words
    assert "cannot be shown here" in words
    assert "pretrain cannot be drawn here" in words
    assert "small.h5" in words


def test_wrong_input_is_one_line_with_the_way_out(runs, written, tmp_path, capsys):
    out = tmp_path / "new.html"
    assert "there is no folder 'nowhere'; give the --output_dir" in error_of(capsys, "nowhere", "--out", out)
    assert "is no run: it has neither log.jsonl nor" in error_of(capsys, tmp_path, "--out", out)
    assert "--overwrite to replace it" in error_of(capsys, runs.pretrain, "--out", written)
    assert "is not a name that ends in .html" in error_of(capsys, runs.pretrain, "--out", tmp_path / "page.pdf")
    assert "no run is named" in error_of(capsys, "--out", out)
    assert not out.exists()


def test_a_damaged_evaluation_names_its_file(runs, tmp_path, capsys):
    folder = tmp_path / "damaged"
    shutil.copytree(runs.scratch_0, folder)
    with h5py.File(folder / "evaluation" / "evaluation.h5", "r+") as file:
        del file["instances"]
    line = error_of(capsys, folder, "--out", tmp_path / "report.html")
    assert "evaluation.h5 has no dataset 'instances', only" in line
    (folder / "evaluation" / "scores.json").write_text("{}")
    assert "scores.json is no table of scores" in error_of(capsys, folder, "--out", tmp_path / "report.html")


def test_seeds_are_one_column_with_mean_and_range():
    runs = [scored(0, "a.pt", 0.1), scored(1, "a.pt", 0.3), scored(0, None, 0.4)]
    found = columns(runs)
    assert [column.title for column in found] == ["pre-trained", "from scratch"]
    table = score_tables(found, "affinity")
    assert '<strong>0.2000</strong> <span class="range">[0.1000 to 0.3000]</span>' in table
    assert "<td>0.4000</td>" in table
    assert "2 (seeds 0, 1)" in table
    assert "1 (seed 0)" in table
    told = "Adapted Rand error (SNEMI3D): pre-trained 0.2000 [0.1000 to 0.3000]; from scratch 0.4000"
    assert summary(found) == told


def test_an_encoder_of_each_seed_is_one_setting_and_two_encoders_of_a_seed_are_two():
    each = [scored(0, "runs/first/checkpoints/best.pt", 0.1), scored(1, "runs/second/checkpoints/best.pt", 0.3)]
    assert len(columns(each)) == 1
    both = [*each, scored(0, "runs/second/checkpoints/best.pt", 0.2)]
    assert [column.title for column in columns(both)] == [
        "pre-trained, pretrained first",
        "pre-trained, pretrained second",
    ]


def test_columns_are_told_apart_by_the_settings_that_differ():
    found = columns([scored(0, None, 0.1, labelled_sections=4), scored(0, None, 0.2, labelled_sections=8)])
    assert [column.title for column in found] == [
        "from scratch, labelled sections 4",
        "from scratch, labelled sections 8",
    ]


def test_a_command_names_what_differs_from_the_config_and_takes_the_overlay_that_says_most():
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
    assert "--mask " not in training_command(run, bundle)


def test_a_curve_runs_from_corner_to_corner_and_scratch_is_broken():
    settled = Line("a", np.array([[0.0, 2.0], [5, 2.0], [10, 1.0]]), 1, dashed=True)
    figure = chart("Loss", [settled, Line("empty", np.empty((0, 2)), 2)], [("far", 50.0), ("near", 1.5)])
    top, bottom = 2.06, 0.94  # six hundredths of the range beyond both ends
    y = TOP + (top - 2.0) / (top - bottom) * (HEIGHT - TOP - BOTTOM)
    assert f'd="M{LEFT:.1f} {y:.1f}L' in figure
    assert f"L{WIDTH - RIGHT:.1f} " in figure
    assert 'class="line c1 dashed"' in figure
    assert "far 50, outside the picture" in figure
    assert "<li>" in figure
    assert "empty" not in figure
    assert figure.count("dots") == 0


def test_thinned_curves_keep_their_ends():
    points = np.column_stack([np.arange(1000.0), np.zeros(1000)])
    kept = thinned(points, 50)
    assert len(kept) == 50
    assert kept[0, 0] == 0
    assert kept[-1, 0] == 999


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]), (0.93, 1.07, [0.95, 1.0, 1.05]), (0, 4000, [0, 1000, 2000, 3000, 4000])],
)
def test_ticks_are_round_numbers(low, high, expected):
    np.testing.assert_allclose(ticks(low, high), expected)


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
    picture = decoded(transparent_png(ids, id_colours))
    assert (picture[..., 3] == 255 * (ids > 0)).all()
    np.testing.assert_array_equal(picture[ids > 0, :3], np.round(255 * id_colours(ids[ids > 0])))


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
    assert len(viewer.html()) < 700_000


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
