"""The decoder that a prediction file names: what inference and evaluation noted beside the maps."""

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

from scripts.ops.decoding.decoders import DECODERS

ENDINGS = (".h5", ".hdf5", ".hdf")


def decoder_metadata(pred: str) -> tuple[str, dict[str, Any]]:
    """Name and settings of the decoder that was chosen on the validation box of the network that predicted.

    They are attributes of the file or group: `decoder`, with the settings in `decoder_settings`, as inference writes
    them; or both in `decoder`, as evaluation does.

    Args:
        pred: `file.h5`, `file.h5:dataset`, `x.zarr` or `x.zarr:array`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it names no decoder, or in words that cannot be read.
    """
    file = str(pred).partition(":")[0]
    if not Path(file).exists():
        raise FileNotFoundError(f"prediction '{file}' does not exist")
    noted = _attributes(file)
    try:
        if "decoder_settings" in noted:
            return str(noted["decoder"]), _mapping(noted["decoder_settings"])
        whole = _mapping(noted.get("decoder", "{}"))
        if set(whole) == {"name", "settings"}:
            return str(whole["name"]), dict(whole["settings"])
    except (KeyError, TypeError, ValueError, SyntaxError) as error:
        raise ValueError(f"'{file}' names its decoder in words that cannot be read ({error}); {_remedy()}") from error
    raise ValueError(f"'{file}' does not name the decoder of its maps; {_remedy()}")


def _attributes(file: str) -> Mapping[str, Any]:
    if file.endswith(ENDINGS):
        with h5py.File(file, "r") as opened:
            return dict(opened.attrs)
    if file.rstrip("/").endswith(".zarr"):
        import zarr

        return dict(zarr.open(file, mode="r").attrs)
    return {}


def _mapping(text: str) -> dict[str, Any]:
    """JSON, or the form in which Python prints a dictionary."""
    try:
        found = json.loads(text)
    except ValueError:
        found = ast.literal_eval(text)
    return dict(found)


def _remedy() -> str:
    return f"choose one with --decoder: {', '.join(DECODERS)}"
