"""What can be wrong with the settings alone, found before a volume is opened or a folder made."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

from scripts.engines.precision import AUTO
from scripts.engines.precision_inferer import PRECISIONS
from scripts.ops.token_masks import check_ratio

STRATEGIES = {"random": "tokens", "space_only": "columns", "section_only": "sections"}
SAMPLERS = ("loader", "device")
NETWORK_SIZES = {"width", "depth", "heads", "decoder_width", "decoder_depth", "decoder_heads"}


def check_settings(
    crop: Sequence[int],
    patch: Sequence[int],
    network: str,
    presets: Mapping[str, Mapping[str, int]],
    mask: str,
    mask_ratio: float,
    precision: str,
    sampler: str,
    batch: int,
    accumulation: int,
    world: int,
    positive: Mapping[str, float],
) -> None:
    """Check the knobs of `train.json` against each other.

    Args:
        positive: further knobs by name, each of which must be above 0.

    Raises:
        ValueError: the first knob that cannot be, with its value and what would do.
    """
    check_crop(crop, patch)
    check_network(network, presets)
    one_of("mask", mask, tuple(STRATEGIES))
    one_of("precision", precision, (AUTO, *PRECISIONS))
    one_of("sampler", sampler, SAMPLERS)
    _check_mask(mask, mask_ratio, [size // step for size, step in zip(crop, patch, strict=True)])
    check_positive({"batch": batch, "accumulation": accumulation, **positive})
    check_batch(batch, accumulation, world)


def check_positive(knobs: Mapping[str, Any]) -> None:
    """Raise ValueError, naming the knob, unless each is a number above 0."""
    for name, value in knobs.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise ValueError(f"{name} {value!r} is not a number above 0")


def check_batch(batch: int, accumulation: int, world: int) -> None:
    """Raise ValueError unless a batch can be shared out evenly."""
    if batch % (world * accumulation):
        raise ValueError(
            f"batch {batch} is not divisible by {world} processes x accumulation {accumulation}; the nearest batch "
            "that is: "
            f"{max(1, round(batch / (world * accumulation))) * world * accumulation}"
        )


def check_crop(crop: Sequence[int], patch: Sequence[int], name: str = "crop") -> None:
    """Raise ValueError unless a crop, or what else is named, is a whole number of patches along each axis."""
    for what, sizes in ((name, crop), ("patch", patch)):
        if len(sizes) != 3 or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in sizes):
            raise ValueError(f"{what} {list(sizes)} is not three whole numbers of voxels: z, y, x")
    for axis, size, step in zip("zyx", crop, patch, strict=True):
        if size % step:
            lower = size - size % step
            nearest = " or ".join(str(n) for n in (lower, lower + step) if n)
            raise ValueError(
                f"{name} {list(crop)}: {size} along {axis} is no multiple of the patch's {step}; use {nearest}"
            )


def check_network(
    network: str, presets: Mapping[str, Mapping[str, Any]], needed: Set[str] = frozenset(NETWORK_SIZES)
) -> None:
    """Raise ValueError unless the network is a preset that names the sizes needed, and they fit together."""
    one_of("network", network, tuple(name for name in presets if not name.startswith("_")))
    sizes = presets[network]
    missing = needed - sizes.keys()
    if missing:
        raise ValueError(f"network '{network}' lacks {sorted(missing)}; a preset names {sorted(needed)}")
    for part, width, heads in (("", "width", "heads"), ("decoder ", "decoder_width", "decoder_heads")):
        if width in needed and sizes[width] % sizes[heads]:
            raise ValueError(
                f"network '{network}': {part}width {sizes[width]} is not divisible by {sizes[heads]} heads"
            )


def _check_mask(mask: str, ratio: Any, grid: Sequence[int]) -> None:
    if isinstance(ratio, bool) or not isinstance(ratio, int | float):
        raise ValueError(f"mask_ratio {ratio!r} is not a number between 0 and 1")
    z, y, x = grid
    units = {"random": z * y * x, "space_only": y * x, "section_only": z}[mask]
    check_ratio(units, ratio, STRATEGIES[mask], grid)


def one_of(name: str, value: Any, known: Sequence[str]) -> None:
    """Raise ValueError unless a knob's value is one of those known."""
    if value not in known:
        raise ValueError(f"{name} '{value}' is not one of {', '.join(known)}")
