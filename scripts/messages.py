"""Show on the terminal what the project logs: progress of commands and runs, as plain lines."""

import logging


class TerminalHandler(logging.Handler):
    """Print each message on what is standard output at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the message without level, name or time; a closed output raises as from `print`."""
        print(self.format(record), flush=True)


def show_messages() -> None:
    """Show messages from level INFO, unless a configuration of logging, such as a bundle's logging.conf, does."""
    logger = logging.getLogger("scripts")
    if not logger.handlers:
        logger.addHandler(TerminalHandler())
        logger.setLevel(logging.INFO)
        logger.propagate = False
