"""The synthetic volume: an EM-like block with its ground truth, the same bytes for the same seed."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from scripts.data.synthetic.membrane_painting import CYTOPLASM, paint_territories
from scripts.data.synthetic.microscope import section_drift, take_section
from scripts.data.synthetic.neurites import grow_neurites
from scripts.data.synthetic.organelle_painting import paint_dots, paint_mitochondria, paint_synapse
from scripts.data.synthetic.section_defects import SectionDefect, plan_defects
from scripts.data.synthetic.territories import Nodes, lay_nodes, near_tubes
from scripts.data.synthetic.ultrastructure import Ultrastructure, place_ultrastructure
from scripts.ops.box import Size3
from scripts.ops.labels.connected_components import label_components

SMALLEST_SHAPE = (2, 32, 32)
SMALLEST_PROFILE_NM2 = 1500.0
"""A section of a neurite smaller than this is no more than the membranes round it (label 0)."""
SMALLEST_NEURITE = 60
"""Voxels; smaller scraps become extracellular space (label 0)."""


@dataclass(frozen=True)
class SyntheticVolume:
    """An EM-like block, axes z, y, x.

    Attributes:
        image: uint8.
        labels: uint32, one id a neurite, each 6-connected; 0 is membrane and extracellular space, as in SNEMI3D.
        mitochondria: uint16, one id a mitochondrion; 0 elsewhere.
        defects: what was done to which section. A slip moves image and labels alike; a blurred or missing section keeps
            the labels it would have had.
        voxel_size_nm: z, y, x.
    """

    image: np.ndarray
    labels: np.ndarray
    mitochondria: np.ndarray
    defects: list[SectionDefect]
    voxel_size_nm: tuple[float, float, float]


def synthesize_volume(
    shape: Size3 = (64, 512, 512),
    seed: int = 0,
    voxel_size_nm: tuple[float, float, float] = (30.0, 6.0, 6.0),
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> SyntheticVolume:
    """Make a block of neuropil as a scanning electron microscope would show it.

    Args:
        shape: voxels (z, y, x), at least SMALLEST_SHAPE.
        seed: the same seed gives the same bytes, whatever the number of threads.
        voxel_size_nm: (z, y, x), with y = x; sizes of cells and organelles are in nm, so they scale with it.
        threads: None for as many as there are processors.
        progress: called with 1 after each section.

    Memory is 7 bytes a voxel for the result, and about 15 at the most while it is made.

    Raises:
        ValueError: a shape, seed or voxel size that makes no volume.
    """
    shape, voxel_size_nm = _checked(shape, seed, voxel_size_nm)
    if threads is not None and threads < 1:
        raise ValueError(f"threads {threads} is below 1; leave it out for as many as there are processors")
    streams = np.random.SeedSequence(seed).spawn(5 + shape[0])
    plan, growth, bend, organelles, look = (np.random.Generator(np.random.SFC64(stream)) for stream in streams[:5])
    defects = plan_defects(shape[0], plan)
    slips = np.zeros((shape[0], 2))
    for defect in defects:
        slips[defect.section] = defect.shift_nm
    extent = (shape[0] * voxel_size_nm[0], shape[1] * voxel_size_nm[1], shape[2] * voxel_size_nm[2])
    neurites, sheathed, dendrites = grow_neurites(extent, growth)
    nodes = lay_nodes(shape, voxel_size_nm, slips, bend)
    inside = place_ultrastructure(neurites, dendrites, nodes, voxel_size_nm[1], organelles)
    grey = look.normal(0.0, 12.0, int(neurites.number.max(initial=0)) + 1)
    grey[: dendrites + 1] = 8.0 + 0.5 * grey[: dendrites + 1]  # dendrites are paler, and more alike
    grey = (CYTOPLASM + grey).astype(np.float32)
    sheath = np.zeros(len(grey), np.float32)
    sheath[1 : sheathed + 1] = look.uniform(70.0, 115.0, sheathed)
    offset, contrast = section_drift(shape[0], look)
    kinds = {defect.section: defect.kind for defect in defects}
    image, labels = np.empty(shape, np.uint8), np.zeros(shape, np.uint32)
    mitochondria = np.zeros(shape, np.uint16)

    def section(z: int) -> None:
        territory, depth = np.empty(shape[1:], np.int32), np.empty(shape[1:], np.float32)
        painted = np.empty(shape[1:], np.float32)
        near = near_tubes(z, nodes, neurites)
        paint_territories(
            *near, nodes.stride, voxel_size_nm[1], voxel_size_nm[0], grey, sheath, painted, labels[z], territory, depth
        )
        profiles = labels[z : z + 1].copy()
        label_components(profiles, max(1, round(SMALLEST_PROFILE_NM2 / voxel_size_nm[1] ** 2)))
        labels[z][profiles[0] == 0] = 0
        _paint_inside(z, nodes, inside, voxel_size_nm, territory, depth, labels[z], mitochondria[z], painted)
        stream = np.random.Generator(np.random.SFC64(streams[5 + z]))
        image[z] = take_section(painted, kinds.get(z, ""), offset[z], contrast[z], stream)

    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        for _ in pool.map(section, range(shape[0])):
            if progress is not None:
                progress(1)
    label_components(labels, SMALLEST_NEURITE)
    pieces = mitochondria.astype(np.uint32)  # of the type that is compiled for already
    label_components(pieces, SMALLEST_NEURITE)
    mitochondria[:] = pieces
    return SyntheticVolume(image, labels, mitochondria, defects, voxel_size_nm)


def _paint_inside(
    z: int,
    nodes: Nodes,
    inside: Ultrastructure,
    voxel_size_nm: tuple[float, float, float],
    territory: np.ndarray,
    depth: np.ndarray,
    labels: np.ndarray,
    mitochondria: np.ndarray,
    painted: np.ndarray,
) -> None:
    thickness, pixel = voxel_size_nm[:2]
    numbers, distances, _ = near_tubes(z, nodes, inside.mitochondria)
    z_nm = (z + 0.5) * thickness
    tubes = numbers, distances, nodes.stride, pixel, z_nm, inside.host, inside.cristae
    paint_mitochondria(*tubes, labels, depth, painted, mitochondria)
    dots = inside.dots
    part = slice(dots.first[z], dots.first[z + 1])
    paint_dots(
        dots.place[part],
        dots.radius[part],
        dots.kind[part],
        dots.neurite[part],
        labels,
        depth,
        mitochondria,
        painted,
        pixel,
    )
    for (cz, cy, cx, radius), (pre, post) in zip(inside.synapses, inside.synapse_sides, strict=True):
        cut = radius**2 - (cz - z_nm) ** 2
        if cut > 0:
            row, column = int(cy / nodes.step_nm[1]), int(cx / nodes.step_nm[2])
            row = min(max(row, 0), nodes.offset.shape[1] - 1)
            column = min(max(column, 0), nodes.offset.shape[2] - 1)
            move_y, move_x = nodes.offset[z, row, column]
            paint_synapse(
                (cy - move_y) / pixel,
                (cx - move_x) / pixel,
                np.sqrt(cut) / pixel,
                pre,
                post,
                pixel,
                territory,
                depth,
                painted,
            )


def _checked(
    shape: Size3, seed: int, voxel_size_nm: tuple[float, float, float]
) -> tuple[Size3, tuple[float, float, float]]:
    if len(shape) != 3 or any(int(n) != n or n < least for n, least in zip(shape, SMALLEST_SHAPE, strict=False)):
        raise ValueError(f"shape {tuple(shape)} is too small or not whole (z, y, x); the least is {SMALLEST_SHAPE}")
    if len(voxel_size_nm) != 3 or min(voxel_size_nm) <= 0 or voxel_size_nm[1] != voxel_size_nm[2]:
        raise ValueError(f"voxel size {tuple(voxel_size_nm)} nm is not three positive numbers (z, y, x) with y = x")
    if int(seed) != seed or seed < 0:
        raise ValueError(f"seed {seed} is not a whole number from 0 up")
    z, y, x = (int(n) for n in shape)
    nm = tuple(float(size) for size in voxel_size_nm)
    return (z, y, x), (nm[0], nm[1], nm[2])
