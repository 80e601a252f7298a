"""The labelled volume that a run on a GPU trains on, and the boxes of it."""

from dataclasses import dataclass
from pathlib import Path

from scripts.data import open_volume
from scripts.ops.box import Size3
from scripts.tools.synthesize import synthesize

LARGEST = 512
"""Voxels along y and x of the boxes that are decoded."""


@dataclass(frozen=True)
class Source:
    """A labelled volume: paths as a bundle takes them, and its shape."""

    volumes: str
    labels: str
    shape: Size3

    def boxes(self) -> dict[str, str]:
        """Four fifths of the sections to train on; of the rest one corner to choose thresholds on, another to score."""
        z, y, x = self.shape
        split, high, wide = z * 4 // 5, min(LARGEST, y // 2), min(LARGEST, x // 2)
        return {
            "train_box": f"0:{split},0:{y},0:{x}",
            "validation_box": f"{split}:{z},0:{high},0:{wide}",
            "test_box": f"{split}:{z},{y - high}:{y},{x - wide}:{x}",
        }


def source(folder: Path, volume: str | None, synthetic: Size3) -> Source:
    """The volume of a file with raw and labels; where none is given a synthetic one, which is kept in the folder."""
    path = volume
    if path is None:
        path = str(folder / "synthetic.h5")
        if not Path(path).exists():
            synthesize(path, synthetic)
    with open_volume(f"{path}:raw") as image:
        z, y, x = image.shape[-3:]
    return Source(f"{path}:raw", f"{path}:labels", (z, y, x))
