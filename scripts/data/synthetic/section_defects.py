"""Defects of the synthetic volume: which sections slipped, blurred or went missing."""

from dataclasses import dataclass

import numpy as np

SHARE = {"slipped": 0.03, "blurred": 0.03, "missing": 0.02}
"""Of all sections; never two neighbours, and never the first or the last."""
LARGEST_SLIP_NM = 60.0


@dataclass(frozen=True)
class SectionDefect:
    """What was done to one section.

    Attributes:
        section: its index along z.
        kind: "slipped" (image and labels are moved by `shift_nm`), "blurred" or "missing" (only the image suffers).
        shift_nm: (y, x) of a slip, else zeros.
    """

    section: int
    kind: str
    shift_nm: tuple[float, float] = (0.0, 0.0)


def plan_defects(sections: int, generator: np.random.Generator) -> list[SectionDefect]:
    """Draw the defects of a volume, in order of section; at least one of each kind from 16 sections up."""
    defects: list[SectionDefect] = []
    free = [int(z) for z in generator.permutation(np.arange(1, max(1, sections - 1)))]
    for kind, share in SHARE.items():
        count = max(1, round(share * sections)) if sections >= 16 else 0
        for _ in range(count):
            if not free:
                break
            section = free.pop()
            free = [z for z in free if abs(z - section) > 1]
            shift = (0.0, 0.0)
            if kind == "slipped":
                angle, length = generator.uniform(0, 2 * np.pi), generator.uniform(0.5, 1.0) * LARGEST_SLIP_NM
                shift = (round(float(length * np.sin(angle)), 1), round(float(length * np.cos(angle)), 1))
            defects.append(SectionDefect(section, kind, shift))
    return sorted(defects, key=lambda defect: defect.section)
