"""How the sections of a plain volume are shared between training and validation."""

from scripts.data.datasets.manifest import Split

TRAINING_SHARE = 0.9
"""Share of the sections of a plain volume that training reads; validation reads the rest, never the same ones."""


def section_split(depth: int, split: Split, section_depth: int, name: str) -> tuple[int, int]:
    """First and last + 1 section of a split of a volume of `depth` sections: 90 % to train, the rest to validate.

    Raises:
        ValueError: too few sections for two parts of `section_depth`, or the test split, which there is none of.
    """
    if split == "test":
        raise ValueError(f"{name} has no test split; give a box (z0:z1,y0:y1,x0:x1) or a manifest that names one")
    last = min(int(TRAINING_SHARE * depth + 1e-9), depth - section_depth)
    if last < section_depth:
        raise ValueError(
            f"{name} has {depth} sections, too few to train and to validate on {section_depth} each; give boxes of "
            f"your own, crops of fewer sections, or a manifest that validates on another volume"
        )
    return (0, last) if split == "training" else (last, depth)
