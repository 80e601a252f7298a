"""Inference, decoding and scoring of volumes larger than memory, block by block, with the bits of one process.

What configs name is imported when it is first used, so that decoding does not wait for MONAI.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scripts.blockwise.prediction_choice import prediction_writer

__all__ = ["DECODING", "prediction_writer"]

DECODING = ("distributed", "scripts.blockwise.decode", "scripts.blockwise.compiled_tables")
"""Modules that workers of this machine import before they decode, once for all of them."""

_WHEN_ASKED = {"prediction_writer": "scripts.blockwise.prediction_choice"}


def __getattr__(name: str) -> Any:
    if name not in _WHEN_ASKED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHEN_ASKED[name]), name)
