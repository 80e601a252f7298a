"""Decoders on real labels: ideal maps come back at instance level; skipped without SEM_DATA_DIR."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from scripts.ops.decoding.probability_watershed import bc_watershed
from scripts.ops.decoding.zwatershed import zwatershed
from scripts.ops.labels.connected_components import label_components
from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.scores import all_scores
from scripts.ops.targets.affinities import label_affinities
from scripts.ops.targets.contours import label_binary, label_contour


def real(name, *box):
    folder = os.environ.get("SEM_DATA_DIR")
    if folder is None:
        pytest.skip("SEM_DATA_DIR is not set: no real labels")
    with h5py.File(Path(folder) / name) as file:
        return file["labels"][box]


def scores(label, found):
    return {score.name: score.value for score in all_scores(ContingencyTable.from_arrays(label, found))}


def test_ideal_affinities_of_connected_neurites_are_decoded():
    label = np.ascontiguousarray(real("snemi3d_ac4_train.h5", slice(0, 12), slice(0, 256), slice(0, 256)))
    label_components(label)
    found = zwatershed(label_affinities(label).astype(np.float32), size=0, dust=0)
    assert scores(label, found)["adapted_rand_snemi3d"] < 1e-3
    np.testing.assert_array_equal(found > 0, label > 0)


def test_ideal_binary_and_contour_of_mitochondria_are_decoded():
    label = real("cdeep3m_sbem_mito_train.h5", slice(None), slice(0, 512), slice(0, 512))
    found = bc_watershed(np.stack([label_binary(label), label_contour(label)]).astype(np.float32))
    assert scores(label, found)["ap50_accuracy"] > 0.8
