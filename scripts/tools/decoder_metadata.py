"""The decoder that a prediction file names: what inference and evaluation noted beside the maps."""

import ast
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scripts.data.files.attributes import attributes
from scripts.data.volumes.open import split_path
from scripts.ops.decoding.decoders import DECODERS
from scripts.ops.decoding.settings import setting_types
from scripts.ops.targets.affinity_convention import convention
from scripts.ops.targets.offset_check import better_offsets

logger = logging.getLogger(__name__)

OFFSET_ATTRIBUTES = ("offsets", "affinity", "affinity_offsets", "neighborhood", "affinity_neighborhood")


def decoder_metadata(pred: str) -> tuple[str, dict[str, Any]]:
    """Name and settings of the decoder that was chosen on the validation box of the network that predicted.

    They are attributes of the file or group: `decoder`, with the settings in `decoder_settings`, as inference writes
    them; or both in `decoder`, as evaluation does.

    Args:
        pred: `file.h5`, `file.h5:dataset`, `x.zarr` or `x.zarr:array`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it names no decoder, or an attribute that cannot be read.
    """
    file = split_path(str(pred))[0]
    if not Path(file).exists():
        raise FileNotFoundError(f"prediction '{file}' does not exist")
    noted = attributes(pred)
    try:
        if "decoder_settings" in noted:
            return str(noted["decoder"]), _mapping(noted["decoder_settings"])
        whole = _mapping(noted.get("decoder", "{}"))
        if set(whole) == {"name", "settings"}:
            return str(whole["name"]), dict(whole["settings"])
    except (KeyError, TypeError, ValueError, SyntaxError, RecursionError, MemoryError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ValueError(f"'{file}' names its decoder by text that cannot be read ({reason}); {_remedy()}") from error
    raise ValueError(f"'{file}' does not name the decoder of its maps; {_remedy()}")


def choose_offsets(pred: str, decoder: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with the offsets that the prediction states, unless offsets are given; prints which are used.

    Offsets are an attribute of the array or its file, one of `OFFSET_ATTRIBUTES`.
    """
    if decoder not in DECODERS or "offsets" not in setting_types(DECODERS[decoder]):
        return settings
    default = getattr(DECODERS[decoder](), "offsets")  # noqa: B009
    stated = None if "offsets" in settings else stated_offsets(pred)
    source = "as given" if "offsets" in settings else "by default" if stated is None else "as the prediction states"
    if stated is not None and convention(stated).offsets != convention(default).offsets:
        settings = {**settings, "offsets": stated}
    used = convention(settings.get("offsets", default)).offsets
    logger.info(f"offsets: {json.dumps(used)} (z, y, x), {source}")
    return settings


def stated_offsets(pred: str) -> tuple[tuple[int, ...], ...] | None:
    """One (z, y, x) step for each channel of a prediction, where its attributes state them.

    Raises:
        ValueError: an attribute of such a name that holds something else.
    """
    noted = attributes(pred)
    found = next((key for key in OFFSET_ATTRIBUTES if noted.get(key) is not None), None)
    if found is None:
        return None
    value = noted[found]
    try:
        value = json.loads(value) if isinstance(value, str) and value[:1] == "[" else value
        return convention(value if isinstance(value, str) else np.asarray(value).tolist()).offsets
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ValueError(f"'{pred}' states offsets that cannot be read ({reason}); give --offsets") from error


def warn_of_offsets(affinities: np.ndarray, decoder: str, settings: Mapping[str, Any]) -> None:
    """Print a line where the affinities fit other offsets clearly better than those that are used."""
    if "offsets" in setting_types(DECODERS[decoder]):
        used = convention(settings.get("offsets", getattr(DECODERS[decoder](), "offsets")))  # noqa: B009
        better = better_offsets(affinities, used) if len(affinities) == used.channels else None
        if better is not None:
            logger.warning(
                f"warning: the affinities contradict these offsets and fit {json.dumps(better)} better; if that is how "
                "they were made, give --offsets"
            )


def _mapping(text: str) -> dict[str, Any]:
    """JSON, or the form in which Python prints a dictionary."""
    try:
        found = json.loads(text)
    except ValueError:
        found = ast.literal_eval(text)
    return dict(found)


def _remedy() -> str:
    return f"choose one with --decoder: {', '.join(DECODERS)}"
