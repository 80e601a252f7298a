"""`augmentations`: a small picture of each, the same for the same seed."""

import numpy as np
import pytest
from PIL import Image

from scripts.tools.augmentations import augmentations
from scripts.transforms import augment

LARGEST = 150 * 1024
"""Bytes of a picture in the documentation."""


def test_every_augmentation_has_a_small_picture_that_shows_a_change(tmp_path):
    printed = augmentations(str(tmp_path), seed=0)
    pictures = {path.stem: path for path in tmp_path.iterdir()}
    assert all(str(path) in printed for path in pictures.values())
    names = {name.removesuffix("d") for name in augment.__all__ if name.startswith("Rand")}
    assert len(pictures) == len(names) + 3  # misalignment has two, then the symmetry and all of them in a row
    for path in pictures.values():
        assert path.stat().st_size < LARGEST
        picture = np.asarray(Image.open(path).convert("L"))
        assert (picture[6:198] != picture[204:396])[:, 56:].mean() > 0.02  # the first row and the one below it


def test_pictures_that_are_there_are_kept_unless_overwritten(tmp_path):
    (tmp_path / "grey.png").write_text("mine")
    with pytest.raises(FileExistsError, match=r"grey.png' exists; give another --out, or --overwrite"):
        augmentations(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["grey.png"]
