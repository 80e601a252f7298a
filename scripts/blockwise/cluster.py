"""Run a task for every block on dask: workers on this machine, or those of any cluster."""

import hashlib
import importlib
import itertools
import json
import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from scripts import __version__
from scripts.blockwise.workers import TRIES, BlockError, Task, ThisProcess, Workers, failure
from scripts.engines.fork_server import start_fork_server

IN_FLIGHT = 4
"""Tasks a worker is given at most, with those that wait; so a failure is noticed early."""
PATIENCE = "20s"
PYTHON = "python -m dask"
"""The command `dask` does not look for code in the folder where it is started."""
CONNECT = 5.0
"""Seconds in which a scheduler must accept a connection."""
QUIET = {
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.scheduler.allowed-failures": TRIES - 1,
    "distributed.scheduler.worker-saturation": 1.0,  # a block that waits on a worker that ends would count as failed
    "distributed.comm.timeouts.connect": PATIENCE,
    # What dask measures for its dashboard: a tenth of a core for two workers.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.cycle": "10s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.scheduler.active-memory-manager.start": False,
    # With this variable glibc maps every array anew, and the system clears its pages: a tenth of the CPU time.
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
}
"""Arrays go through files, so workers keep nothing that could be spilled."""


@contextmanager
def open_workers(
    workers: int | None = None,
    scheduler: str | None = None,
    scheduler_file: str | None = None,
    modules: Sequence[str] = (),
) -> Iterator[Workers]:
    """This process without any of the three (or with one worker), else dask.

    Args:
        workers: processes to start on this machine.
        scheduler: address of a running scheduler, such as tcp://head:8786.
        scheduler_file: the file that `dask scheduler --scheduler-file` writes.
        modules: what processes of this machine are forked with, see `start_fork_server`; without any, each starts on
            its own.

    Raises:
        ValueError: more than one of them, or fewer than one worker.
        ImportError: dask is not installed.
        OSError: no scheduler answers.
    """
    given = [name for name, value in (("--workers", workers), ("--scheduler", scheduler)) if value is not None]
    given += ["--scheduler_file"] if scheduler_file is not None else []
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)}: give one of them")
    if workers is not None and workers < 1:
        raise ValueError(f"--workers {workers}: give 1 or more")
    if not given or workers == 1:
        yield ThisProcess()
        return
    forked = workers is not None and bool(modules) and start_fork_server(modules)
    dask, distributed = _libraries()
    if forked:  # the steps of the volume need them as well, and this process waits for the workers
        Thread(target=lambda: list(map(importlib.import_module, modules)), daemon=True).start()
    with dask.config.set(QUIET | {"distributed.worker.multiprocessing-method": "forkserver" if forked else "spawn"}):
        if workers is not None:
            with _local_cluster(distributed, workers) as cluster, distributed.Client(cluster) as client:
                yield DaskWorkers(client)
        else:
            with _connected(distributed, scheduler, scheduler_file) as client:
                yield DaskWorkers(client)


@contextmanager
def _local_cluster(distributed: Any, workers: int) -> Iterator[Any]:
    """Workers on this machine; one that takes long to end is no error and worth no warning, as its tasks are over."""
    cluster = distributed.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0")
    try:
        yield cluster
    finally:
        nanny = logging.getLogger("distributed.nanny")
        level = nanny.level
        nanny.setLevel(logging.ERROR)
        try:
            with suppress(TimeoutError):
                cluster.close()
        finally:
            nanny.setLevel(level)


@dataclass(frozen=True)
class DaskWorkers:
    """The workers that a dask client sees."""

    client: Any

    def check(self, folder: Path, files: Sequence[str]) -> None:
        """Run a probe on the scheduler and on every worker: the same version of this package, and the same files.

        Args:
            folder: where workers write.
            files: volumes that they read.

        Raises:
            ValueError: no workers, or what is wrong with one of them or with the scheduler.
        """
        _, distributed = _libraries()
        try:
            of_scheduler = self.client.run_on_scheduler(version)  # it reads tasks, and so needs the code
        except ImportError as error:
            raise ValueError(
                f"the scheduler does not find the project's code ({error}); start it by `{PYTHON} scheduler` in the "
                "project's folder"
            ) from error
        if of_scheduler != __version__:
            raise ValueError(
                f"the scheduler has version {of_scheduler}, this process {__version__}; start it from the same code"
            )
        try:
            self.client.wait_for_workers(1, timeout=PATIENCE)
        except (TimeoutError, distributed.TimeoutError) as error:
            raise ValueError(
                f"the scheduler has no workers after {PATIENCE}; start some by `{PYTHON} worker ADDRESS` in the "
                "project's folder"
            ) from error
        expected = probe(str(folder), list(files))
        for worker, found in self.client.run(probe, str(folder), list(files), on_error="return").items():
            if isinstance(found, BaseException):
                raise ValueError(
                    f"worker {worker} does not run the project's code or see its files ({type(found).__name__}: "
                    f"{found}); start it by `{PYTHON} worker` in the project's folder, where '{folder}' can be written"
                )
            if found != expected:
                raise ValueError(
                    f"worker {worker} has version and files {found}, this process {expected}; start workers from the "
                    "same code, with the same files"
                )

    def run(self, task: Task, folder: Path, numbers: Sequence[int]) -> Iterator[tuple[int, Any]]:
        """See `Workers`; a block is tried twice, on any worker."""
        _, distributed = _libraries()
        room = IN_FLIGHT * max(1, self.count)
        waiting = iter(numbers)
        number_of: dict[str, int] = {}
        completed = distributed.as_completed()
        limit = self._limit_gib()

        def submit(number: int) -> None:
            future = self.client.submit(task, folder, number, pure=False, retries=TRIES - 1)
            number_of[future.key] = number
            completed.add(future)

        for number in itertools.islice(waiting, room):
            submit(number)
        for future in completed:
            number = number_of.pop(future.key)
            if future.status != "finished":
                raise BlockError(failure(folder, number, future.exception(), TRIES, limit))
            yield number, future.result()
            for following in itertools.islice(waiting, 1):
                submit(following)

    @property
    def count(self) -> int:
        """How many workers there are now."""
        return len(self.client.scheduler_info(n_workers=-1)["workers"])

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function on a worker, once; returns the future of its result."""
        return self.client.submit(function, *arguments, pure=False, retries=0)

    def wait_for_any(self, futures: Sequence[Any]) -> list[Any]:
        """Wait until one or more of the futures have ended, well or not, and return these."""
        _, distributed = _libraries()
        return list(distributed.wait(list(futures), return_when="FIRST_COMPLETED").done)

    def _limit_gib(self) -> float | None:
        """Memory that every worker may take, or None where one has no limit."""
        workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
        limits = [worker["memory_limit"] for worker in workers]
        return min(limits) / 2**30 if limits and all(limits) else None


def version() -> str:
    """The version of this package that another process imports."""
    return __version__


def probe(folder: str, files: list[str]) -> list[str]:
    """What a worker sees: its version, and a mark of each file; it also writes into the folder.

    Raises:
        OSError: a file is not there, or the folder cannot be written.
    """
    touched = Path(folder) / f".probe.{os.uname().nodename}.{os.getpid()}"
    touched.touch()
    touched.unlink()
    return [__version__, *map(_mark, files)]


def _mark(path: str) -> str:
    """Size of a file, or the metadata of a folder, as a short hash."""
    file = Path(path if Path(path).exists() else path.rpartition(":")[0] or path)
    if not file.is_dir():
        return str(file.stat().st_size)
    notes = [file / name for name in ("zarr.json", ".zarray", ".zgroup", ".zattrs") if (file / name).exists()]
    return hashlib.sha256(b"".join(note.read_bytes() for note in notes)).hexdigest()[:16]


def _connected(distributed: Any, scheduler: str | None, scheduler_file: str | None) -> Any:
    place = scheduler or f"the scheduler of '{scheduler_file}'"
    if scheduler_file is not None and not Path(scheduler_file).exists():
        raise FileNotFoundError(f"scheduler file '{scheduler_file}' does not exist; `{PYTHON} scheduler` writes it")
    try:
        _reach(scheduler or str(json.loads(Path(str(scheduler_file)).read_text())["address"]))
        return distributed.Client(scheduler, scheduler_file=scheduler_file, timeout=PATIENCE)
    except (OSError, TimeoutError, ValueError, KeyError) as error:
        raise OSError(
            f"{place} does not answer ({error}); start it by `{PYTHON} scheduler` in the project's folder, or "
            "check its address"
        ) from error


def _reach(address: str) -> None:
    """Raise OSError at once where nothing answers at tcp://host:port; dask would try again and again."""
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    if parts.scheme in ("tcp", "tls") and parts.hostname and parts.port:
        socket.create_connection((parts.hostname, parts.port), timeout=CONNECT).close()


def _libraries() -> tuple[Any, Any]:
    try:
        return importlib.import_module("dask"), importlib.import_module("distributed")
    except ImportError as error:
        raise ImportError(f"dask.distributed is not installed ({error}); pip install -e '.[cluster]'") from error
