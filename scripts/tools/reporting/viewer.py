"""Pictures of sections that one slider moves through, with their ids and errors: what the page's template shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Panel:
    """One picture of the viewer.

    Attributes:
        title: above it.
        layers: names in the viewer's store, the first drawn first.
        words: what it shows, for those who cannot see it.
        sheer: whether the first layer shines through the others.
    """

    title: str
    layers: Sequence[str]
    words: str
    sheer: bool = True


@dataclass(frozen=True)
class ShownError:
    """A split or merge that the viewer can go to.

    Attributes:
        run: whose error it is.
        words: `id 9 merges truth 176 and 66: 0.22 bits`.
        section: place among the sections of the viewer.
        position: voxel (z, y, x) in the volume.
        ids: layer -> ids to highlight in it.
    """

    run: str
    words: str
    section: int
    position: tuple[int, int, int]
    ids: Mapping[str, Sequence[str]]


@dataclass
class Viewer:
    """Rows of panels over the same sections; of a single section there is no slider.

    Attributes:
        name: anchor, unique on the page.
        sections: number of each section in its volume.
        store: layer -> data URL for each section.
        rows: heading and panels.
        scale: width of the scale bar as a share of a picture's, and its words; None where the voxel size is unknown.
        legend: meaning -> CSS colour.
        shape: (y, x) of a picture, for its place on the page before it is decoded.
        names: layer of ids -> what it is called beside an id.
        ids: layer of ids -> id of each colour `rrggbb`.
        errors: the worst first.
        corner: voxel (y, x) in the volume of the first pixel.
        factor: voxels along an edge of a pixel.
    """

    name: str
    sections: Sequence[int]
    store: dict[str, list[str]]
    rows: list[tuple[str, list[Panel]]] = field(default_factory=list)
    scale: tuple[float, str] | None = None
    legend: Mapping[str, str] = field(default_factory=dict)
    shape: tuple[int, int] = (1, 1)
    names: dict[str, str] = field(default_factory=dict)
    ids: dict[str, dict[str, str]] = field(default_factory=dict)
    errors: Sequence[ShownError] = ()
    corner: tuple[int, int] = (0, 0)
    factor: int = 1

    @property
    def size(self) -> int:
        """Characters of all pictures."""
        return sum(len(url) for urls in self.store.values() for url in urls)

    @property
    def middle(self) -> int:
        """Place of the section that is shown first."""
        return (len(self.sections) - 1) // 2

    @property
    def data(self) -> dict[str, Any]:
        """What the page's script reads."""
        return {
            "sections": list(self.sections),
            "layers": self.store,
            "names": self.names,
            "ids": self.ids,
            "errors": [vars(error) for error in self.errors],
            "corner": self.corner,
            "factor": self.factor,
        }


def scale_bar(width: int, voxel_nm: float | None) -> tuple[float, str] | None:
    """Share of a picture `width` voxels wide, and the length as text: 1, 2 or 5 times a power of ten nm, at most a
    third of the picture.
    """
    if not voxel_nm:
        return None
    longest = width * voxel_nm / 3
    length = max(
        factor * 10.0**power for power in range(8) for factor in (1, 2, 5) if factor * 10.0**power <= max(longest, 1)
    )
    words = f"{length / 1000:g} µm" if length >= 1000 else f"{length:g} nm"
    return length / (width * voxel_nm), words
