"""Lines of commands and runs appear once, on standard output, whoever configured logging."""

import io
import logging
from logging.config import fileConfig
from pathlib import Path

import pytest

from scripts.messages import show_messages

BUNDLES = Path(__file__).parents[2] / "bundles"
LOGGER = logging.getLogger("scripts.engines.some_module")


@pytest.fixture(autouse=True)
def _unconfigured():
    """Logging as in a new process; the root has a handler of its own, as a library may set one."""
    own, root = logging.getLogger("scripts"), logging.getLogger()
    before = root.handlers[:], root.level, own.level
    own.handlers.clear()
    own.setLevel(logging.NOTSET)
    yield
    root.handlers[:], root.level = before[:2]
    own.handlers.clear()
    own.setLevel(before[2])


@pytest.mark.parametrize("configs", sorted(BUNDLES.glob("*/configs/logging.conf")), ids=lambda path: path.parts[-3])
def test_a_bundle_run_shows_a_line_and_a_warning_once(configs, capfd):
    fileConfig(configs, disable_existing_loggers=False)  # as MONAI does before it reads a config
    show_messages()
    LOGGER.info("predicting 1 of 2")
    LOGGER.warning("section 3 is blank")
    assert capfd.readouterr() == ("predicting 1 of 2\nsection 3 is blank\n", "")


def test_without_a_configuration_a_line_is_shown_once_on_the_present_output(capsys):
    logging.getLogger().addHandler(logging.StreamHandler(io.StringIO()))
    show_messages()
    show_messages()
    LOGGER.info("100 % of the blocks, {}")
    assert capsys.readouterr() == ("100 % of the blocks, {}\n", "")


def test_a_program_that_uses_the_library_gets_warnings_only(capsys):
    LOGGER.info("encoder: from scratch")
    assert capsys.readouterr().out == ""
