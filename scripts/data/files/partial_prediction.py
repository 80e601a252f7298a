"""A prediction on its way to disk: beside its target until it is whole, with a note of what is done and how."""

import errno
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.data.files.open_store import open_store, prediction_format
from scripts.data.files.prediction_store import PredictionStore

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class PartialPrediction:
    """`NAME.partial`, a folder beside `NAME`, with the store and `progress.json`; when whole, the store becomes `NAME`.

    Args:
        out: the prediction to be, `.zarr`, `.h5` or `.hdf5`.
        shape: voxels (z, y, x).
        dtype: numpy's name of the stored type.
        settings: what the result depends on, in JSON's types; another run may go on only with the same.
        overwrite: begin anew, and replace an earlier prediction when the new one is whole.
        resume: go on where an earlier run ended; from the start if there was none.
        chunks: voxels (z, y, x) of a Zarr chunk.
        voxel_size_nm: (z, y, x) in nm, if known.
        corner: first voxel in the volume.
        attributes: what to note in the prediction.

    Raises:
        FileExistsError: there is a prediction, or an unfinished one, and neither `overwrite` nor `resume` says what
            to do.
        ValueError: an unknown ending, or settings other than those of the unfinished prediction.
    """

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
    ) -> None:
        self.out = Path(out)
        self.kind = prediction_format(self.out)
        self.shape, self.dtype = tuple(int(n) for n in shape), dtype
        self.settings = json.loads(json.dumps({**settings, "shape": self.shape, "dtype": dtype}))
        self.chunks, self.voxel_size_nm, self.corner = chunks, voxel_size_nm, corner
        self.attributes = dict(attributes or {})
        self.overwrite = overwrite
        self.sections, self.channels = 0, 0
        self._store: PredictionStore | None = None
        self._look(resume)

    @property
    def folder(self) -> Path:
        """Where the unfinished prediction is."""
        return self.out.with_name(self.out.name + ".partial")

    def settle(self, further: Mapping[str, Any]) -> None:
        """Add settings that are known only now, such as the network's fingerprint.

        Raises:
            ValueError: the unfinished prediction has others.
        """
        self.settings.update(json.loads(json.dumps(further)))
        if self.sections:
            self._compare(self._noted())

    def write(self, z: int, y: int, block: np.ndarray) -> None:
        """Put a block (C, z, y, x) at (z, y, 0) of the prediction.

        Raises:
            OSError: there is no room; says what is kept and how to go on.
        """
        try:
            if self._store is None:
                self._store = self._open(block.shape[0])
            self._store.write(z, y, block)
        except OSError as error:
            self._say_no_room(error)
            raise

    def done(self, sections: int) -> None:
        """Note that all blocks of the first `sections` were put."""
        kept = 0 if self._store is None else self._store.kept(sections)
        if kept > self.sections:
            self.sections = kept
            self._note()

    def finish(self) -> Path:
        """Put the whole prediction in its place and remove the rest.

        Raises:
            RuntimeError: sections are lacking.
        """
        if self.sections < self.shape[0]:
            raise RuntimeError(f"{self.sections} of {self.shape[0]} sections of '{self.out}' are written")
        self.close()
        if self.out.is_dir():
            os.replace(self.out, self.folder / "replaced")
        os.replace(self.folder / "store", self.out)
        shutil.rmtree(self.folder)
        return self.out

    def close(self) -> None:
        """Let go of the store; what is done stays."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def leave(self) -> None:
        """Let go of the store half way: what is done stays; where no section is, nothing does."""
        self.close()
        if not self.sections:
            shutil.rmtree(self.folder, ignore_errors=True)

    def how_to_go_on(self) -> str:
        """What is kept, and what to type."""
        if not self.sections:
            return f"no section of '{self.out}' was finished; begin again"
        return (
            f"{self.sections} of {self.shape[0]} sections of '{self.out}' are finished and kept in '{self.folder}'; "
            "go on with --resume true"
        )

    def _look(self, resume: bool) -> None:
        """What an earlier run left, and whether it is in the way."""
        if self.out.exists() and not self.overwrite:
            remedy = "it is whole, there is nothing to resume" if resume else "choose another name"
            raise FileExistsError(
                f"'{self.out}' exists and is left as it is; {remedy}, or replace it: --overwrite true"
            )
        if not self.folder.exists():
            return
        noted = {"sections": 0} if self.overwrite and not resume else self._noted()
        if noted["sections"] and not resume:
            raise FileExistsError(
                f"'{self.folder}' has {noted['sections']} sections of an unfinished prediction; go on with --resume "
                "true, or begin anew with --overwrite true"
            )
        if noted["sections"]:
            self._compare(noted)
            self.sections, self.channels = noted["sections"], noted["channels"]
        else:
            shutil.rmtree(self.folder)

    def _open(self, channels: int) -> PredictionStore:
        if self.sections and channels != self.channels:
            raise ValueError(
                f"the network gives {channels} channels, '{self.folder}' has {self.channels}; begin anew with "
                "--overwrite true"
            )
        self.channels = channels
        self.folder.mkdir(parents=True, exist_ok=True)
        z, y, x = self.shape
        place = self.folder / "store"
        if not self.sections and place.exists():
            shutil.rmtree(place) if place.is_dir() else place.unlink()
        notes = {**self.attributes, "settings": json.dumps(self.settings)}
        store = open_store(
            place, self.kind, (channels, z, y, x), self.dtype, self.chunks, self.voxel_size_nm, self.corner, notes
        )
        self._note()
        return store

    def _noted(self) -> dict[str, Any]:
        try:
            noted: dict[str, Any] = json.loads((self.folder / "progress.json").read_text())
            return noted
        except FileNotFoundError:
            return {"sections": 0, "channels": 0, "settings": {}}
        except ValueError as error:
            raise ValueError(
                f"'{self.folder / 'progress.json'}' cannot be read ({error}); begin anew with --overwrite true"
            ) from error

    def _note(self) -> None:
        noted = {"sections": self.sections, "channels": self.channels, "settings": self.settings}
        place = self.folder / "progress.json"
        fresh = place.with_suffix(".new")
        fresh.write_text(json.dumps(noted))
        os.replace(fresh, place)

    def _compare(self, noted: Mapping[str, Any]) -> None:
        before = noted["settings"]
        differing = [
            f"{name} was {before[name]}, is {value}"
            for name, value in self.settings.items()
            if name in before and before[name] != value
        ]
        if differing:
            raise ValueError(
                f"'{self.folder}' was begun with other settings: {'; '.join(differing)}. Give the same, or begin anew "
                "with --overwrite true"
            )

    def _say_no_room(self, error: OSError) -> None:
        if error.errno in NO_ROOM or "No space left" in str(error):
            parent = self.out.parent.resolve()
            free = shutil.disk_usage(parent).free
            raise OSError(
                errno.ENOSPC, f"no room in '{parent}' ({free:,} bytes free); make space. {self.how_to_go_on()}"
            ) from error
