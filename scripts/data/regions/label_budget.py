"""How much of a volume's labels a run may use: some sections, a box, or both, as runs of neighbouring sections."""

from collections.abc import Sequence

from scripts.data.regions.label_search import single_id
from scripts.data.regions.region import Region
from scripts.ops.box import Box

Sections = int | Sequence[int] | None
"""`labelled_sections` of a config: all, the first so many, or a list of section numbers of the volume."""


def budget_boxes(
    box: Box, shape: Sequence[int], sections: Sections = None, labelled_box: str | None = None
) -> list[Box]:
    """The boxes of voxels whose labels a run may use, one for each run of neighbouring sections.

    Args:
        box: what training may read.
        shape: of the volume, (z, y, x) voxels.
        sections: None for all; a count for the first so many of the labelled box; or numbers of sections, counted from
            the first of the volume.
        labelled_box: `z0:z1,y0:y1,x0:x1` in voxels of the volume, a missing end being that of `box`; None for all of
            it.

    Raises:
        ValueError: a labelled box outside the volume or the training box, sections outside them, a count below 1 or
            above what there is.
    """
    inside = box
    if labelled_box is not None:
        try:
            inside = Box.parse(_with_ends(labelled_box, box), shape)
        except ValueError as error:
            raise ValueError(f"labelled_box: {error}") from None
        if not box.contains(inside):
            raise ValueError(
                f"labelled_box {inside} reaches out of the training box {box}; make it smaller, or train_box larger"
            )
    if sections is None:
        return [inside]
    first, last = inside.start[0], inside.stop[0]
    return [
        Box((low, *inside.start[1:]), (high, *inside.stop[1:])) for low, high in runs(_numbers(sections, first, last))
    ]


def _with_ends(text: str, box: Box) -> str:
    """`:,0:512,512:` with the ends of a box where it has none."""
    ranges = [part.partition(":") for part in str(text).replace(" ", "").split(",")]
    if len(ranges) != 3 or not all(colon for _, colon, _ in ranges):
        return text  # not a box: Box.parse raises the error
    ends = zip(ranges, box.start, box.stop, strict=True)
    return ",".join(f"{low or first}:{high or last}" for (low, _, high), first, last in ends)


def _numbers(sections: int | Sequence[int], first: int, last: int) -> list[int]:
    if isinstance(sections, bool | str) or not isinstance(sections, int | Sequence):
        raise ValueError(
            f"labelled_sections {sections!r} is neither a count, such as 8, nor a list of section numbers, such as "
            "[0,1,40,41]"
        )
    if isinstance(sections, int):
        if not 1 <= sections <= last - first:
            raise ValueError(
                f"labelled_sections {sections}: the box to train on has the sections {first} to {last - 1}; give a "
                f"count from 1 to {last - first}, or null for all"
            )
        return list(range(first, first + sections))
    odd = [number for number in sections if isinstance(number, bool) or not isinstance(number, int)]
    if odd or not sections:
        raise ValueError(
            f"labelled_sections {list(sections)} is not a list of whole section numbers, such as [0,1,40,41]"
        )
    outside = [number for number in sections if not first <= number < last]
    if outside:
        raise ValueError(
            f"labelled_sections: section {outside[0]} is outside the box to train on, which has the sections {first} "
            f"to {last - 1} (counted from the first of the volume, 0)"
        )
    return sorted(set(sections))


def runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as half-open runs: 0, 1, 2, 40 is (0, 3), (40, 41)."""
    starts = [n for k, n in enumerate(numbers) if k == 0 or numbers[k - 1] != n - 1]
    ends = [n + 1 for k, n in enumerate(numbers) if k == len(numbers) - 1 or numbers[k + 1] != n + 1]
    return list(zip(starts, ends, strict=True))


def describe_labels(regions: Sequence[Region]) -> str:
    """One line a label volume, for the log: `my.h5:labels: 8 sections (0-3, 40-43), y,x 0:1024,0:1024, 8.389 M voxels`.

    Adds a remark where sections show a single id, as in a mask whose objects were never numbered; reads these sections.
    """
    groups: dict[str, list[Region]] = {}
    for region in regions:
        groups.setdefault("" if region.label is None else region.label.path, []).append(region)
    return "\n".join(f"{path}: {_in_words(group)}{_remark(single_id(group))}" for path, group in groups.items())


def _remark(only: int | None) -> str:
    if only is None:
        return ""
    return f"; every object in the sections read has the id {only}: if this is a mask, number its objects first"


def _in_words(regions: Sequence[Region]) -> str:
    boxes = list(dict.fromkeys(region.sampling_box for region in regions))
    sections = sorted({z for box in boxes for z in range(box.start[0], box.stop[0])})
    spans = ", ".join(f"{low}-{high - 1}" if high - low > 1 else f"{low}" for low, high in runs(sections))
    planes = sorted({str(box).split(",", 1)[1] for box in boxes})
    total = sum(box.voxels for box in boxes)
    size = next(
        (f"{total / unit:.4g} {word}" for unit, word in ((1e9, "G "), (1e6, "M ")) if total >= unit), f"{total} "
    )
    return f"{len(sections)} section{'s' * (len(sections) > 1)} ({spans}), y,x {' and '.join(planes)}, {size}voxels"
