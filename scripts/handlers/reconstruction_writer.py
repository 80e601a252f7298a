"""Write the reconstruction of a box: original, masked, reconstruction and pasted volume, a picture, and the error."""

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from ignite.engine import Engine, Events

from scripts.data.files.overwriting import check_overwritten
from scripts.data.files.writing import new_hdf5
from scripts.engines.progress_bar import ProgressBar
from scripts.engines.switches import switch
from scripts.inferers.reconstruction_windows import BoxWindows
from scripts.networks.reconstruction_to_grey import in_grey, paste_hidden, voxel_mask
from scripts.networks.tokens import from_tokens, normalise_tokens, to_tokens, token_grid
from scripts.visualize.section_grid import RECONSTRUCTION, draw_sections

logger = logging.getLogger(__name__)

PICTURED = 4
"""Sections in the picture."""
WIDEST = 512
"""Voxels of a section in the picture, along y and x; of larger ones the middle is shown."""


class ReconstructionWriter:
    """Collect an evaluator's windows into an HDF5 file and a PNG beside it; both appear when all is done.

    The volumes have the type and grey values of the volume read; hidden voxels of "masked" are mid-grey, and "hidden"
    marks them. A reconstruction has the mean and contrast of the true tokens, which the network does not predict.

    Args:
        windows: the dataset that the evaluator reads, in order.
        patch: voxels of a token.
        out: the HDF5 file; `.h5` is added where it is missing.
        grey_low: grey value that the network sees as -1; null for uint8.
        grey_high: grey value that the network sees as 1.
        overwrite: replace earlier files.
        metadata: values by name, stored as attributes.

    Raises:
        ValueError: `out` exists and is not to be replaced.

    Example::

        ReconstructionWriter(windows, patch=(1, 16, 16), out="reconstruction.h5").attach(evaluator)
    """

    def __init__(
        self,
        windows: BoxWindows,
        patch: Sequence[int],
        out: str | os.PathLike[str],
        grey_low: float | None = None,
        grey_high: float | None = None,
        overwrite: bool | str = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.windows, self.patch = windows, (int(patch[0]), int(patch[1]), int(patch[2]))
        self.out, self.overwrite = Path(out), switch(overwrite, "overwrite")
        if self.out.suffix not in (".h5", ".hdf5"):
            self.out = self.out.with_name(f"{self.out.name}.h5")
        if self.out.exists() and not self.overwrite:
            raise ValueError(
                f"'{self.out}' exists; choose another name with --out, or replace it with --overwrite true"
            )
        self.low = 0.0 if grey_low is None else float(grey_low)
        self.high = 255.0 if grey_high is None else float(grey_high)
        self.metadata = {str(key): str(value) for key, value in (metadata or {}).items()}
        self.scores: dict[str, float] = {}

    @property
    def picture(self) -> Path:
        """The PNG beside the HDF5 file."""
        return self.out.with_suffix(".png")

    def attach(self, engine: Engine) -> None:
        """Write each batch of an evaluator whose outputs are "pred" and "label" = (image, mask)."""
        engine.add_event_handler(Events.STARTED, self._open)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._write)
        engine.add_event_handler(Events.COMPLETED, self._close)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._abort)

    def _open(self) -> None:
        self._sums = np.zeros(4)
        self._bar = ProgressBar(len(self.windows), unit="window")
        self._windows = 0
        self._stack = ExitStack()
        if self.overwrite:
            check_overwritten(self.out, (*RECONSTRUCTION, "hidden"))
        attributes = {"volume": self.windows.volume.path, "box": str(self.windows.box), **self.metadata}
        self._file: h5py.File = self._stack.enter_context(
            new_hdf5(self.out, self.windows.volume.voxel_size_nm, self.overwrite, attributes)
        )
        shape = self.windows.box.shape
        chunks = tuple(min(int(a), b) for a, b in zip(self.windows.window, shape, strict=True))
        for name in (*RECONSTRUCTION, "hidden"):
            dtype = np.uint8 if name == "hidden" else self.windows.volume.dtype
            self._file.create_dataset(name, shape, dtype, chunks=chunks, compression="gzip", compression_opts=1)

    def _write(self, engine: Engine) -> None:
        state: Any = engine.state
        image, mask = state.output["label"]
        prediction = state.output["pred"].float()
        hidden = voxel_mask(mask, self.patch)
        grey = in_grey(prediction, image, self.patch)
        shape = (image.shape[2], image.shape[3], image.shape[4])
        truth = from_tokens(
            normalise_tokens(to_tokens(image, self.patch))[0], token_grid(shape, self.patch), self.patch
        )
        stacks = {
            "original": image,
            "masked": torch.where(hidden, torch.zeros_like(image), image),
            "reconstruction": grey,
            "pasted": paste_hidden(image, prediction, mask, self.patch),
        }
        self._windows += len(image)
        self._bar.update(len(image), lambda: f"{self._windows} of {len(self.windows)} windows")
        errors = (prediction - truth).double(), (grey - image).double() * (self.high - self.low) / 2
        for number, (corner, inside) in enumerate(
            zip(state.batch["corner"].tolist(), state.batch["inside"].tolist(), strict=True)
        ):
            part = tuple(slice(0, n) for n in inside)
            location = tuple(slice(a, a + n) for a, n in zip(corner, inside, strict=True))
            for name, stack in stacks.items():
                self._file[name][location] = self._to_stored(stack[number, 0][part].cpu().numpy())
            chosen = hidden[number, 0][part]
            self._file["hidden"][location] = chosen.cpu().numpy().astype(np.uint8)
            normalised, levels = (error[number, 0][part][chosen] for error in errors)
            self._sums += [
                len(normalised),
                float(normalised.square().sum()),
                float(levels.square().sum()),
                float(levels.abs().sum()),
            ]

    def _close(self) -> None:
        voxels, normalised, squared, absolute = self._sums.tolist()
        voxels = max(voxels, 1.0)
        self.scores = {
            "error_normalised": normalised / voxels,
            "error_grey_rms": (squared / voxels) ** 0.5,
            "error_grey_mean": absolute / voxels,
        }
        self._file.attrs.update(self.scores)
        self._bar.close()
        depth = self.windows.box.shape[0]
        rows = np.unique(np.linspace(0, depth - 1, min(PICTURED, depth)).round().astype(int)).tolist()
        panels = {name: self._pictured(name, rows) for name in RECONSTRUCTION}
        self._stack.close()
        title = f"{self.windows.volume.path}, box {self.windows.box}"
        draw_sections(panels, self.picture, title, [self.windows.box.start[0] + z for z in rows], side=2.2)
        logger.info(
            f"hidden tokens of {self.windows.box} in {self.windows.volume.path}:\n"
            f"  mean squared error, units of each token's own deviation  {self.scores['error_normalised']:.4f}  "
            "(1 = predicting each token's mean)\n"
            f"  grey levels, root mean square                            {self.scores['error_grey_rms']:.2f}\n"
            f"  grey levels, mean                                        {self.scores['error_grey_mean']:.2f}\n"
            f"volumes  {self.out}: {', '.join(RECONSTRUCTION)}, hidden\npicture  {self.picture}"
        )

    def _abort(self, engine: Engine, error: BaseException) -> None:
        stack = getattr(self, "_stack", None)
        if stack is not None:
            stack.__exit__(type(error), error, error.__traceback__)
        raise error

    def _to_stored(self, grey: np.ndarray) -> np.ndarray:
        """Convert [-1, 1] back to the grey values and type of the volume."""
        levels = (grey + 1) / 2 * (self.high - self.low) + self.low
        dtype = self.windows.volume.dtype
        if np.issubdtype(dtype, np.integer):
            limits = np.iinfo(dtype)
            levels = np.clip(np.rint(levels), limits.min, limits.max)
        read: np.ndarray = levels.astype(dtype)
        return read

    def _pictured(self, name: str, rows: Sequence[int]) -> np.ndarray:
        _, height, width = self.windows.box.shape
        y, x = max(0, (height - WIDEST) // 2), max(0, (width - WIDEST) // 2)
        sections = np.stack([self._file[name][z, y : y + WIDEST, x : x + WIDEST] for z in rows]).astype(np.float32)
        shades: np.ndarray = np.clip((sections - self.low) / (self.high - self.low), 0, 1)
        return shades
