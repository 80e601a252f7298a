"""What is inside the neurites of the synthetic volume: mitochondria, vesicles, tubules, microtubules and synapses."""

from dataclasses import dataclass

import numpy as np

from scripts.data.synthetic.growth import STEP_NM
from scripts.data.synthetic.neurites import Tubes
from scripts.data.synthetic.territories import Nodes

VESICLE, ENDOSOME, TUBULE, MICROTUBULE = 0, 1, 2, 3


Things = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Centres (N, 3) in nm, radii in nm, kinds, neurites."""


@dataclass(frozen=True)
class Dots:
    """Small round things, sorted by section.

    Attributes:
        first: (Z + 1,) int64; the dots of section z are first[z] ... first[z + 1] - 1.
        place: (N, 2) float32, (y, x) in voxels of the image.
        radius: (N,) float32, voxels.
        kind: (N,) int8, VESICLE, ENDOSOME, TUBULE or MICROTUBULE.
        neurite: (N,) int32, drawn only inside this neurite.
    """

    first: np.ndarray
    place: np.ndarray
    radius: np.ndarray
    kind: np.ndarray
    neurite: np.ndarray


@dataclass(frozen=True)
class Ultrastructure:
    """All organelles of a volume.

    Attributes:
        mitochondria: tubes, numbered from 1.
        host: (mitochondria + 1,) int32, the neurite of each.
        cristae: (mitochondria + 1, 4) float32: wave vector (z, y, x) per nm, phase.
        dots: vesicles, tubules and microtubules.
        synapses: (N, 4) float64: z, y, x, radius in nm.
        synapse_sides: (N, 2) int32, presynaptic and postsynaptic neurite.
    """

    mitochondria: Tubes
    host: np.ndarray
    cristae: np.ndarray
    dots: Dots
    synapses: np.ndarray
    synapse_sides: np.ndarray


def place_ultrastructure(
    neurites: Tubes, dendrites: int, nodes: Nodes, pixel_nm: float, generator: np.random.Generator
) -> Ultrastructure:
    """Draw the organelles of all neurites; `pixel_nm` is the voxel size in y and x."""
    mitochondria, host, cristae = _mitochondria(neurites, generator)
    boutons = _boutons(neurites, dendrites, generator)
    kinds = [
        _vesicles(neurites, boutons, generator),
        _endosomes(neurites, generator),
        *_filaments(neurites, dendrites, generator),
    ]
    dots = _sorted_dots(kinds, nodes, pixel_nm)
    synapses, sides = _synapses(neurites, boutons, generator)
    return Ultrastructure(mitochondria, host, cristae, dots, synapses, sides)


def _mitochondria(neurites: Tubes, generator: np.random.Generator) -> tuple[Tubes, np.ndarray, np.ndarray]:
    """Sausages along the axes of the tubes that are wide enough."""
    balls, number, joined, host = [np.empty((0, 4))], [], [], [0]
    taken = np.zeros(len(neurites.number), bool)
    wide = np.flatnonzero(neurites.balls[:, 3] > 78.0)
    for start in wide[generator.random(wide.size) < 0.055]:
        length = int(generator.integers(4, 17))
        stop = start + 1
        while stop < len(taken) and stop - start < length and neurites.joined[stop] and neurites.balls[stop, 3] > 66.0:
            stop += 1
        if stop - start < 3 or taken[start:stop].any():
            continue
        taken[max(0, start - 3) : stop + 3] = True
        chain = neurites.balls[start:stop].copy()
        room = chain[:, 3]
        thickness = np.minimum(room * generator.uniform(0.62, 0.85), generator.uniform(75.0, 150.0))
        aside = generator.normal(size=3)
        aside /= np.linalg.norm(aside)
        chain[:, :3] += aside * (generator.uniform(0.0, 0.8) * (room - thickness))[:, None]
        chain[:, 3] = thickness * (1.0 + 0.04 * generator.normal(size=len(chain)))
        balls.append(chain)
        number += [len(host)] * len(chain)
        joined += [False] + [True] * (len(chain) - 1)
        host.append(int(neurites.number[start]))
    waves = generator.normal(size=(len(host), 3))
    waves *= 2 * np.pi / generator.uniform(38.0, 60.0, (len(host), 1)) / np.linalg.norm(waves, axis=1, keepdims=True)
    cristae = np.column_stack([waves, generator.uniform(0, 2 * np.pi, len(host))]).astype(np.float32)
    tubes = Tubes(np.concatenate(balls), np.array(number, np.int32), np.array(joined, bool))
    return tubes, np.array(host, np.int32), cristae


def _boutons(neurites: Tubes, dendrites: int, generator: np.random.Generator) -> np.ndarray:
    """Indices of balls in the middle of a swelling full of vesicles."""
    swollen = np.flatnonzero((neurites.balls[:, 3] > 112.0) & (neurites.number > dendrites))
    chosen: list[int] = []
    for ball in swollen[generator.random(swollen.size) < 0.25]:
        if not chosen or np.linalg.norm(neurites.balls[chosen, :3] - neurites.balls[ball, :3], axis=1).min() > 450.0:
            chosen.append(int(ball))
    return np.array(chosen, np.int64)


def _vesicles(neurites: Tubes, boutons: np.ndarray, generator: np.random.Generator) -> Things:
    """Vesicles of 34-48 nm on a jittered lattice round each bouton: centres, radii, kind, neurite."""
    centres, owners = [np.empty((0, 3))], [np.empty(0, np.int32)]
    for ball in boutons:
        middle, reach = neurites.balls[ball, :3], min(480.0, 1.9 * neurites.balls[ball, 3] + 60.0)
        count = int(2 * reach / 62.0) + 1
        lattice = (
            np.stack(np.meshgrid(*[np.arange(count)] * 3, indexing="ij"), -1).reshape(-1, 3) + 0.5
        ) * 62.0 - reach
        lattice += generator.uniform(-19.0, 19.0, lattice.shape)
        keep = (np.linalg.norm(lattice, axis=1) < reach) & (
            generator.random(len(lattice)) < generator.uniform(0.45, 0.85)
        )
        centres.append(middle + lattice[keep])
        owners.append(np.full(int(keep.sum()), neurites.number[ball], np.int32))
    place, owner = np.concatenate(centres), np.concatenate(owners)
    return place, generator.normal(20.5, 2.0, len(place)), np.full(len(place), VESICLE), owner


def _endosomes(neurites: Tubes, generator: np.random.Generator) -> Things:
    """Lone dark rings of 50-100 nm, off the axis."""
    balls = np.flatnonzero((neurites.balls[:, 3] > 60.0) & (generator.random(len(neurites.number)) < 0.11))
    room = neurites.balls[balls, 3]
    place = neurites.balls[balls, :3] + generator.uniform(-0.5, 0.5, (len(balls), 3)) * room[:, None]
    radius = np.minimum(generator.uniform(22.0, 48.0, len(balls)), 0.45 * room)
    return place, radius, np.full(len(balls), ENDOSOME), neurites.number[balls]


def _filaments(neurites: Tubes, dendrites: int, generator: np.random.Generator) -> list[Things]:
    """Tubules of reticulum and microtubules that run along the tubes, as rows of dots 9 nm apart."""
    per_step = int(STEP_NM // 9.0)
    ends = np.flatnonzero(neurites.joined)
    filaments = []
    for kind, radius, area_nm2 in ((TUBULE, 8.0, 15000.0), (MICROTUBULE, 5.0, 7000.0)):
        tubes = np.pi * neurites.balls[ends, 3] ** 2 / area_nm2
        most = 9
        places, owners, radii = [], [], []
        for copy in range(most):
            chosen = ends[tubes > copy + 0.35]
            if kind == TUBULE:  # reticulum comes in stretches, not everywhere
                chosen = chosen[_stretches(len(neurites.number), generator)[chosen]]
            aside = _smooth_walk(len(neurites.number), generator)
            share = np.arange(per_step)[None, :, None] / per_step
            path = neurites.balls[:, :3] + 0.62 * aside * neurites.balls[:, 3:]
            rows = path[chosen - 1][:, None] * (1 - share) + path[chosen][:, None] * share
            places.append(rows.reshape(-1, 3))
            owners.append(np.repeat(neurites.number[chosen], per_step))
            radii.append(np.repeat(radius * generator.uniform(0.7, 1.5, len(chosen)), per_step))
        owner = np.concatenate(owners)
        filaments.append((np.concatenate(places), np.concatenate(radii), np.full(len(owner), kind), owner))
    return filaments


def _smooth_walk(count: int, generator: np.random.Generator) -> np.ndarray:
    """(count, 3) vectors of about unit length that change slowly from one to the next."""
    noise = generator.normal(size=(count + 8, 3))
    total = np.cumsum(noise, axis=0)
    return np.clip((total[8:] - total[:-8]) / np.sqrt(8.0), -1.3, 1.3) / 1.3


def _stretches(count: int, generator: np.random.Generator) -> np.ndarray:
    """(count,) bool: on and off in runs of about ten."""
    total = np.cumsum(generator.normal(size=count + 10))
    on: np.ndarray = total[10:] - total[:-10] > 0.6
    return on


def _synapses(neurites: Tubes, boutons: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Where a bouton touches another neurite: half-way to the nearest ball of a neighbour."""
    places, sides = [np.empty((0, 4))], [np.empty((0, 2), np.int32)]
    for ball in boutons:
        gaps = np.linalg.norm(neurites.balls[:, :3] - neurites.balls[ball, :3], axis=1) - neurites.balls[:, 3]
        gaps[neurites.number == neurites.number[ball]] = np.inf
        for _ in range(int(generator.integers(1, 3))):
            other = int(np.argmin(gaps))
            if not np.isfinite(gaps[other]):
                break
            line = neurites.balls[other, :3] - neurites.balls[ball, :3]
            share = neurites.balls[ball, 3] / (neurites.balls[ball, 3] + neurites.balls[other, 3])
            middle = neurites.balls[ball, :3] + share * line
            places.append(np.array([[*middle, generator.uniform(120.0, 220.0)]]))
            sides.append(np.array([[neurites.number[ball], neurites.number[other]]], np.int32))
            gaps[neurites.number == neurites.number[other]] = np.inf
    return np.concatenate(places), np.concatenate(sides)


def _sorted_dots(kinds: list[Things], nodes: Nodes, pixel_nm: float) -> Dots:
    """Cut the things into sections and move them as the tissue there is bent."""
    place, radius, kind, owner = (np.concatenate(parts) for parts in zip(*kinds, strict=True))
    sections, height, width = nodes.offset.shape[:3]
    thickness = nodes.step_nm[0]
    cut_place, cut_section, cut_radius, cut_from = [], [], [], []
    home = np.floor(place[:, 0] / thickness).astype(np.int64)
    for step in (-1, 0, 1):  # a vesicle is seen in each section that cuts it; a filament in its own
        section = home + step
        away = np.maximum(0.0, np.maximum(section * thickness - place[:, 0], place[:, 0] - (section + 1) * thickness))
        seen = np.flatnonzero(
            (away < 0.8 * radius) & ((step == 0) | (kind <= ENDOSOME)) & (section >= 0) & (section < sections)
        )
        cut_from.append(seen)
        cut_section.append(section[seen])
        cut_radius.append(np.sqrt(radius[seen] ** 2 - away[seen] ** 2))
        cut_place.append(place[seen, 1:])
    origin, section = np.concatenate(cut_from), np.concatenate(cut_section)
    seen_at, seen_radius = np.concatenate(cut_place), np.concatenate(cut_radius)
    moved = seen_at
    for _ in range(2):  # the place in the image, by two fixed-point steps
        row = np.clip(np.rint(moved[:, 0] / nodes.step_nm[1]).astype(np.int64), 0, height - 1)
        column = np.clip(np.rint(moved[:, 1] / nodes.step_nm[2]).astype(np.int64), 0, width - 1)
        moved = seen_at - nodes.offset[section, row, column]
    order = np.argsort(section, kind="stable")
    first = np.searchsorted(section[order], np.arange(sections + 1))
    origin = origin[order]
    return Dots(
        first,
        (moved[order] / pixel_nm).astype(np.float32),
        (seen_radius[order] / pixel_nm).astype(np.float32),
        kind[origin].astype(np.int8),
        owner[origin].astype(np.int32),
    )
