"""The Python of the README, of the page for contributors and of the examples runs as printed."""

import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from scripts.data.regions.training_regions import labelled_regions
from scripts.data.synthetic import synthesize_volume

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "contributing.md"
EXAMPLES = [
    ROOT / "docs" / "examples" / f"{name}.py"
    for name in ("interior_target", "components_decoder", "completeness_metric")
]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_a_target_a_decoder_a_metric_and_an_encoder_are_shown_in_less_than_forty_lines_each():
    assert sorted(EXAMPLES) == sorted((ROOT / "docs" / "examples").glob("*.py"))
    encoder, check = BLOCK.findall(PAGE.read_text())
    shown = [path.read_text().partition('if __name__ == "__main__":') for path in EXAMPLES]
    for code, checks in [(code, checks) for code, _, checks in shown] + [(encoder, check)]:
        assert len(code.splitlines()) < 40, code
        assert "assert" in checks, f"{code} shows no check"
    assert all(f"(examples/{path.name})" in PAGE.read_text() for path in EXAMPLES)


def test_examples_do_what_their_text_states():
    """In a process of its own, as two of them enter a class into a table of names; each by itself."""
    program = ["import runpy", *(f"runpy.run_path({str(path)!r}, run_name='__main__')" for path in EXAMPLES)]
    program.append(f"exec({chr(10).join(BLOCK.findall(PAGE.read_text()))!r}, {{'__name__': 'encoder'}})")
    ended = subprocess.run(
        [sys.executable, "-c", "\n".join(program)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode == 0, ended.stderr


def test_the_ten_lines_of_the_readme_run_as_printed_here_with_one_window(tmp_path):
    (block,) = BLOCK.findall((ROOT / "README.md").read_text())
    assert len([line for line in block.splitlines() if line.strip()]) <= 10
    volume = synthesize_volume((6, 96, 96), 0)
    with h5py.File(tmp_path / "image.h5", "w") as file:
        file["raw"], file["labels"] = volume.image, volume.labels
    program = block.replace("image.h5", str(tmp_path / "image.h5")).replace("0:4,0:64,0:64", "0:6,0:96,0:96")
    program = program.replace(':96")', ':96", pad=(0, 0, 0))').replace("0:4, 0:64, 0:64", "0:6, 0:96, 0:96")
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("['affinity z', 'affinity y', 'affinity x'] ")


def test_the_boxes_of_ones_own_volume_fit_the_file_that_the_page_writes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("my.tif", np.zeros((24, 96, 96), np.uint8))
    tifffile.imwrite("my_labels.tif", np.ones((20, 96, 96), np.uint8))
    page = (ROOT / "docs" / "own_data.md").read_text()
    exec(BLOCK.findall(page)[0], {})
    boxes = re.search(r"--train_box (\S+) --validation_box (\S+) .*?best\.pt --box (\S+)", page, re.DOTALL)
    assert boxes is not None
    for split, box in zip(("training", "validation", "test"), boxes.groups(), strict=True):
        (region,) = labelled_regions("my.h5:raw", "my.h5:labels", split, box, (6, 96, 96))
        assert region.image.voxel_size_nm == (40, 8, 8)


@pytest.mark.parametrize("page", ["README.md", "docs/*.md", "bundles/*/docs/README.md"])
def test_a_crop_fits_the_boxes_that_train_and_validate(page):
    found = [
        (path.name, box)
        for path in ROOT.glob(page)
        for box in re.findall(r"--(?:train|validation)_box (\d+:\d+)", path.read_text())
    ]
    sections = {box: int(box.split(":")[1]) - int(box.split(":")[0]) for _, box in found}
    assert [one for one in found if sections[one[1]] < 6] == []  # sections of a crop of train.json
