"""Make calls one after the other in a thread, so that writing overlaps with the network."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class BackgroundWriter:
    """Make the calls in order, in one thread; none after an error, which the next call or `close` raises.

    Args:
        ahead: calls that may wait; one more blocks until the first of them is done.
    """

    def __init__(self, ahead: int = 4) -> None:
        self.ahead = ahead
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writing")
        self._queued: deque[Future[None]] = deque()
        self._failed = False

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Queue `function(*arguments)`.

        Raises:
            Exception: whatever an earlier call raised.
        """
        while len(self._queued) >= self.ahead or (self._queued and self._queued[0].done()):
            self._queued.popleft().result()
        self._queued.append(self._thread.submit(self._call, function, arguments))

    def close(self) -> None:
        """Wait until all is done.

        Raises:
            Exception: the first that a call raised.
        """
        self._thread.shutdown(wait=True)
        while self._queued:
            self._queued.popleft().result()

    def _call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        if self._failed:
            return
        try:
            function(*arguments)
        except BaseException:
            self._failed = True
            raise
