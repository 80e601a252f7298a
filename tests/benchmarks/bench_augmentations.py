"""What each augmentation costs, beside MONAI's nearest one, and the whole list for a training crop.

python -m tests.benchmarks.bench_augmentations
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from monai.data import set_track_meta
from monai.transforms import (
    Rand2DElasticd,
    Rand3DElasticd,
    RandAdjustContrastd,
    RandAffined,
    RandCoarseDropoutd,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandRotate90d,
    RandSimulateLowResolutiond,
    RandZoomd,
    Transform,
)

from scripts.transforms import RandSymmetryd
from scripts.transforms.augment import (
    RandCutBlurd,
    RandCutNoised,
    RandElasticInPlaned,
    RandGreyd,
    RandMisalignmentd,
    RandMissingPartsd,
    RandMissingSectionsd,
    RandMotionBlurd,
    RandRescaleInPlaned,
    RandRotate90InPlaned,
    augmentation_margin,
)
from tests.benchmarks.side_by_side import fastest_seconds, hardware, print_table

CROP = (6, 96, 96)
BOTH = ("image", "label")
MODES = ("bilinear", "nearest")
CALLS = 8
"""Items of one timed call, each with its own draw."""
REPEATS = 15
NEVER = 1e-12
"""A probability that leaves the margin but does not act."""


def main() -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    set_track_meta(False)  # MONAI's fastest setting
    print(hardware())
    whole_list(each_beside_its_peer())


def steps(probability: float | None = None) -> list[Any]:
    """The list of the documentation, each with its own probability or this one."""
    prob = {} if probability is None else {"prob": probability}
    return [
        RandRotate90InPlaned(BOTH, **prob),
        RandRescaleInPlaned(BOTH, **prob),
        RandSymmetryd(BOTH),
        RandElasticInPlaned(BOTH, **prob),
        RandGreyd("image", **prob),
        RandMissingPartsd("image", **prob),
        RandMissingSectionsd(BOTH, **prob),
        RandMisalignmentd(BOTH, **prob),
        RandMotionBlurd("image", **prob),
        RandCutBlurd("image", **prob),
        RandCutNoised("image", **prob),
    ]


def peers() -> dict[type, Transform]:
    """MONAI's nearest, where there is one, sure to act."""
    return {
        RandRotate90InPlaned: RandRotate90d(BOTH, prob=1.0, max_k=3, spatial_axes=(1, 2)),
        RandRescaleInPlaned: RandZoomd(
            BOTH, prob=1.0, min_zoom=(1.0, 0.8, 0.8), max_zoom=(1.0, 1.25, 1.25), mode=("trilinear", "nearest")
        ),
        RandSymmetryd: RandFlipd(BOTH, prob=1.0, spatial_axis=(0, 1, 2)),
        RandElasticInPlaned: Rand3DElasticd(
            BOTH, sigma_range=(4, 4), magnitude_range=(16, 16), prob=1.0, mode=MODES, padding_mode="border"
        ),
        RandGreyd: RandAdjustContrastd("image", prob=1.0, gamma=(0.5, 2)),
        RandMissingPartsd: RandCoarseDropoutd("image", holes=2, spatial_size=(1, 48, 96), prob=1.0),
        RandMisalignmentd: RandAffined(
            BOTH, prob=1.0, translate_range=(0, 8, 8), rotate_range=(0.2, 0, 0), mode=MODES, padding_mode="border"
        ),
        RandMotionBlurd: RandGaussianSmoothd("image", prob=1.0, sigma_x=(0, 0.01), sigma_y=(3, 3), sigma_z=(0, 0.01)),
        RandCutBlurd: RandSimulateLowResolutiond("image", prob=1.0, zoom_range=(0.125, 0.5)),
        RandCutNoised: RandGaussianNoised("image", prob=1.0, std=0.3),
    }


def item_of(extent: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Noise and ids, (1, z, y, x)."""
    draw = np.random.RandomState(0)
    return {
        "image": draw.uniform(-1, 1, (1, *extent)).astype(np.float32),
        "label": draw.randint(0, 500, (1, *extent)).astype(np.int32),
    }


def arrivals() -> list[dict[str, np.ndarray]]:
    """What arrives at each step of the list, when a crop is read with its margin."""
    margin = augmentation_margin(steps(), CROP)
    item = item_of(tuple(size + 2 * more for size, more in zip(CROP, margin, strict=True)))
    found = []
    for step in steps(1.0):
        found.append(item)
        item = {key: np.ascontiguousarray(value) for key, value in step(item).items() if key in BOTH}
    return found


def repeated(transform: Callable[[Any], Any], item: Mapping[str, Any]) -> Callable[[], None]:
    """A call that changes `CALLS` items, each by a draw of its own, the same in each repeat."""

    def call() -> None:
        transform.set_random_state(seed=0)  # type: ignore[attr-defined]
        for _ in range(CALLS):
            transform(item)

    return call


def each_beside_its_peer() -> float:
    """Milliseconds of each, always acting and as often as it does, on what arrives at it; MONAI's on the same.

    Returns:
        The milliseconds of the list, each as often as it acts.
    """
    rows, total = [], 0.0
    rivals = peers()
    for plain, sure, never, item in zip(steps(), steps(1.0), steps(NEVER), arrivals(), strict=True):
        contenders = {"sure": repeated(sure, item), "never": repeated(never, item)}
        rival = rivals.get(type(sure))
        if rival is not None:
            contenders["rival"] = repeated(rival, {key: torch.from_numpy(value) for key, value in item.items()})
        seconds = fastest_seconds(contenders, REPEATS)
        cost = {name: 1000 * value / CALLS for name, value in seconds.items()}
        prob = plain.augmentation.prob if hasattr(plain, "augmentation") else 1.0
        expected = prob * cost["sure"] + (1 - prob) * cost["never"]
        total += expected
        shape = " x ".join(map(str, item["image"].shape[1:]))
        beside = (type(rival).__name__, cost["rival"], cost["rival"] / cost["sure"]) if rival else ("none", "", "")
        rows.append((type(sure).__name__, shape, cost["sure"], prob, expected, *beside))
    print_table(
        "One augmentation of image and label, on one core",
        ("", "item (z, y, x)", "ms, always", "probability", "ms, with it", "MONAI's", "its ms, always", "times ours"),
        rows,
    )
    return total


def whole_list(expected: float) -> None:
    """Milliseconds of the whole list for a crop of 6 x 96 x 96, beside single transforms of MONAI."""
    item = arrivals()[0]
    crop = item_of(CROP)
    crop_tensors = {key: torch.from_numpy(value) for key, value in crop.items()}
    section = {key: torch.from_numpy(value[0, :1]) for key, value in crop.items()}
    contenders = {
        "the whole list, all acting": chain(steps(1.0), item),
        "MONAI Rand3DElasticd alone, 6 x 96 x 96": repeated(peers()[RandElasticInPlaned], crop_tensors),
        "MONAI Rand2DElasticd alone, one section of 96 x 96": repeated(
            Rand2DElasticd(BOTH, spacing=(12, 12), magnitude_range=(1, 2), prob=1.0, mode=MODES), section
        ),
    }
    cost = {"the whole list, each with its probability (sum of the above)": expected}
    cost |= {name: 1000 * value / CALLS for name, value in fastest_seconds(contenders, REPEATS).items()}
    rows = [(name, value, value / expected) for name, value in cost.items()]
    shape = " x ".join(map(str, item["image"].shape[1:]))
    print_table(f"A crop of 6 x 96 x 96, read as {shape}, on one core", ("", "ms", "times the list"), rows)


def chain(transforms: list[Any], item: Mapping[str, Any]) -> Callable[[], None]:
    """A call that runs a list on `CALLS` items, all steps drawing from one stream."""

    def call() -> None:
        stream = np.random.RandomState(0)
        for step in transforms:
            step.set_random_state(state=stream)
        for _ in range(CALLS):
            changed = item
            for step in transforms:
                changed = step(changed)

    return call


if __name__ == "__main__":
    main()
