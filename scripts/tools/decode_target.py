"""Instances of `decode` in the form that --out names: decoded to a Zarr folder beside it, then converted in blocks."""

import shutil
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import zarr

from scripts.data.export.ome_zarr import version_of
from scripts.data.export.write import Options, for_viewers, parse_target, voxels_of_levels, write_volume
from scripts.data.files.attributes import made_by
from scripts.data.files.overwriting import check_overwritten
from scripts.data.files.predictions import open_prediction
from scripts.data.volumes import open_volume
from scripts.data.volumes.part import VolumePart
from scripts.ops.box import Box
from scripts.ops.targets.affinity_convention import NEAREST, convention
from scripts.tools.command_line.argument_types import Form

DATASET = "labels"


def _check_name(out: str) -> None:
    kind, _, inner = parse_target(out)
    if kind == "hdf5" and inner is not None:
        raise ValueError(f"'{out}': the dataset is called {DATASET}")


DECODED = Form(
    "one of NAME.zarr, NAME.h5, NAME.ome.zarr, image.zarr:labels/NAME, precomputed://FOLDER, NAME.tif",
    _check_name,
)


@dataclass(frozen=True)
class DecodeTarget:
    """Where `decode` writes.

    Attributes:
        out: as the user named it.
        version: of OME-Zarr.
        meshes, skeletons: whether to write them.
        drawn: voxels of the smallest segment that is drawn.
        resume, overwrite: as `decode`.
    """

    out: str
    version: str
    meshes: bool
    skeletons: bool
    drawn: int
    resume: bool
    overwrite: bool

    @property
    def converted(self) -> bool:
        """Whether the instances are converted once they are decoded."""
        return for_viewers(self.out)

    @property
    def decoded(self) -> Path:
        """Where the instances are decoded to: `out` itself, or a folder beside it that the conversion removes."""
        if not self.converted:
            return Path(self.out)
        _, path, inner = parse_target(self.out)
        return path.with_name(f".{path.name}.{inner + '.' if inner else ''}decoded.zarr")

    def check(self, thresholds: int) -> None:
        """Refuse, before anything is decoded, what cannot be written.

        Raises:
            ValueError: several thresholds, meshes of a form that has none, labels of a folder that is no image,
                other datasets in the file that would be replaced.
            FileExistsError: something is there, and overwrite is not given.
        """
        kind, path, inner = parse_target(self.out)
        if (self.meshes or self.skeletons) and kind != "precomputed":
            raise ValueError(
                f"--meshes and --skeletons are files of precomputed://FOLDER, and --out is '{self.out}'; change it"
            )
        if not self.converted:
            if self.overwrite:
                check_overwritten(self.decoded, [DATASET], made_by="decode")
            return
        if thresholds > 1:
            raise ValueError(f"--out '{self.out}' holds one volume; give one --threshold, or --out NAME.zarr")
        if inner is not None:
            version_of(path)
            path = path / "labels" / inner
        if path.exists() and not self.overwrite:
            raise FileExistsError(f"'{path}' exists and is left as it is; choose another --out, or --overwrite")
        if self.decoded.exists() and not (self.resume or self.overwrite):
            raise FileExistsError(
                f"'{self.out}' was decoded and not completely written ('{self.decoded}'); continue with --resume, or "
                "--overwrite"
            )

    def begun(self, made_by: str) -> bool:
        """Whether an earlier run decoded the same, so that only the conversion is left to do.

        Raises:
            ValueError: it decoded with other settings.
        """
        if not (self.converted and self.resume and self.decoded.exists()):
            return False
        noted = zarr.open_group(self.decoded, mode="r").attrs.get("decode")
        if noted != made_by:
            raise ValueError(
                f"'{self.decoded}' was decoded with other settings ({noted}, this is {made_by}); give --overwrite"
            )
        return True

    def convert(self, prediction: str, part: Box, channels: Any) -> list[str]:
        """Write the decoded instances in the form of `out`, and remove the folder they were decoded to.

        Args:
            prediction: that was decoded.
            part: the box of it.
            channels: offsets of its affinities, or None where it has none.

        Returns:
            Lines that describe what was written.

        Raises:
            OSError: it cannot be written; the folder is kept, for --resume.
        """
        if not self.converted:
            return []
        finish = None
        if parse_target(self.out).kind == "precomputed":
            from scripts.data.export.segment_files import Drawn, write_segment_files

            nearest = channels is not None and convention(channels).offsets[:3] == NEAREST.offsets
            drawn = Drawn(self.meshes, self.skeletons, None, self.drawn, prediction if nearest else None, part)
            finish = partial(write_segment_files, drawn=drawn)
        from tqdm import tqdm

        with open_volume(f"{self.decoded}:{DATASET}") as opened:
            volume = VolumePart(opened, Box((0, 0, 0), opened.shape))
            total = voxels_of_levels(volume.shape)
            with tqdm(total=total, unit="voxel", unit_scale=True, disable=not sys.stderr.isatty()) as bar:
                plan = {"prediction": prediction, "box": str(part)}
                noted = made_by(str(self.decoded))
                options = Options(True, self.version, plan, self.resume, self.overwrite, bar.update, noted)
                lines = write_volume(volume, self.out, options, finish)
        shutil.rmtree(self.decoded)
        return lines


def placement(prediction: str, part: Box) -> dict[str, Any]:
    """Attributes of the instances of a box of a prediction: `offset`, and `resolution` where it is known."""
    with open_prediction(prediction) as opened:
        return opened.placement(part)
