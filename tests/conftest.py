"""Load ignite once with its own warning aside, and show in each test what the project logs."""

import logging
import warnings

import pytest

from scripts.messages import show_messages

with warnings.catch_warnings():  # ignite imports torch's scripted optimizers, which torch calls deprecated
    warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
    import ignite.engine  # noqa: F401


@pytest.fixture(autouse=True)
def _messages_on_standard_output():
    """As a command shows them, also after a test whose run configured logging; pytest's own handler gets them too."""
    logger = logging.getLogger("scripts")
    logger.handlers.clear()
    show_messages()
    logger.propagate = True
