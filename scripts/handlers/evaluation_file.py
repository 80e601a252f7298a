"""Write image, labels, maps and instances of an evaluation to one HDF5 file a box."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from ignite.engine import Engine, Events

from scripts.checkpoints.run_files import EVALUATION, SCORES, SEGMENTATION
from scripts.data.files.writing import new_hdf5
from scripts.data.regions.region import Region
from scripts.engines.switches import switch
from scripts.metrics.decoder_search import DecoderSearch
from scripts.ops.decoding.masking import mask_instances
from scripts.ops.quantize import RANGES, quantize

CHUNKS = (4, 128, 128)
"""Voxels (z, y, x) of a gzip chunk."""
OTHERS = (SCORES, str(Path(SCORES).with_suffix(".md")), SEGMENTATION)
"""The other files in the folder of an evaluation."""


class EvaluationFile:
    """Write `evaluation.h5` after each box of an evaluator; of several boxes `evaluation_1.h5`, `evaluation_2.h5`, ...

    Datasets, gzipped: image (z, y, x) uint8, -1 to 1 as 0 to 255; labels (z, y, x), -1 unknown; prediction
    (channels, z, y, x) uint8, each channel's range as 0 to 255; instances (z, y, x) uint32. Attributes: volume, box,
    voxel_size_nm, channels (names, JSON), decoder (name and settings, JSON), and the metadata given. A file appears
    when it is complete. The instances are those that were scored: the box is not decoded again.

    Args:
        output_dir: folder of the files; made where it is missing.
        regions: the boxes, in the order in which the evaluator's loader gives them, one a batch.
        decoder_search: a metric of the evaluator that decodes, with one setting.
        activations: "sigmoid" or "tanh" for each channel of the network's maps.
        channels: their names.
        metadata: further attributes, such as the checkpoint.
        overwrite: replace the files of an earlier evaluation.

    Raises:
        FileExistsError: an earlier evaluation is in the folder, and `overwrite` is not given.
        ValueError: another number of names than of activations.

    Example::

        EvaluationFile("evaluation", regions, decoder_search, ["sigmoid"] * 3, ["z", "y", "x"]).attach(evaluator)
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        regions: Sequence[Region],
        decoder_search: DecoderSearch,
        activations: Sequence[str],
        channels: Sequence[str],
        metadata: Mapping[str, Any] | None = None,
        overwrite: bool | str = False,
    ) -> None:
        self.regions, self.decoder_search, self.metadata = tuple(regions), decoder_search, dict(metadata or {})
        self.ranges, self.channels = [RANGES[name] for name in activations], [str(name) for name in channels]
        if len(self.channels) != len(self.ranges):
            raise ValueError(f"{len(self.channels)} names for {len(self.ranges)} channels: {self.channels}")
        folder = Path(output_dir)
        names = [f"_{number}" for number in range(1, len(self.regions) + 1)] if len(self.regions) > 1 else [""]
        self.paths = [folder / f"{EVALUATION}{name}.h5" for name in names]
        self.overwrite = switch(overwrite, "overwrite")
        existing = [path for path in (*self.paths, *(folder / name for name in OTHERS)) if path.exists()]
        if existing and not self.overwrite:
            raise FileExistsError(
                f"output_dir '{folder}' holds an earlier evaluation ({existing[0].name}); keep it and choose another "
                "folder with --output_dir, or replace it: --overwrite true"
            )

    def attach(self, engine: Engine) -> None:
        """Write the boxes of an evaluator that does not decollate."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write the box of this iteration."""
        output: Any = engine.state.output
        if len(output["image"]) != 1:
            raise ValueError(f"{len(output['image'])} boxes in one batch; the loader must give one at a time")
        number = int(engine.state.iteration) - 1
        maps = output["pred"][0].detach().float().cpu()
        self.write(number, output["image"][0, 0].float().cpu(), output["label"][0, 0].cpu().numpy(), maps)

    def write(self, number: int, image: torch.Tensor, label: np.ndarray, maps: torch.Tensor) -> Path:
        """Write box `number`: image (z, y, x) from -1 to 1, label (z, y, x), maps (channels, z, y, x)."""
        region, path = self.regions[number], self.paths[number]
        datasets = {
            "image": ((image + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy(),
            "labels": label,
            "prediction": quantize(maps, "uint8", self.ranges).numpy(),
            "instances": self.decoder_search.chosen_of(self.decoder_search.latest, maps.numpy()).astype(np.uint32),
        }
        if region.mask is not None:
            mask_instances(datasets["instances"], region.mask[region.box.slices])
        metadata: dict[str, Any] = {
            "volume": region.image.path,
            "box": str(region.box),
            "channels": json.dumps(self.channels),
            "decoder": json.dumps({"name": self.decoder_search.decoder, "settings": self.decoder_search.settings[0]}),
            **{name: str(value) for name, value in self.metadata.items()},
        }
        if region.image.voxel_size_nm is not None:
            metadata["voxel_size_nm"] = [float(edge) for edge in region.image.voxel_size_nm]
        with new_hdf5(path, region.image.voxel_size_nm, self.overwrite, metadata) as file:
            for name, voxels in datasets.items():
                _gzipped(file, name, voxels)
        return path


def _gzipped(file: h5py.File, name: str, voxels: np.ndarray) -> None:
    chunks = tuple(min(chunk, size) for chunk, size in zip(CHUNKS, voxels.shape[-3:], strict=True))
    chunks = (1,) * (voxels.ndim - 3) + chunks
    file.create_dataset(name, data=voxels, chunks=chunks, compression="gzip", compression_opts=1)
