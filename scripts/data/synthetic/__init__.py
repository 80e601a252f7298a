"""A seeded EM-like volume with ground truth, for demos, tests and defaults that need no download.

The generator is imported when it is first used, so that reading a cached volume does not wait for numba.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from scripts.data.synthetic.store import cached_synthetic, save_synthetic

if TYPE_CHECKING:
    from scripts.data.synthetic.volume import synthesize_volume

__all__ = ["cached_synthetic", "save_synthetic", "synthesize_volume"]


def __getattr__(name: str) -> Any:
    if name != "synthesize_volume":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("scripts.data.synthetic.volume"), name)
