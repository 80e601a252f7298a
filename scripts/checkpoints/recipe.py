"""The recipe of a checkpoint: the plain values that rebuild a network and its use, and what they were called before."""

from collections.abc import Mapping
from typing import Any

from scripts.checkpoints.auxiliary_channels import NO_AUXILIARY
from scripts.checkpoints.plain_data import check_decoder, check_recipe

RENAMED = {"decoder": "unetr_decoder", "reduce": "downsample"}
"""Name in earlier recipes -> name now."""
TOKEN_MASKS = ("random", "space_only", "section_only")
"""Values of `token_mask`, which earlier recipes call `mask`."""
AS_STORED = [1, 1, 1]
"""`downsample` of a recipe from before that setting."""
UNETR: dict[str, Any] = {
    **{"architecture": "unetr", "unetr_form": "published", "trunk_sizes": None},
    **NO_AUXILIARY,
}
"""Settings of a segmentation network from before there was another architecture, or another form of the UNETR."""
AUTOENCODER: dict[str, Any] = {"architecture": "mae", "trunk_sizes": None}
"""Settings of a pre-training from before there was another architecture."""
BATCH = "_batch"
"""End of the name of an earlier preset of `trunk` with batch norm."""
NEAREST = "nearest"
"""`offsets` of a recipe of affinities from before that setting."""


def read_recipe(content: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return the recipe of a checkpoint or model file by the names of today, checked together with its decoder.

    Args:
        content: of the file; an empty recipe where it has none.
        source: the file, for the message.

    Raises:
        ValueError: code, or a value of another type or range, in what a config will read.
    """
    recipe = content.get("recipe") or {}
    if not isinstance(recipe, Mapping):
        raise ValueError(f"{source}: recipe is a {type(recipe).__name__}, not an object")
    upgraded = upgraded_recipe(recipe)
    check_recipe(upgraded, source)
    parts = content.get("parts")
    validation = parts.get("validation") if isinstance(parts, Mapping) else None
    for decoder in (content.get("decoder"), validation.get("decoder") if isinstance(validation, Mapping) else None):
        check_decoder(decoder, source)
    return upgraded


def upgraded_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe by the names of today, with the settings that were added since; one of today stays as it is.

    Args:
        recipe: of a checkpoint, a package or a run's log, of any version.
    """
    upgraded = {RENAMED.get(name, name): value for name, value in recipe.items()}
    if upgraded.get("mask") in TOKEN_MASKS:
        upgraded["token_mask"] = upgraded.pop("mask")
    if "crop" in upgraded or "patch" in upgraded:
        upgraded.setdefault("downsample", list(AS_STORED))
    if "mask_ratio" in upgraded:
        upgraded = {**AUTOENCODER, **upgraded}
    if "widths" in upgraded:
        upgraded = {**UNETR, **upgraded}
    if "trunk" in upgraded and "trunk_norm" not in upgraded:
        sizes, name = upgraded.get("trunk_sizes"), upgraded["trunk"]
        upgraded["trunk_norm"] = sizes.get("norm", "group") if isinstance(sizes, Mapping) else "group"
        upgraded["trunk"] = name.removesuffix(BATCH) if isinstance(name, str) else name
    if upgraded.get("task") == "affinity":
        upgraded.setdefault("offsets", NEAREST)
    return upgraded
