"""What a person should look at in a volume: the rules of `sections` put together, each defect named once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.ops.section_quality import measures as rules
from scripts.ops.section_quality.measures import SectionStatistics

Rows = NDArray[np.floating]

FEWEST = 8
"""Sections that a volume needs for its median likeness to mean anything."""


@dataclass(frozen=True)
class Finding:
    """One defect: the section (counted from the volume's first), a word for it, and what was measured."""

    section: int
    kind: str
    measured: str


def section_findings(
    statistics: Sequence[SectionStatistics], near: Rows, far: Rows, displacements: Rows, first: int = 0
) -> list[Finding]:
    """Findings in order of sections.

    Sections are compared with their neighbours only where there are at least `FEWEST`: the rules go by what is usual.
    A black, missing or saturated section is called nothing else; a slipped or swapped one is not also misplaced, nor is
    its neighbour; a gap, jump or repetition is named only between sections that are whole themselves.

    Args:
        statistics: one a section, n of them.
        near: `(n - 1,)` likeness of sections k and k + 1.
        far: `(n - 2,)` likeness of sections k and k + 2.
        displacements: `(n - 1, 3)` displacement y, x (pixels) of section k + 1 from k, and the peak over the noise.
        first: number of the first section in the volume.
    """
    found: dict[int, Finding] = {}

    def name(flags: NDArray[np.bool_], kind: str, measured: Sequence[str]) -> None:
        for k in map(int, np.flatnonzero(flags)):
            found.setdefault(k, Finding(first + k, kind, measured[k]))

    def row(field: str) -> Rows:
        return np.array([getattr(s, field) for s in statistics])

    mean, std, sharp = row("mean"), row("std"), row("sharpness")
    name(rules.black_sections(row("dark")), "black", [f"{v:.0%} of the voxels are 0" for v in row("dark")])
    bright = row("bright")
    name(rules.saturated_sections(bright), "saturated", [f"{v:.0%} of the voxels are at the top" for v in bright])
    name(rules.missing_sections(std), "missing", [f"no texture: deviation {v:.2g}" for v in std])
    compared = len(statistics) >= FEWEST
    if compared:
        shifts, peaks = displacements[:, :2], displacements[:, 2]
        slipped = rules.slipped_sections(shifts, peaks)
        words = [""] + [f"displaced by (y, x) = ({y:+.0f}, {x:+.0f}) pixels" for y, x in shifts]
        name(slipped, "slipped", words)
        aside = slipped[:-1] | slipped[1:]
        pair = rules.swapped_sections(near, far) & ~aside
        swapped = np.zeros(len(statistics), bool)
        swapped[:-1] |= pair
        swapped[1:] |= pair
        partner = [k + 1 if k < len(pair) and pair[k] else k - 1 for k in range(len(statistics))]
        name(swapped, "swapped", [f"changed places with section {first + k}" for k in partner])
        misplaced = rules.misplaced_sections(near, far, peaks)
        misplaced[1:] &= ~slipped[:-1]
        misplaced[:-1] &= ~slipped[1:]
        name(misplaced, "misplaced", ["resembles neither neighbour"] * len(statistics))
        usual = rules.local_median(sharp)
        blur = [f"sharpness {v:.2f}, neighbours {u:.2f}" for v, u in zip(sharp, usual, strict=True)]
        name(rules.blurred_sections(sharp), "blurred", blur)
    grey = [f"mean {v:.0f}, neighbours {u:.0f}" for v, u in zip(mean, rules.local_median(mean), strict=True)]
    name(rules.odd_brightness_sections(mean, std), "odd brightness", grey)
    whole = np.array([k not in found for k in range(len(statistics))])
    if compared:
        shifts, peaks = displacements[:, :2], displacements[:, 2]
        sound = whole[:-1] & whole[1:]
        words = [f"displaced for good by (y, x) = ({y:+.0f}, {x:+.0f}) pixels from here on" for y, x in shifts]
        _between(found, sound & rules.jumps(shifts, peaks), "jump", words, first)
        words = [f"tissue lost since the section before: likeness {v:.2f}" for v in near]
        _between(found, sound & rules.gaps(peaks), "gap", words, first)
        words = [f"repeats the section before: likeness {v:.2f}" for v in near]
        _between(found, sound & rules.repeated_sections(near), "repeated", words, first)
    return sorted(found.values(), key=lambda finding: finding.section)


def _between(
    found: dict[int, Finding], flags: NDArray[np.bool_], kind: str, measured: Sequence[str], first: int
) -> None:
    """Findings of pairs (k, k + 1) are filed under the later section."""
    for k in map(int, np.flatnonzero(flags)):
        found.setdefault(k + 1, Finding(first + k + 1, kind, measured[k]))


def label_findings(background: Rows, repeated: NDArray[np.bool_], first: int = 0) -> list[Finding]:
    """Findings in labels: sections without labels among labelled ones, and sections equal to the one before.

    Args:
        background: `(n,)` fraction of label 0; a section counts as unlabelled over 99 %, where the neighbours' median
            is 30 points less.
        repeated: `(n,)` whether a section is, voxel for voxel, the one before.
        first: number of the first section in the volume.
    """
    bare = (background > 0.99) & (background - rules.local_median(background) > 0.3)
    found = [Finding(first + int(k), "unlabelled", f"{background[k]:.0%} background") for k in np.flatnonzero(bare)]
    found += [Finding(first + int(k), "repeated", "equal to the section before") for k in np.flatnonzero(repeated)]
    return sorted(found, key=lambda finding: finding.section)
