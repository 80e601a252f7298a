"""Keep an unfinished prediction beside its target, with a record of what is done, until it is complete."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.data.files.final_name import STORE, discard, give_name, remove
from scripts.data.files.open_store import open_store, prediction_format
from scripts.data.files.output_lock import OutputLock
from scripts.data.files.overwriting import check_overwritten
from scripts.data.files.prediction_store import DATASET, PredictionStore
from scripts.data.files.progress_file import ProgressFile
from scripts.data.files.replacing import full_disk_error, is_full

PYRAMID = ".ome.zarr"
"""Ending of a prediction with coarser levels."""
REPLACEABLE = (DATASET, *map(str, range(32)))
"""Names in a prediction: the dataset of an HDF5 file, or the levels of an OME-Zarr."""


class PartialPrediction:
    """`NAME.partial`, a folder beside `NAME` with the store and `progress.json`; when complete, the store becomes NAME.

    One process at a time writes a prediction: from the first look at an earlier run until `finish`, `suspend` or
    `close` it holds the lock `.NAME.lock`. A program killed at any moment, also while it finishes, leaves a state from
    which a later run with `resume` ends with the complete prediction. Sections are completed in order, by one process;
    `PartialBlocks` has blocks in place of sections.

    Args:
        out: the prediction, `.zarr`, `.h5` or `.hdf5`; `.ome.zarr` has coarser levels.
        shape: voxels (z, y, x).
        dtype: numpy's name of the stored type.
        settings: what the result depends on, in JSON's types; another run resumes only with the same.
        overwrite: start again, and replace an earlier prediction when the new one is complete.
        resume: continue an earlier run; start from the first section if there was none.
        chunks: voxels (z, y, x) of a Zarr chunk.
        voxel_size_nm: (z, y, x) in nm, if known.
        corner: first voxel in the volume.
        attributes: metadata to store with the prediction.
        ome_version: `0.5` or `0.4`, of OME-Zarr.

    Raises:
        FileExistsError: a prediction or an unfinished one exists, and neither `overwrite` nor `resume` is given.
        BlockingIOError: another process writes this prediction.
        ValueError: an unknown ending or version, or settings other than those of the unfinished prediction.
    """

    unit = "sections"
    not_stored: tuple[str, ...] = ("ome_version",)
    """Settings on which the voxels do not depend."""

    def __init__(
        self,
        out: str | os.PathLike[str],
        shape: Sequence[int],
        dtype: str,
        settings: Mapping[str, Any],
        overwrite: bool = False,
        resume: bool = False,
        chunks: Sequence[int] = (8, 256, 256),
        voxel_size_nm: Sequence[float] | None = None,
        corner: Sequence[int] = (0, 0, 0),
        attributes: Mapping[str, Any] | None = None,
        ome_version: str = "0.5",
    ) -> None:
        self.out, self.ome_version = Path(out), str(ome_version)
        self.kind = prediction_format(self.out, self.ome_version)
        self.shape, self.dtype = tuple(int(n) for n in shape), dtype
        noted = {**settings, "shape": self.shape, "dtype": dtype, "ome_version": self.ome_version}
        self.settings = json.loads(json.dumps(noted))
        self.chunks, self.voxel_size_nm, self.corner = chunks, voxel_size_nm, corner
        self.attributes = dict(attributes or {})
        self.overwrite = overwrite
        self.completed, self.channels = 0, 0
        self._store: PredictionStore | None = None
        self._progress = ProgressFile(self.folder, self.unit)
        self._lock: OutputLock | None = None
        self._locks_late = not self.out.parent.is_dir()
        if not self._locks_late:  # else nothing can be there, and a refusal leaves no folder behind
            self.lock()
        try:
            self._read_earlier_run(resume)
        except BaseException:
            self._unlock()
            raise

    @property
    def total(self) -> int:
        """Sections of the complete prediction."""
        return self.shape[0]

    @property
    def stored_settings(self) -> dict[str, Any]:
        """Those of the settings that are stored with the prediction."""
        return {name: value for name, value in self.settings.items() if name not in self.not_stored}

    @property
    def folder(self) -> Path:
        """The folder of the unfinished prediction."""
        return self.out.with_name(self.out.name + ".partial")

    def lock(self) -> None:
        """Lock the prediction for this process; does nothing where it is locked.

        Raises:
            BlockingIOError: another process writes it.
            FileExistsError: another process wrote it since this object was made.
        """
        if self._lock is not None:
            return
        self._lock = OutputLock(self.out.with_name(f".{self.out.name}.lock"), self.out)
        if self._locks_late and not self.completed and self.folder.exists():
            self._unlock()
            raise FileExistsError(f"'{self.folder}' appeared meanwhile: another process began the same prediction")

    def add_settings(self, settings: Mapping[str, Any]) -> None:
        """Add settings that are known only now, such as the network's fingerprint.

        Raises:
            ValueError: the unfinished prediction has others.
        """
        self.settings.update(json.loads(json.dumps(settings)))
        if self.completed:
            self._progress.check_settings(self._noted()["settings"], self.settings)

    def write(self, z: int, y: int, block: np.ndarray) -> None:
        """Write a block (C, z, y, x) at (z, y, 0) of the prediction.

        Raises:
            OSError: no space is left; reports what is kept and how to resume.
        """
        try:
            if self._store is None:
                self._store = self._open(block.shape[0])
            self._store.write(z, y, block)
        except OSError as error:
            if not is_full(error):
                raise
            raise full_disk_error(self.out, remedy=self.resume_hint()) from error

    def done(self, sections: int) -> None:
        """Record that all blocks of the first `sections` were written."""
        kept = 0 if self._store is None else self._store.kept(sections)
        if kept > self.completed:
            self.completed = kept
            self._progress.write(self.completed, self.channels, self.settings)

    def finish(self) -> Path:
        """Give the complete prediction its name and remove the folder; a later run can repeat each step.

        Raises:
            RuntimeError: some are missing.
            FileExistsError: a prediction of this name appeared meanwhile and is not to be replaced; ours is kept.
        """
        if self.completed < self.total:
            raise RuntimeError(f"{self.completed} of {self.total} {self.unit} of '{self.out}' are written")
        self.lock()
        self._close_store()
        if (self.folder / STORE).exists() and self.out.name.endswith(PYRAMID):
            from scripts.data.export.prediction_levels import add_levels

            add_levels(self.folder / STORE)
        try:
            give_name(self.folder, self.out, self.overwrite)
        except FileExistsError:
            self._unlock()
            raise
        self._unlock()
        return self.out

    def close(self) -> None:
        """Close the store and drop the lock; what is done stays."""
        self._close_store()
        self._unlock()

    def suspend(self) -> None:
        """Close the store before the prediction is complete: what is finished stays; without any, nothing stays."""
        self._close_store()
        if not self.completed and self._lock is not None:
            discard(self.folder, self.out)
        self._unlock()

    def resume_hint(self) -> str:
        """What is kept, and which option resumes."""
        if not self.completed:
            return f"no {self.unit[:-1]} of '{self.out}' was finished; start again"
        return (
            f"{self.completed} of {self.total} {self.unit} of '{self.out}' are finished and kept in '{self.folder}'; "
            "resume with --resume true"
        )

    def _read_earlier_run(self, resume: bool) -> None:
        """Read what an earlier run left, and refuse or remove what cannot be continued."""
        begun = self.folder.exists() and (resume or not self.overwrite)
        noted: dict[str, Any] = self._noted() if begun else {"completed": 0}
        if self.out.exists() and not self.overwrite:
            finished = noted["completed"] and not (self.folder / STORE).exists()
            if finished:  # killed between renaming the store and removing the folder
                discard(self.folder, self.out)
            remedy = "it is complete, there is nothing to resume" if resume or finished else "choose another name"
            raise FileExistsError(
                f"'{self.out}' exists and is left as it is; {remedy}, or replace it: --overwrite true"
            )
        check_overwritten(self.out, REPLACEABLE)
        if not self.folder.exists():
            return
        if noted["completed"] and not resume:
            raise FileExistsError(
                f"'{self.folder}' has {noted['completed']} {self.unit} of an unfinished prediction; resume with "
                "--resume true, or start again with --overwrite true"
            )
        if noted["completed"] and ((self.folder / STORE).exists() or self.out.exists()):
            self._progress.check_settings(noted["settings"], self.settings)
            self.completed, self.channels = noted["completed"], noted["channels"]
        else:
            discard(self.folder, self.out)

    def _open(self, channels: int) -> PredictionStore:
        if self.completed and channels != self.channels:
            raise ValueError(
                f"the network has {channels} output channels, '{self.folder}' has {self.channels}; start again with "
                "--overwrite true"
            )
        self.channels = channels
        self.lock()
        self.folder.mkdir(parents=True, exist_ok=True)
        location, (z, y, x) = self.folder / STORE, self.shape
        if not self.completed:
            remove(location)
        attributes = {**self.attributes, "settings": json.dumps(self.stored_settings)}
        placed = (self.voxel_size_nm, self.corner, attributes, self.ome_version)
        store = open_store(location, self.kind, (channels, z, y, x), self.dtype, self.chunks, *placed)
        self._progress.write(self.completed, self.channels, self.settings)
        return store

    def _close_store(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _noted(self) -> dict[str, Any]:
        return self._progress.read()
