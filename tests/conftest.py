"""Load ignite once without its own warning, show the log of the project in each test, and add up campaigns."""

import logging
import warnings
from collections import Counter

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


OUTCOMES = ("refused", "usable", "trace", "wrong")
"""One line names the cause; the value or file does no harm; another error; accepted, and not what was given."""


@pytest.fixture
def campaign(record_property):
    """`campaign(name, counts)` adds counts of `OUTCOMES` to a table that is printed at the end of the run."""

    def record(name, counts):
        assert set(counts) <= set(OUTCOMES), counts
        record_property("campaign", (name, dict(counts)))

    return record


def pytest_terminal_summary(terminalreporter):
    """Print how many wrong values and damaged files were tried, and how they ended."""
    totals = {}
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for key, value in report.user_properties:
            if key == "campaign" and report.when == "call":
                totals.setdefault(value[0], Counter()).update(value[1])
    if totals:
        terminalreporter.section("campaigns")
        terminalreporter.write_line(f"{'':<32}{'tried':>8}" + "".join(f"{name:>9}" for name in OUTCOMES))
    for name, counts in sorted(totals.items()):
        numbers = "".join(f"{counts[outcome]:>9,}" for outcome in OUTCOMES)
        terminalreporter.write_line(f"{name:<32}{sum(counts.values()):>8,}{numbers}")
