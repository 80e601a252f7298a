"""Calls made one after the other in a thread, so that writing goes on beside the network."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class BackgroundWriter:
    """Do what is asked in order, in one thread; nothing more after an error, which the next call or `close` raises.

    Args:
        ahead: calls that may wait; asking for more waits for the first of them.
    """

    def __init__(self, ahead: int = 4) -> None:
        self.ahead = ahead
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writing")
        self._asked: deque[Future[None]] = deque()
        self._failed = False

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Ask for `function(*arguments)`.

        Raises:
            Exception: whatever an earlier call raised.
        """
        while len(self._asked) >= self.ahead or (self._asked and self._asked[0].done()):
            self._asked.popleft().result()
        self._asked.append(self._thread.submit(self._call, function, arguments))

    def close(self) -> None:
        """Wait until all is done.

        Raises:
            Exception: the first that a call raised.
        """
        self._thread.shutdown(wait=True)
        while self._asked:
            self._asked.popleft().result()

    def _call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        if self._failed:
            return
        try:
            function(*arguments)
        except BaseException:
            self._failed = True
            raise
