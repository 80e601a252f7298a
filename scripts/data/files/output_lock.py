"""Let one process at a time write an output: a locked file beside it that names the host and the process."""

import errno
import fcntl
import json
import logging
import os
import socket
import threading
import time
import weakref
from pathlib import Path
from typing import Any

HEARTBEAT = 30.0
"""Seconds between two touches of a lock file, for hosts that cannot see each other's locks."""
EXPIRED = 4 * HEARTBEAT
"""Seconds after which the untouched lock file of another host belongs to a process that ended."""
UNSUPPORTED = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)

logger = logging.getLogger(__name__)
_held: dict[Path, "_Held"] = {}
"""Locks of this process: POSIX locks do not exclude their own process, and closing one descriptor drops them all."""


class OutputLock:
    """Hold the lock of an output until `release`, until this object is deleted, or until the program ends.

    The lock is a POSIX record lock, which the kernel drops when its process ends, however it ends; NFS carries it
    from host to host. Where locks of another host are invisible, a lock file that was touched in the last two minutes
    counts as locked. A file system without locks is reported, and the work continues unlocked.

    Args:
        file: the lock file; its folder is made. It is removed on release.
        output: what is locked, as the user knows it; for messages.

    Raises:
        BlockingIOError: another process writes the output; names its host, its id and its start.

    Example::

        lock = OutputLock(".maps.zarr.lock", "maps.zarr")
        write_maps()
        lock.release()
    """

    def __init__(self, file: str | os.PathLike[str], output: str | os.PathLike[str]) -> None:
        path = Path(file).absolute()
        if path not in _held:
            _held[path] = _Held(path, str(output))
        _held[path].users += 1
        self._finalizer = weakref.finalize(self, _release, path)

    def release(self) -> None:
        """Remove the lock file and drop the lock; does nothing the second time."""
        self._finalizer()


class _Held:
    """The locked descriptor of a lock file, and how many objects of this process use it."""

    def __init__(self, path: Path, output: str) -> None:
        self.path, self.users, self.process = path, 0, os.getpid()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.descriptor = _locked_descriptor(path, output)
        _refuse_fresh_lock_of_another_host(self.descriptor, path, output)
        note = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, json.dumps(note).encode(), 0)
        self.stopped = threading.Event()
        threading.Thread(target=self._touch, daemon=True, name="output lock").start()

    def close(self) -> None:
        self.stopped.set()
        if os.getpid() == self.process:  # a forked worker has no part in the lock
            self.path.unlink(missing_ok=True)
        os.close(self.descriptor)

    def _touch(self) -> None:
        while not self.stopped.wait(HEARTBEAT):
            try:
                os.utime(self.path)
            except OSError:
                return


def _release(path: Path) -> None:
    held = _held.get(path)
    if held is None:
        return
    held.users -= 1
    if held.users == 0:
        del _held[path]
        held.close()


def _locked_descriptor(path: Path, output: str) -> int:
    """Open and lock the file, again where its last user removed it between the two."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.stat(path), os.fstat(descriptor)):
                return descriptor
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno in UNSUPPORTED:
                logger.warning(
                    "%s: this file system has no locks (%s); make sure yourself that one process writes '%s'",
                    path,
                    error.strerror,
                    output,
                )
                return descriptor
            note = _note(descriptor)
            os.close(descriptor)
            raise _in_use(output, note) from None
        os.close(descriptor)


def _refuse_fresh_lock_of_another_host(descriptor: int, path: Path, output: str) -> None:
    """Report the lock of a process that ended; refuse one that another host touched a moment ago."""
    note = _note(descriptor)
    if not note:
        return
    if note.get("host") != socket.gethostname():
        touched = os.fstat(descriptor).st_mtime
        os.utime(path)  # in the time of the file server, as both hosts' clocks may differ
        age = os.fstat(descriptor).st_mtime - touched
        if age < EXPIRED:
            os.utime(path, (touched, touched))
            os.close(descriptor)
            raise _in_use(output, note, f"; if it was killed, try again in {EXPIRED - age:.0f} s")
    logger.info("lock        %s is of process %s on %s, which ended without removing it", path, *_names(note))


def _in_use(output: str, note: dict[str, Any], more: str = "") -> BlockingIOError:
    pid, host = _names(note)
    since = f" since {note['since']}" if note.get("since") else ""
    return BlockingIOError(
        f"'{output}' is being written by process {pid} on host {host}{since}; wait until it ends or stop it, or "
        f"choose another output{more}"
    )


def _names(note: dict[str, Any]) -> tuple[str, str]:
    return str(note.get("pid", "unknown")), str(note.get("host", "unknown"))


def _note(descriptor: int) -> dict[str, Any]:
    """What the file states about its process; empty where it is new or cannot be read."""
    try:
        note = json.loads(os.pread(descriptor, 4096, 0))
    except ValueError:
        return {}
    return note if isinstance(note, dict) else {}
