"""`edits.json`: merges and splits of a segmentation, made by hand or in the viewer."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.ops.decoding.edits import Edit, Point

MERGES, SPLITS = "merges", "splits"
"""Layers of the viewer in which a line from one point to another is an edit."""


def decode_hash(decoder: str, settings: Mapping[str, Any], box: str) -> str:
    """Twelve characters that name a decode: edits by ids fit no other one."""
    content = json.dumps([decoder, dict(settings), box], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def read_edits(path: str | os.PathLike[str], decode: str, offset: Sequence[int] = (0, 0, 0)) -> list[Edit]:
    """The edits of a file, in voxels of the box that was decoded.

    The file holds {"decode": hash, "edits": [{"merge": [[z, y, x], [z, y, x]]}, {"merge": [id, id]},
    {"split": [[z, y, x], [z, y, x]]}]}, points in voxels of the volume. `decode` may be left out where all sides are
    points.

    Args:
        path: the file.
        decode: hash of the segmentation that they are for.
        offset: first voxel (z, y, x) of the box.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not JSON of this form, of another decode, or ids without the hash.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no file of edits '{path}'")
    try:
        content = json.loads(Path(path).read_text())
        listed, made_for = content["edits"], content.get("decode")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"'{path}' is not JSON of the form {{\"edits\": [...]}} ({' '.join(str(error).split())[:120]}); fix or "
            "write it again"
        ) from None
    if not isinstance(listed, list):
        raise ValueError(f"'{path}': \"edits\" is {_shown(listed)}, not a list; fix or write it again")
    if made_for is not None and made_for != decode:
        raise ValueError(
            f"'{path}' has edits of the decode {_shown(made_for)}, this one is {decode}; decode with the settings and "
            'the box of then, or leave "decode" out where all edits are by points'
        )
    edits = [_edit(one, number, str(path), offset) for number, one in enumerate(listed, 1)]
    if made_for is None and any(isinstance(edit.first, int) or isinstance(edit.second, int) for edit in edits):
        raise ValueError(f'\'{path}\' has edits by ids and no "decode"; add "decode": "{decode}", or give points')
    return edits


def edits_of_state(state: Mapping[str, Any], decode: str | None) -> dict[str, Any]:
    """What the user did in the viewer, as the content of an edits file.

    Taken are the segments that the merge tool of Neuroglancer joined (`equivalences`), and lines from point to point in
    the layers `merges` and `splits`.

    Args:
        state: of the viewer, as JSON.
        decode: hash of the instances that were shown, if they state it.
    """
    edits: list[dict[str, Any]] = []
    for layer in state.get("layers", ()):
        for group in layer.get("equivalences", ()):
            ids = [int(one) for one in group]
            edits += [{"merge": [ids[0], other]} for other in ids[1:]]
        if layer.get("name") in (MERGES, SPLITS):
            kind = "merge" if layer["name"] == MERGES else "split"
            for line in layer.get("annotations", ()):
                if line.get("type") == "line":
                    edits.append({kind: [[int(at) for at in reversed(line[end])] for end in ("pointA", "pointB")]})
    return {"decode": decode, "edits": edits}


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _edit(one: Any, number: int, path: str, offset: Sequence[int]) -> Edit:
    if not isinstance(one, Mapping) or len(one) != 1 or next(iter(one)) not in ("merge", "split"):
        raise ValueError(
            f'\'{path}\', edit {number}: {_shown(one)} is neither {{"merge": [a, b]}} nor {{"split": [a, b]}}'
        )
    kind, sides = next(iter(one.items()))
    if not isinstance(sides, Sequence) or len(sides) != 2:
        raise ValueError(f"'{path}', edit {number}: {_shown(sides)} are not two sides, each a point [z, y, x] or an id")
    first, second = (_side(side, number, path, offset) for side in sides)
    return Edit(kind, first, second)


def _side(side: Any, number: int, path: str, offset: Sequence[int]) -> Point | int:
    if isinstance(side, int) and not isinstance(side, bool):
        return side
    if isinstance(side, list) and len(side) == 3 and all(isinstance(at, int) and abs(at) < 2**62 for at in side):
        z, y, x = (at - low for at, low in zip(side, offset, strict=True))
        return z, y, x
    raise ValueError(f"'{path}', edit {number}: {_shown(side)} is neither a point [z, y, x] of whole voxels nor an id")
