"""Show on the terminal what the project logs and why a command failed, as plain lines."""

import logging


class TerminalHandler(logging.Handler):
    """Print each message on what is standard output at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the message without level, name or time; a closed output raises as from `print`."""
        print(self.format(record), flush=True)


def one_line(text: str) -> str:
    """A message on one line; characters that a terminal would obey instead of print, as from the name of a file, become
    escapes.

    Example:
        >>> one_line("cannot read\\n'\\x1b[31mmy.h5'")
        "cannot read '\\\\x1b[31mmy.h5'"
    """
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in line)


def show_messages() -> None:
    """Show messages from level INFO, unless a configuration of logging, such as a bundle's logging.conf, does."""
    logger = logging.getLogger("scripts")
    if not logger.handlers:
        logger.addHandler(TerminalHandler())
        logger.setLevel(logging.INFO)
        logger.propagate = False
