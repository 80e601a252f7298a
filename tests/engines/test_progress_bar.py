"""Progress is a bar on a terminal, and readable lines elsewhere."""

import io

from scripts.engines.progress_bar import ProgressBar


class Terminal(io.StringIO):
    """A stream that reports a terminal."""

    def isatty(self) -> bool:
        return True


def test_elsewhere_a_line_is_printed_when_due_or_at_once():
    stream = io.StringIO()
    bar = ProgressBar(10, every_seconds=3600, stream=stream)
    for number in range(10):
        bar.update(1, lambda number=number: f"{number + 1} of 10", now=number == 9)
    bar.close()
    assert stream.getvalue() == "10 of 10\n"
    frequent = ProgressBar(2, every_seconds=0, stream=stream)
    frequent.update(1, lambda: "1 of 2")
    assert stream.getvalue().endswith("1 of 2\n")


def test_on_a_terminal_a_bar_shows_the_state_and_lines_come_above_it():
    stream = Terminal()
    bar = ProgressBar(10, done=4, stream=stream)
    assert bar.is_terminal
    bar.update(6, lambda: "never printed", state="loss 0.5")
    bar.write("above")
    bar.close()
    shown = stream.getvalue()
    assert "10/10" in shown
    assert "loss 0.5" in shown
    assert "above\n" in shown
    assert "never printed" not in shown
