"""Affinities of real labels, noised at three levels, through three decoders: time, memory, scores, one picture each.

SEM_DATA_DIR=FOLDER python -m tests.benchmarks.decode_real_labels [--out docs/results] [--box 0:64,0:512,0:512]

Thresholds are chosen by search on the first 16 sections of the box; times and scores are of the other sections.
"""

import os
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from scripts.metrics.decoder_grid import Setting, grid, search
from scripts.ops.box import Box
from scripts.ops.decoding.decoders import decoder
from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.scores import all_scores
from scripts.ops.targets.affinities import label_affinities
from scripts.ops.targets.affinity_convention import LONG_RANGE
from scripts.ops.targets.noised_affinities import LEVELS, noised_affinities
from tests.benchmarks.peak_memory import peak_bytes
from tests.benchmarks.side_by_side import hardware

CHOICES: dict[str, dict[str, list[Any]]] = {
    "zwatershed": {"low": [0.1], "high": [0.97, 0.98, 0.99, 0.995], "weak": [0.2, 0.5, 0.8], "dust": [100]},
    "agglomeration": {"high": [0.99, 0.995], "threshold": [0.2, 0.3, 0.4, 0.5, 0.6], "dust": [100]},
    "mutex": {"low": [0.1, 0.5], "dust": [100]},
}
SEARCHED = 16


@dataclass(frozen=True)
class Score:
    """Setting -> adapted Rand and VOI of the searched sections."""

    name: str
    affinities: np.ndarray = field(repr=False)
    label: np.ndarray = field(repr=False)

    def __call__(self, setting: Setting) -> dict[str, float]:
        return scored(self.label, decoder(self.name, setting)(self.affinities))


@dataclass(frozen=True)
class Warm:
    """Compile a decoder on two sections."""

    name: str
    setting: dict[str, Any]

    def __call__(self, affinities: np.ndarray) -> None:
        decoder(self.name, self.setting)(affinities[:, :2])


def scored(label: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """The scores of the table."""
    table = ContingencyTable.from_arrays(label, found)
    return {score.name: float(score.value) for score in all_scores(table, definitions=("snemi3d", "voi"))}


def main() -> None:
    """Write decoders.md and one picture a decoder."""
    words = sys.argv[1:]
    out = Path(words[words.index("--out") + 1] if "--out" in words else "docs/results")
    box_text = words[words.index("--box") + 1] if "--box" in words else "0:64,0:512,0:512"
    out.mkdir(parents=True, exist_ok=True)
    with h5py.File(Path(os.environ["SEM_DATA_DIR"]) / "snemi3d_ac4_train.h5") as file:
        box = Box.parse(box_text, file["labels"].shape)
        label = file["labels"][box.slices]
    ideal = label_affinities(label[SEARCHED:]) * np.uint8(255)
    rows = [["none", *measured("zwatershed", {"dust": 100}, ideal, label[SEARCHED:])[1]]]
    pictures: dict[str, dict[str, np.ndarray]] = {name: {} for name in CHOICES}
    for level, noise in LEVELS.items():
        affinities = np.round(noised_affinities(label, noise, LONG_RANGE) * 255).astype(np.uint8)
        for name, choices in CHOICES.items():
            given = affinities if name == "mutex" else affinities[:3]
            score = Score(name, given[:, :SEARCHED], label[:SEARCHED])
            table = search(grid(choices), score, "adapted_rand_snemi3d", lower_is_better=True)
            best = dict(table.settings[table.best])
            rest = np.ascontiguousarray(given[:, SEARCHED:])
            found, row = measured(name, best, rest, label[SEARCHED:])
            rows.append([level, *row])
            print(" | ".join(rows[-1]), flush=True)
            pictures[name][level] = found[found.shape[0] // 2]
    for name, sections in pictures.items():
        draw({"labels": label[SEARCHED + (len(label) - SEARCHED) // 2], **sections}, out / f"decoders_{name}.png")
    (out / "decoders.md").write_text(page(box, rows))


def measured(
    name: str, setting: dict[str, Any], affinities: np.ndarray, label: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """The segmentation, and the cells of its row from the decoder's name on."""
    decoder(name, setting)(affinities[:, :2])
    begin = time.perf_counter()
    found = decoder(name, setting)(affinities)
    seconds = time.perf_counter() - begin
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/a.npy", affinities)
        memory = peak_bytes(decoder(name, setting), f"{folder}/a.npy", Warm(name, setting)) / found.size
    values = scored(label, found)
    words = ", ".join(f"{key} {value}" for key, value in setting.items() if key != "dust") or "defaults"
    numbers = [seconds, memory]
    numbers += [values[key] for key in ("adapted_rand_snemi3d", "voi_split", "voi_merge")]
    return found, [name, words, str(found.max()), *(f"{number:.4g}" for number in numbers)]


def draw(sections: dict[str, np.ndarray], path: Path) -> None:
    """One section of each segmentation side by side, ids in colours, every second pixel."""
    colours = np.random.default_rng(1).random((256, 3)) * 0.8 + 0.2
    colours[0] = 0
    figure = Figure(figsize=(3 * len(sections), 3.2), layout="constrained")
    for axes, (title, section) in zip(figure.subplots(1, len(sections)), sections.items(), strict=True):
        shown = section[::2, ::2].astype(np.int64)
        shown = np.where(shown > 0, shown * 2654435761 % 255 + 1, 0)
        axes.imshow(shown, cmap=ListedColormap(colours), vmin=0, vmax=255, interpolation="nearest")
        axes.set_title(title)
        axes.set_axis_off()
    figure.savefig(path, dpi=80)


def page(box: Box, rows: list[list[str]]) -> str:
    """The result page."""
    header = ["noise", "decoder", "setting found", "instances", "s", "bytes a voxel", "adapted Rand"]
    header += ["VOI split", "VOI merge"]
    levels = ", ".join(f"{name} = {value}" for name, value in LEVELS.items())
    paragraphs = [
        f"Labels of `snemi3d_ac4_train.h5`, box {box}; affinities by `scripts.ops.targets.noised_affinities` (sigmoid "
        "of 4 (2a - 1) + 2 noise g; a smoothed in plane by 0.7 voxels, g unit noise smoothed in plane by 1 voxel), "
        f"uint8, noise {levels}. The box cuts neurites into pieces, so ideal affinities (noise none) keep an error "
        "too.",
        f"Thresholds are from the first {SEARCHED} sections, times and scores from the others. zwatershed and "
        "agglomeration use 3 channels, the mutex watershed 12. Adapted Rand error in SNEMI3D's arithmetic, VOI in "
        "bits, ground truth 0 ignored; bytes are the peak beyond input and result. Dust is 100 voxels.",
        f"Hardware: {hardware()}. Command: `SEM_DATA_DIR=FOLDER python -m tests.benchmarks.decode_real_labels`.",
    ]
    lines = [
        "# Decoders on affinities of real labels",
        "",
        *(f"{textwrap.fill(words, 120, break_on_hyphens=False)}\n" for words in paragraphs),
        "| " + " | ".join(header) + " |",
        "|" + "---|" * len(header),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
        "One section each, ids in colours (black: background):",
        "",
        *(f"![{name}](decoders_{name}.png)\n" for name in CHOICES),
    ]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    main()
