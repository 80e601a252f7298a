"""What a block-wise run does: volume, blocks, decoder; kept as plan.json, and compared before a run is resumed."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from scripts.blockwise.grid import BlockGrid, Size3
from scripts.blockwise.memory import block_gib
from scripts.data.files.prediction_mask import read_mask
from scripts.data.files.predictions import open_prediction
from scripts.ops.box import Box, three_sizes
from scripts.ops.decoding.masking import mask_prediction
from scripts.ops.targets.affinity_convention import convention

PLAN = "plan.json"


@dataclass(frozen=True)
class Plan:
    """A run.

    Attributes:
        pred: the prediction, as `decode` takes it.
        box: the part to decode.
        decoder, settings: name and settings, as in `decoder`.
        thresholds: of agglomeration, ascending; empty for others.
        block: (z, y, x) voxels.
        chunk: (z, y, x) voxels of a chunk of the instances; blocks are multiples of it.
        smallest: objects of fewer voxels are removed in the end.
        dtype: of the prediction.
        fingerprint: of the prediction's metadata and first voxels.
        made_by: noted beside the instances: what they were made by, as edits of them name it.
        mask: a volume; nothing is decoded where it is 0. None by default.
        holes: whether holes of single objects are filled.
        edits: (kind, first, second) of corrections, as `Edit`.
    """

    pred: str
    box: str
    decoder: str
    settings: dict[str, Any]
    thresholds: tuple[float, ...]
    block: Size3
    chunk: Size3
    smallest: int
    dtype: str
    fingerprint: str = ""
    made_by: str = ""
    mask: str | None = None
    holes: bool = False
    edits: tuple[Any, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> "Plan":
        """The plan of a run's folder."""
        noted = json.loads((folder / PLAN).read_text())
        for name in ("thresholds", "block", "chunk", "edits"):
            noted[name] = _tuples(noted[name])
        return cls(**noted)

    def save(self, folder: Path) -> None:
        """Write the plan into a run's folder."""
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / f"{PLAN}.new"
        fresh.write_text(json.dumps(asdict(self), indent=1))
        os.replace(fresh, folder / PLAN)

    @cached_property
    def part(self) -> Box:
        """The box as such."""
        starts, stops = zip(*(map(int, pair.split(":")) for pair in self.box.split(",")), strict=True)
        return Box((starts[0], starts[1], starts[2]), (stops[0], stops[1], stops[2]))

    @cached_property
    def grid(self) -> BlockGrid:
        """The blocks; voxel (0, 0, 0) is the first of the box."""
        return BlockGrid(self.part.shape, self.block)

    @property
    def attributes(self) -> dict[str, Any]:
        """What is noted beside the instances."""
        with open_prediction(self.pred) as prediction:
            placed = prediction.placement(self.part)
        several = {"threshold": self.thresholds} if self.thresholds else {}
        return {
            "decode": self.made_by,
            "decoder": self.decoder,
            "settings": json.dumps(self.settings | several, sort_keys=True),
            "prediction": self.pred,
            "box": self.box,
            **placed,
            **({} if self.mask is None else {"mask": self.mask}),
        }

    @property
    def block_gib(self) -> float:
        """What a worker takes for a block."""
        return block_gib(self.block, np.dtype(self.dtype).itemsize)

    def read(self, box: Box, channels: int | None = None) -> np.ndarray:
        """(channels, z, y, x) of a box that counts from the first voxel of the plan's; all channels by default.

        Where the mask is 0 affinities and foreground are 0; `channels` is given for affinities alone.
        """
        if self.mask is None:
            return self.read_unmasked(box, channels)
        z, y, x = (max(0, low - 1) for low in box.start)  # an edge belongs to two voxels
        wider = Box((z, y, x), box.stop)
        inside = read_mask(self.mask, self.pred, self._in_volume(wider))
        nearest = convention("nearest") if channels is not None else None
        masked = mask_prediction(self.read_unmasked(wider, channels), inside, nearest)
        return np.ascontiguousarray(masked[(slice(None), *box.within(wider).slices)])

    def read_unmasked(self, box: Box, channels: int | None = None) -> np.ndarray:
        """As `read`, without the mask."""
        with open_prediction(self.pred) as prediction:
            return prediction.read(self._in_volume(box), channels)

    def _in_volume(self, box: Box) -> Box:
        z, y, x = self.part.start
        (z0, y0, x0), (z1, y1, x1) = box.start, box.stop
        return Box((z0 + z, y0 + y, x0 + x), (z1 + z, y1 + y, x1 + x))

    def differences(self, other: "Plan") -> list[str]:
        """Where another plan differs, by name and values; `made_by` is a hash of others.

        Values are compared as they are stored, where a tuple, such as that of the offsets a prediction states, is a
        list.
        """
        mine, theirs = asdict(self), asdict(other)
        named = [name for name in mine if name != "made_by" and _stored(mine[name]) != _stored(theirs[name])]
        return [f"{name} was {theirs[name]}, is {mine[name]}" for name in named]


def _stored(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _tuples(value: Any) -> Any:
    """Lists of JSON as tuples, to any depth."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


@dataclass(frozen=True)
class BlockShapes:
    """The blocks of a run of any kind, for messages.

    Attributes:
        box: the part of the volume.
        block, chunk: (z, y, x) voxels.
        gib: what a worker takes for a block.
    """

    box: Box
    block: Size3
    chunk: Size3
    gib: float

    @classmethod
    def load(cls, folder: Path) -> "BlockShapes":
        """Those of a run's folder."""
        noted = json.loads((folder / PLAN).read_text())
        gib = noted["block_gib"] if "block_gib" in noted else Plan.load(folder).block_gib
        box = Box.parse(noted["box"], (2**62,) * 3)
        return cls(box, three_sizes(noted["block"], "block"), three_sizes(noted["chunk"], "chunk"), gib)

    def voxels(self, number: int) -> Box:
        """The voxels of a block, counted from the first of the box."""
        return BlockGrid(self.box.shape, self.block).box(number)

    def smaller(self, gib: float) -> Size3:
        """A block of multiples of the chunk that takes at most `gib`, if there is one; at least one axis is halved."""
        counts = [size // step for size, step in zip(self.block, self.chunk, strict=True)]
        whole = np.prod(counts)
        while max(counts) > 1:
            longest = counts.index(max(counts))
            counts[longest] = (counts[longest] + 1) // 2
            if self.gib * np.prod(counts) / whole <= gib:
                break
        z, y, x = (count * step for count, step in zip(counts, self.chunk, strict=True))
        return z, y, x


def fingerprint(pred: str) -> str:
    """Of a prediction: shape, dtype and the voxels of its first, middle and last section of 64 x 64 voxels."""
    with open_prediction(pred) as prediction:
        shape = prediction.shape
        found = hashlib.sha256(f"{shape} {prediction.dtype}".encode())
        for z in sorted({0, shape[1] // 2, shape[1] - 1}):
            found.update(prediction.read(Box((z, 0, 0), (z + 1, min(64, shape[2]), min(64, shape[3])))).tobytes())
    return found.hexdigest()[:16]
