"""Start processes from one that has imported what they need, instead of each on its own."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Variables that dask sets for its workers, each where it has no value."""


def start_fork_server(modules: Sequence[str]) -> bool:
    """Start the process that others are forked from; it imports while this one continues, and ends with it.

    Ctrl-C in a terminal reaches this process alone, which stops the others. Where the process runs already, it is kept
    as it is. A module that cannot be imported is left to the forked processes.

    Args:
        modules: what to import. None may start threads, which a fork does not copy.

    Returns:
        Whether there is one: False where the system cannot fork, as Windows.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return False
    forkserver.set_forkserver_preload(list(modules))
    with _defaults(ONE_THREAD), _interrupts_ignored():
        forkserver.ensure_running()
    return True


@contextmanager
def _defaults(variables: dict[str, str]) -> Iterator[None]:
    """Set variables of the environment that have no value, for a while."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ignore Ctrl-C for a while, in the main thread; processes started meanwhile ignore it for good."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
