"""Which array of an HDF5 file or a Zarr folder is read: the one that is named, else the only one with enough axes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from scripts.data.volumes.volume import long_axes


class StoredArray(NamedTuple):
    """An array of a file: its path in the file, its shape and the type of its numbers."""

    name: str
    shape: tuple[int, ...]
    dtype: Any

    def __str__(self) -> str:
        return f"{self.name} {self.shape} {self.dtype}"


def choose_array(
    arrays: Sequence[StoredArray], path: str, name: str | None, axes: Sequence[int] = (3,), word: str = "array"
) -> str:
    """The path of the array to read.

    Args:
        arrays: all arrays of the file.
        path: of the file.
        name: path of an array, or of a group that has one such array; None takes the only one of the file.
        axes: how many axes it has, axes of length 1 left out: the first number that any array has decides.
        word: what errors call an array.

    Raises:
        ValueError: no such array, or several to choose from.
    """
    if name is not None and name in [array.name for array in arrays]:
        return name
    inside = [array for array in arrays if name is None or array.name.startswith(f"{name}/")]
    if not inside and (name is not None or not arrays):
        missing = f"no {word} '{name}'" if name is not None else f"no {word}"
        raise ValueError(f"'{path}' has {missing}; there are: {listing(arrays)}")
    for count in axes:
        fitting = [array.name for array in inside if len(long_axes(array.shape, count)) == count]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise ValueError(
                f"'{path}' has {len(fitting)} {count}D {word}s; there are: {listing(inside)}; name one, such as "
                f"'{path}:{fitting[0]}'"
            )
    wanted = " or ".join(f"{count}D" for count in axes)
    raise ValueError(f"'{path}' has no {wanted} {word}; there are: {listing(arrays)}")


def listing(arrays: Sequence[StoredArray]) -> str:
    """`raw (6, 24, 40) uint8, labels (6, 24, 40) uint16`, or `none`."""
    return ", ".join(map(str, sorted(arrays))) or "none"
