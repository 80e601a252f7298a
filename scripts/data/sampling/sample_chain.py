"""A chain of transforms that is run for one sample at a time, all of its random steps on the sample's own stream."""

from collections.abc import Callable
from typing import Any

import numpy as np
from monai.transforms import Compose, LazyTrait, Randomizable, apply_transform


class SampleChain:
    """Run a transform, usually MONAI's `Compose`, so that what it draws depends on the given stream alone.

    All random steps draw from the one stream in the order of the chain. `Compose.set_random_state` would make a
    generator for each, at 0.14 ms apiece; and its loop over the steps costs as much as our steps do, so a plain
    chain is run here.

    Args:
        transform: a callable on an item, or None.
    """

    def __init__(self, transform: Callable[[Any], Any] | None) -> None:
        self.steps = _steps(transform)
        self._random = _randomizables(transform)

    def __call__(self, item: Any, stream: np.random.RandomState) -> Any:
        """The item after all steps.

        Raises:
            ValueError: a step refused the item; also where MONAI raises RuntimeError for it.
        """
        for transform in self._random:
            if isinstance(transform, Compose):  # its children are in the list themselves
                Randomizable.set_random_state(transform, state=stream)
            else:
                transform.set_random_state(state=stream)
        try:
            for step in self.steps:
                item = step(item) if isinstance(item, dict) else apply_transform(step, item)
            return item
        except RuntimeError as error:
            cause: BaseException = error
            while isinstance(cause, RuntimeError) and cause.__cause__ is not None:
                cause = cause.__cause__
            if isinstance(cause, ValueError):
                raise type(cause)(str(cause)) from error
            raise


def _steps(transform: Any) -> list[Callable[[Any], Any]]:
    if transform is None:
        return []
    if type(transform) is not Compose or transform.lazy or any(_is_lazy(step) for step in transform.transforms):
        return [transform]
    return [found for step in transform.transforms for found in _steps(step)]


def _is_lazy(step: Any) -> bool:
    return isinstance(step, LazyTrait) and bool(step.lazy)


def _randomizables(transform: Any) -> list[Randomizable]:
    """All in a chain that draw, in order."""
    children = transform.transforms if isinstance(transform, Compose) else ()
    own = [transform] if isinstance(transform, Randomizable) else []
    return own + [found for child in children for found in _randomizables(child)]
