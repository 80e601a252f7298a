"""A handler that other parts of a config refer to by its id."""

from typing import Protocol

from ignite.engine import Engine


class Handler(Protocol):
    """What an engine takes as a handler."""

    def attach(self, engine: Engine) -> None:
        """Add to an engine."""


class Attach:
    """Attach a handler that is defined elsewhere in the config.

    MONAI reads `_target_` of every entry of `train#handlers`, so an entry cannot be a reference such as `@validation`.

    Args:
        handler: attached in this place of the order.

    Example:
        `{"_target_": "scripts.handlers.Attach", "handler": "@validation"}`
    """

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    def attach(self, engine: Engine) -> None:
        """Attach the handler to an engine."""
        self.handler.attach(engine)
