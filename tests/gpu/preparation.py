"""What the trainings need and no GPU computes: the synthetic volume, and compiled kernels, which are kept on disk."""

import numpy as np
import torch

from scripts.metrics import DecoderSearch
from scripts.ops.targets.affinities import label_affinities
from tests.gpu.results import Results
from tests.gpu.sizes import Size
from tests.gpu.source import Source

DECODER = ("agglomeration", "adapted_rand_snemi3d")
"""Of the fine-tuning, with its key score."""


def prepare(results: Results, size: Size, source: Source, seconds: float) -> None:
    """Decode and score affinities of drawn labels, as a validation does; the volume is made before."""
    _, y, x = np.indices((4, 32, 32))
    labels = (1 + y // 8 * 4 + x // 8).astype(np.int32)
    maps = label_affinities(labels).astype(np.float32) * 0.9
    search = DecoderSearch(*DECODER, decoder_grid={"threshold": [0.3, 0.5]}, settings={"dust": 0}, zero="unlabelled")
    search.update((torch.from_numpy(maps)[None], torch.from_numpy(labels)[None, None]))
    results.add("prepare", volume=source.volumes, **{DECODER[1]: float(search.compute()[DECODER[1]])})
