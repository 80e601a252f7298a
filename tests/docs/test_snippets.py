"""The Python of the README and of the page for contributors runs as printed."""

import re
import subprocess
import sys
from pathlib import Path

import h5py

from scripts.data.synthetic import synthesize_volume

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "contributing.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sections() -> dict[str, list[str]]:
    """Heading -> the Python blocks under it, in order."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(), flags=re.MULTILINE)
    found = {name: BLOCK.findall(text) for name, text in zip(parts[1::2], parts[2::2], strict=True)}
    return {name: blocks for name, blocks in found.items() if blocks}


def test_a_target_a_decoder_a_metric_and_an_encoder_are_shown_in_less_than_forty_lines_each():
    found = sections()
    assert list(found) == ["Add a target", "Add a decoder", "Add a metric", "Add an encoder"]
    for name, blocks in found.items():
        assert len(blocks[0].splitlines()) < 40, name
        assert "assert" in "".join(blocks), f"{name} shows no check"


def test_they_do_what_the_page_says():
    """In a process of its own, as two of them enter a class into a table of names; each section by itself."""
    program = "\n".join(
        f"exec({chr(10).join(blocks)!r}, {{'__name__': {name!r}}})" for name, blocks in sections().items()
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode == 0, ended.stderr


def test_the_readme_shows_the_python_of_the_page_on_the_library():
    """Which the next test runs."""
    assert BLOCK.findall((ROOT / "README.md").read_text()) == BLOCK.findall((ROOT / "docs" / "library.md").read_text())


def test_the_page_on_the_library_runs_as_printed_here_with_one_window(tmp_path):
    (block,) = BLOCK.findall((ROOT / "docs" / "library.md").read_text())
    assert len([line for line in block.splitlines() if line.strip()]) <= 10
    volume = synthesize_volume((6, 96, 96), 0)
    with h5py.File(tmp_path / "image.h5", "w") as file:
        file["raw"], file["labels"] = volume.image, volume.labels
    program = block.replace("image.h5", str(tmp_path / "image.h5")).replace("0:4,0:64,0:64", "0:6,0:96,0:96")
    program = program.replace(':96")', ':96", pad=(0, 0, 0))').replace("0:4, 0:64, 0:64", "0:6, 0:96, 0:96")
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("['affinity z', 'affinity y', 'affinity x'] ")
