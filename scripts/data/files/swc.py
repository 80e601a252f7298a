"""Skeletons in SWC files, read and written."""

import os
from pathlib import Path

import numpy as np

from scripts.ops.scoring.skeletons import Skeleton


def read_swc(path: str | os.PathLike[str], unit_nm: float = 1.0) -> Skeleton:
    """Read one SWC file (columns: node, type, x, y, z, radius, parent; -1 for a root; `#` starts a remark).

    Args:
        path: the file; its name without ending is the skeleton's id (a number where it is one).
        unit_nm: nm in one unit of the file's coordinates: 1 for nm, 1000 for micrometres.

    Raises:
        ValueError: a line that is not seven numbers, a parent that is not there, or a node given twice.
        OSError: the file cannot be read.
    """
    path = Path(path)
    numbers, places, parents = [], [], []
    for line, text in enumerate(path.read_text().splitlines(), 1):
        words = text.split("#", 1)[0].split()
        if not words:
            continue
        try:
            node, _, x, y, z, _, parent = words
            numbers.append(int(node))
            places.append((float(z), float(y), float(x)))
            parents.append(int(parent))
        except ValueError:
            raise ValueError(
                f"{path}, line {line}: '{text.strip()}' is not SWC (node type x y z radius parent)"
            ) from None
    place = {number: k for k, number in enumerate(numbers)}
    if len(place) != len(numbers):
        raise ValueError(f"{path}: a node number is given twice")
    missing = [parent for parent in parents if parent >= 0 and parent not in place]
    if missing:
        raise ValueError(f"{path}: parent {missing[0]} is not among the {len(numbers)} nodes")
    edges = [(k, place[parent]) for k, parent in enumerate(parents) if parent >= 0]
    name = path.stem
    return Skeleton(int(name) if name.isdigit() else name, np.array(places) * unit_nm, np.array(edges))


def write_swc(path: str | os.PathLike[str], skeleton: Skeleton) -> None:
    """Write a skeleton without loops as an SWC file, positions in nm.

    Args:
        path: the file.
        skeleton: each of its edges leads from a node to its parent.

    Raises:
        ValueError: a node with two parents.
    """
    parents = np.full(len(skeleton.nodes_nm), -1)
    for node, parent in skeleton.edges.tolist():
        if parents[node] >= 0:
            raise ValueError(f"skeleton {skeleton.id}: node {node} has two parents, {parents[node]} and {parent}")
        parents[node] = parent
    lines = ["# node type x y z radius parent, in nm"]
    for node, ((z, y, x), parent) in enumerate(zip(skeleton.nodes_nm.tolist(), parents.tolist(), strict=True), 1):
        lines.append(f"{node} 0 {x:.10g} {y:.10g} {z:.10g} 0 {parent + 1 if parent >= 0 else -1}")
    Path(path).write_text("\n".join(lines) + "\n")
