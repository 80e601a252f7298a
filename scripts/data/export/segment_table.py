"""Size, box and surroundings of every segment of a label volume, counted block by block."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scripts.data.export.pyramid import PyramidLevel
from scripts.ops.box import Offset3, Size3


@dataclass
class SegmentTable:
    """Of each id but 0: voxels, box, and the mean affinity of the faces to other segments.

    Attributes:
        shape: voxels (z, y, x) of the volume.
        rows: id -> [voxels, z0, y0, x0, z1, y1, x1]; the box is half open.
        borders: id -> [sum of affinities, faces], where affinities were given.
    """

    shape: Size3
    rows: dict[int, list[int]] = field(default_factory=dict)
    borders: dict[int, list[float]] = field(default_factory=dict)

    def add(self, labels: np.ndarray, low: Offset3) -> None:
        """Count a block (z, y, x) of ids whose first voxel is at `low`."""
        from scipy.ndimage import find_objects

        ids, dense = np.unique(labels, return_inverse=True)
        dense = dense.reshape(labels.shape) + 1
        counts = np.bincount(dense.ravel(), minlength=len(ids) + 1)
        for number, box in enumerate(find_objects(dense), 1):
            key = int(ids[number - 1])
            if box is None or key == 0:
                continue
            first = [part.start + at for part, at in zip(box, low, strict=True)]
            end = [part.stop + at for part, at in zip(box, low, strict=True)]
            row = self.rows.get(key)
            if row is None:
                self.rows[key] = [int(counts[number]), *first, *end]
            else:
                lower, upper = np.minimum(row[1:4], first).tolist(), np.maximum(row[4:], end).tolist()
                self.rows[key] = [row[0] + int(counts[number]), *lower, *upper]

    def add_borders(self, labels: np.ndarray, affinities: np.ndarray, low: Offset3) -> None:
        """Count the faces between different segments of a block that begins one voxel before `low` where it can.

        Args:
            labels: (z, y, x) ids.
            affinities: (3, z, y, x), of a voxel to the one before it along z, y and x.
            low: first voxel whose own faces count; on an axis where it is 0 the block begins there.
        """
        for axis in range(3):
            own = [slice(1 if at else 0, None) for at in low]
            before = list(own)
            own[axis], before[axis] = slice(1, None), slice(None, -1)
            here, there = labels[tuple(own)], labels[tuple(before)]
            face = (here != there) & (here != 0) & (there != 0)
            values = affinities[axis][tuple(own)][face].astype(np.float64)
            for side in (here[face], there[face]):
                ids, dense = np.unique(side, return_inverse=True)
                sums, faces = np.bincount(dense, values), np.bincount(dense)
                for key, total, count in zip(ids.tolist(), sums, faces, strict=True):
                    border = self.borders.setdefault(key, [0.0, 0])
                    border[0] += float(total)
                    border[1] += int(count)

    def touches_border(self, key: int) -> bool:
        """Whether a segment reaches a face of the volume."""
        _, *box = self.rows[key]
        return 0 in box[:3] or any(end == size for end, size in zip(box[3:], self.shape, strict=True))

    def fitting_level(self, levels: Sequence[PyramidLevel], key: int, largest_box: int) -> int:
        """The finest level at which the box of a segment has at most so many voxels.

        Raises:
            ValueError: there is none.
        """
        extent = np.subtract(self.rows[key][4:], self.rows[key][1:4])
        for number, level in enumerate(levels):
            if np.prod(-(-extent // np.array(level.factors)) + 2) <= largest_box:
                return number
        raise ValueError(
            f"the box of id {key} has {' x '.join(map(str, extent))} voxels (z, y, x), too many to be drawn in memory "
            "at any level; leave it out with --ids"
        )

    def largest(self, ids: Iterable[int] | None, smallest: int) -> list[int]:
        """The ids to draw: those given, or all of at least so many voxels, largest first.

        Raises:
            ValueError: an id that no voxel has.
        """
        if ids is None:
            chosen = [key for key, row in self.rows.items() if row[0] >= smallest]
            return sorted(chosen, key=lambda key: (-self.rows[key][0], key))
        wanted = list(map(int, ids))
        missing = [key for key in wanted if key not in self.rows]
        if missing:
            raise ValueError(f"no voxel has the id {missing[0]}; there are {len(self.rows)} ids")
        return wanted


def write_segment_properties(folder: Path, table: SegmentTable) -> None:
    """Write the properties that Neuroglancer lists and searches: voxels, box, border, mean affinity at the border.

    Args:
        folder: of the precomputed volume; its `info` names the properties.
        table: of its segments.
    """
    keys = sorted(table.rows)
    voxels = [table.rows[key][0] for key in keys]
    wide = max(voxels, default=0) >= 2**32
    number = {"id": "voxels", "type": "number", "data_type": "float32" if wide else "uint32", "values": voxels}
    boxes = [_box(table.rows[key][1:]) for key in keys]
    touching = [[0] if table.touches_border(key) else [] for key in keys]
    tags = {"id": "tags", "type": "tags", "tags": ["touches-border"], "values": touching}
    properties: list[dict[str, Any]] = [number, {"id": "box", "type": "description", "values": boxes}, tags]
    if table.borders:
        means = [table.borders[key][0] / table.borders[key][1] if key in table.borders else 0.0 for key in keys]
        means = [round(mean, 4) for mean in means]
        properties.append({"id": "border_affinity", "type": "number", "data_type": "float32", "values": means})
    content = {
        "@type": "neuroglancer_segment_properties",
        "inline": {"ids": [str(key) for key in keys], "properties": properties},
    }
    (folder / "properties").mkdir(exist_ok=True)
    (folder / "properties" / "info").write_text(json.dumps(content))
    set_info(folder, segment_properties="properties")


def set_info(folder: Path, **entries: Any) -> None:
    """Add entries to the `info` of a precomputed volume, such as the folder of its meshes."""
    info = json.loads((folder / "info").read_text())
    (folder / "info").write_text(json.dumps(info | entries, indent=1))


def _box(row: list[int]) -> str:
    return ",".join(f"{first}:{end}" for first, end in zip(row[:3], row[3:], strict=True))
