"""Pictures of sections that one slider moves through: HTML figures, and the pictures they swap as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scripts.tools.reporting.markup import text


@dataclass(frozen=True)
class Panel:
    """One picture of the viewer.

    Attributes:
        title: above it.
        layers: names in the viewer's store, the first drawn first.
        words: what it shows, for who cannot see it.
        sheer: whether the first layer shines through the others.
    """

    title: str
    layers: Sequence[str]
    words: str
    sheer: bool = True


@dataclass
class Viewer:
    """Rows of panels over the same sections; of a single section there is no slider.

    Attributes:
        name: of the slider, unique on the page.
        sections: number of each section in its volume.
        store: layer -> data URL for each section.
        rows: heading and panels.
        scale: width of the scale bar as a share of a picture's, and its words; None where the voxel size is unknown.
        legend: meaning -> CSS colour.
        shape: (y, x) of a picture, for its place on the page before it is decoded.
    """

    name: str
    sections: Sequence[int]
    store: dict[str, list[str]]
    rows: list[tuple[str, list[Panel]]] = field(default_factory=list)
    scale: tuple[float, str] | None = None
    legend: Mapping[str, str] = field(default_factory=dict)
    shape: tuple[int, int] = (1, 1)

    @property
    def size(self) -> int:
        """Characters of all pictures."""
        return sum(len(url) for urls in self.store.values() for url in urls)

    def html(self) -> str:
        """The viewer, showing its middle section."""
        middle, last = (len(self.sections) - 1) // 2, len(self.sections) - 1
        rows = "".join(self._row(title, panels, middle) for title, panels in self.rows)
        colours = "".join(
            f'<li><span class="swatch" style="background:{text(colour)}"></span>{text(words)}</li>'
            for words, colour in self.legend.items()
        )
        coloured = any(len(panel.layers) > 1 for _, panels in self.rows for panel in panels)
        switch = (
            '<label class="switch"><input type="checkbox" checked> colours over the image</label>' if coloured else ""
        )
        key = f"<ul class=legend>{colours}</ul>" if colours else ""
        if last == 0:
            return f'<div class="viewer" id="{text(self.name)}">{key}{rows}</div>'
        store = json.dumps({"sections": list(self.sections), "layers": self.store}, separators=(",", ":"))
        return (
            f'<div class="viewer" id="{text(self.name)}"><div class="controls">'
            f'<label for="{text(self.name)}-z">Section</label>'
            f'<input type="range" id="{text(self.name)}-z" min="0" max="{last}" step="1" value="{middle}" '
            f'aria-valuetext="section {self.sections[middle]}">'
            f'<output for="{text(self.name)}-z">{self.sections[middle]}</output>{switch}</div>{key}{rows}'
            f'<script type="application/json">{store}</script></div>'
        )

    def _row(self, title: str, panels: Sequence[Panel], middle: int) -> str:
        figures = "".join(self._figure(panel, middle) for panel in panels)
        heading = f"<h3>{text(title)}</h3>" if title else ""
        columns = max(len(panels) for _, panels in self.rows)
        return f'{heading}<div class="panels" style="--columns:{columns}">{figures}</div>'

    def _figure(self, panel: Panel, middle: int) -> str:
        height, width = self.shape
        pictures = []
        for k, layer in enumerate(panel.layers):
            kind = "base" if k == 0 else "over" if panel.sheer else "over opaque"
            number = f", section {self.sections[middle]}" if len(self.sections) > 1 else ""
            words = (text(panel.words), text(panel.words + number)) if k == 0 else ("", "")
            pictures.append(
                f'<img class="{kind}" data-layer="{text(layer)}" data-words="{words[0]}" alt="{words[1]}" '
                f'width="{width}" height="{height}" src="{self.store[layer][middle]}">'
            )
        bar = ""
        if self.scale is not None:
            bar = (
                f'<span class="bar" style="width:{100 * self.scale[0]:.2f}%"></span>'
                f'<span class="scale">{text(self.scale[1])}</span>'
            )
        stack = f'<div class="stack">{"".join(pictures)}{bar}</div>'
        return f"<figure><figcaption>{text(panel.title)}</figcaption>{stack}</figure>"


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
