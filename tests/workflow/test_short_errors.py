"""The last line of a run that failed: the message of its cause."""

import pytest

from scripts.workflow.short_errors import error_text, root_cause


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("--box 3: give z0:z1"), "--box 3: give z0:z1"),
        (TimeoutError(), "TimeoutError"),  # never an empty line
        (OSError("Caught OSError\nOriginal Traceback (most recent call last):\nOSError: no space"), "no space"),
    ],
)
def test_the_text_of_an_error_is_its_message_or_else_its_kind(error, text):
    assert error_text(error) == text


def test_the_cause_is_the_first_error_that_a_user_can_mend():
    outer = RuntimeError("a component failed")
    outer.__cause__ = OSError("no space left")
    assert str(root_cause(outer)) == "no space left"
    assert isinstance(root_cause(KeyError("a")), KeyError)
