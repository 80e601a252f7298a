"""The notebooks run from top to bottom as they are committed, and open with their pictures."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
LARGEST = 300_000
"""Bytes of a notebook with its pictures."""
# The kernel and its client leave sockets to the garbage collector, and tell of their transport.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(zmq|jupyter_client|nbclient|asyncio|traitlets).*"),
]


def test_the_three_are_here():
    assert [path.stem for path in NOTEBOOKS] == ["proofread_scores", "reconstruction", "transform_chains"]


def printing_cells(book) -> list[int]:
    """Numbers of the cells that print at least a word."""
    texts = ["".join(output.get("text", "") for output in cell.get("outputs", [])) for cell in book.cells]
    return [number for number, text in enumerate(texts) if text.strip()]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_on_the_synthetic_volume(path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore:IProgress not found")  # of tqdm, which huggingface_hub imports
    book = nbformat.read(path, as_version=4)
    printing = printing_cells(book)
    NotebookClient(book, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    assert [output for output in outputs if output.output_type == "error"] == []
    assert any("image/jpeg" in output.get("data", {}) for output in outputs)
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    assert printing_cells(book) == printing


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_with_small_pictures_and_no_place_of_the_machine_it_ran_on(path):
    text = path.read_text()
    assert len(text) < LARGEST, f"{path.name} has {len(text):,} bytes; draw fewer or smaller pictures"
    book = json.loads(text)
    pictures = [
        output for cell in book["cells"] for output in cell.get("outputs", []) if "image/jpeg" in output.get("data", {})
    ]
    assert pictures
    shown = json.dumps(
        [output for cell in book["cells"] for output in cell.get("outputs", []) if output not in pictures]
    )
    assert not re.search(r"((?<![\w.])/[a-z]\w+/|[A-Z]:\\\\)", shown)
    assert book["metadata"]["kernelspec"]["name"] == "python3"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_begins_by_saying_what_it_shows(path):
    first = nbformat.read(path, as_version=4).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
