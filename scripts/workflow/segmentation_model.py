"""A trained segmentation network from Python: load a checkpoint, predict a volume, decode the maps."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from scripts.checkpoints.auxiliary_channels import auxiliary_count
from scripts.checkpoints.file import load_checkpoint
from scripts.checkpoints.recipe import upgraded_recipe
from scripts.checkpoints.restore import restore
from scripts.checkpoints.run_files import BEST
from scripts.data.volumes import ArrayVolume, Volume, downsampled_volume
from scripts.inferers import VolumeInferer
from scripts.networks import ActivatedNetwork, enlarged_sections, refresh_norms, segmentation_network
from scripts.ops.box import Box
from scripts.ops.decoding.decoders import decoder
from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.scores import all_scores
from scripts.transforms.grey import ScaleGrey

DEFAULTS = {"offsets": None, "grey_low": None, "grey_high": None, "flips": 4}
"""Of a recipe that leaves them out."""
NEEDED = ("activations", "channels", "window", "stride", "pad", "patch", "sizes", "widths", "downsample")
"""Of a recipe."""
WINDOWS = ("batch", "flips", "pad", "stride", "window")
"""Settings of windows that a prediction may change."""


class SegmentationModel:
    """A network with the windows, grey range and decoder of its training.

    Args:
        network: to maps in their range, (B, 1, z, y, x) to (B, C, z, y, x).
        recipe: of the training.
        decoder: name and settings that validation chose.
        device: where the network is.
    """

    def __init__(
        self, network: ActivatedNetwork, recipe: Mapping[str, Any], decoder: Mapping[str, Any], device: torch.device
    ) -> None:
        self.network, self.recipe, self.device = network, dict(recipe), device
        self.decoder_name, self.decoder_settings = str(decoder["name"]), dict(decoder["settings"])
        self.channels = [str(name) for name in recipe["channels"]]
        self.scale = ScaleGrey(recipe["grey_low"], recipe["grey_high"])

    def predict(
        self,
        volume: np.ndarray | Volume,
        box: str | Box | None = None,
        enlarge: float = 1.0,
        **windows: int | Sequence[int],
    ) -> np.ndarray:
        """The maps of a volume, or of a box of it, in memory.

        Volumes too large for that go through `configs/inference.json`, which writes to disk.

        Args:
            volume: grey values (z, y, x).
            box: z0:z1,y0:y1,x0:x1; beyond its ends the network sees the mirror image, as in validation.
            enlarge: for voxels larger in plane than those of the training, their size over that; see
                `EnlargedSections`.
            windows: `window`, `stride`, `pad`, `flips` or `batch`, other than in training.

        Returns:
            (channels, z, y, x) float32.

        Raises:
            ValueError: an array of other axes, grey values outside the range of the network, a box outside, an unknown
                setting.
        """
        unknown = sorted(set(windows) - set(WINDOWS))
        if unknown:
            raise ValueError(f"unknown setting '{unknown[0]}'; there are {', '.join(WINDOWS)}")
        return self._maps(self._enlarged(enlarge), volume, box, windows)

    def refresh(self, volume: np.ndarray | Volume, box: str | Box | None = None, enlarge: float = 1.0) -> None:
        """Take the averages of batch norm anew on a volume, or a box of it, that differs from the training's.

        Args:
            volume, box, enlarge: as `predict` takes them.

        Raises:
            ValueError: a network without batch norm, or what `predict` refuses.
        """
        network = self._enlarged(enlarge)
        refresh_norms(network, lambda: self._maps(network, volume, box, {"flips": 1}))

    def _maps(
        self,
        network: ActivatedNetwork,
        volume: np.ndarray | Volume,
        box: str | Box | None,
        windows: Mapping[str, int | Sequence[int]],
    ) -> np.ndarray:
        grey = volume if isinstance(volume, Volume) else ArrayVolume(volume)
        grey = downsampled_volume(grey, self.recipe["downsample"])
        part = Box.parse(box, grey.shape)
        settings: dict[str, Any] = {name: self.recipe[name] for name in ("window", "stride", "pad", "flips")}
        inferer = VolumeInferer(**{**settings, **dict(windows)}, affinity=self.recipe["offsets"])
        image = self.scale(grey[part.slices])[None, None].to(self.device)
        return inferer(image, network).cpu().numpy()[0]

    def _enlarged(self, factor: float) -> ActivatedNetwork:
        maps = self.network
        network = enlarged_sections(maps.network, factor, self.recipe["patch"], self.recipe["offsets"])
        return ActivatedNetwork(network, maps.activations, maps.auxiliary).to(self.device).eval()

    def decode(self, maps: np.ndarray, **settings: Any) -> np.ndarray:
        """Instances (z, y, x) of maps, by the decoder that validation chose; `settings` change some of its own."""
        return decoder(self.decoder_name, {**self.decoder_settings, **settings})(maps)


def load_network(checkpoint: str | os.PathLike[str], device: str | torch.device | None = None) -> SegmentationModel:
    """Load a segmentation network for use from Python.

    Args:
        checkpoint: `best.pt` of a training, or a bundle's `models/model.pt` with its `model.json`.
        device: by default the GPU if there is one.

    Raises:
        ValueError: no such file, or no segmentation network.
    """
    if not os.path.isfile(checkpoint):
        raise ValueError(f"there is no checkpoint '{checkpoint}'; give the {BEST} of a training")
    content = load_checkpoint(checkpoint, plain=True)
    recipe = {**DEFAULTS, **upgraded_recipe(content["recipe"])}
    missing = [name for name in NEEDED if name not in recipe]
    if missing:
        raise ValueError(f"'{checkpoint}' is no segmentation network: its recipe has no {', '.join(missing)}")
    try:
        network = segmentation_network(
            recipe["architecture"],
            len(recipe["activations"]) + auxiliary_count(recipe),
            {**(recipe["sizes"] or {}), "patch": recipe["patch"], "drop_path": 0.0},
            recipe["widths"],
            recipe["trunk_sizes"],
            recipe["unetr_form"],
        )
        ScaleGrey(recipe["grey_low"], recipe["grey_high"])  # refuses half a range
        maps = ActivatedNetwork(network, recipe["activations"], auxiliary_count(recipe))
    except ValueError as error:
        raise ValueError(f"the recipe of '{checkpoint}' builds no network: {error}") from error
    restore(network, checkpoint)
    used = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    maps = maps.to(used).eval()
    chosen = content.get("decoder") or content.get("parts", {}).get("validation", {}).get("decoder")
    if not chosen:
        raise ValueError(f"'{checkpoint}' names no decoder: it was saved before the first validation; take {BEST}")
    return SegmentationModel(maps, recipe, chosen, used)


def score(instances: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """All scores of a segmentation by name, as `python -m scripts score` prints them.

    Args:
        instances: (z, y, x) ids, 0 for background.
        truth: likewise; negative where it is not known, which is left out.
    """
    known = truth >= 0
    table = ContingencyTable.from_arrays(truth[known], instances[known])
    return {one.name: float(one.value) for one in all_scores(table)}
