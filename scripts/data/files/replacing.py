"""Write a file under a temporary name and rename it when it is complete; report a full disk with path and remedy."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPORTED = "no space left for"
"""How the message begins that names path and remedy."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a write for which there is no space: disk full, quota used up, file too large for the file system."""


@contextmanager
def replacing(path: str | os.PathLike[str], overwrite: bool = False, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary name beside `path`; it becomes `path` when the block completes and is removed otherwise.

    Args:
        path: of the file; missing folders are made.
        overwrite: replace an earlier file, which stays as it is until the new one is complete.
        durable: force the file to disk before it is renamed, so that a power cut leaves the old file or the new one.

    Raises:
        FileExistsError: `path` exists, or appeared while the block ran, and `overwrite` is False.
        OSError: no space is left; an earlier file at `path` is as it was.

    Example::

        with replacing("scores.json", overwrite=True) as partial:
            partial.write_text(text)
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(
            f"'{path}' exists and is left as it is; choose another name, or overwrite it (--overwrite)"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        if durable:
            _synchronise(partial)
        if overwrite:
            os.replace(partial, path)
        else:
            _rename_if_absent(partial, path)
        if durable:
            _synchronise(path.parent)
    except (OSError, RuntimeError) as error:  # h5py and torch turn a failed write into a RuntimeError
        if not is_full(error):
            raise
        written = partial.stat().st_size if partial.exists() else 0
        raise full_disk_error(path, f"{written:,} bytes were written") from error
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def full_disk_reported(path: str | os.PathLike[str], remedy: str = "") -> Iterator[None]:
    """Give the error of a full disk path, free bytes and remedy, whatever in the block writes.

    Args:
        path: what is written.
        remedy: what is kept, or what else the user can do.

    Raises:
        OSError: no space is left.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        if not is_full(error) or str(error.args[-1:]).find(REPORTED) >= 0:
            raise
        raise full_disk_error(Path(path), remedy=remedy) from error


def is_full(error: BaseException) -> bool:
    """Return whether a write failed because there is no space."""
    return getattr(error, "errno", None) in FULL or "No space left" in str(error)


def full_disk_error(path: Path, state: str = "", remedy: str = "") -> OSError:
    """Return the error of a full disk: the path, the bytes free, and what to do.

    Args:
        path: of the file that could not be written.
        state: what was written or is kept.
        remedy: what else the user can do.
    """
    folder = next((parent for parent in (path.parent, *path.parent.parents) if parent.exists()), Path("."))
    free = shutil.disk_usage(folder).free
    facts = ", ".join(fact for fact in (state, f"{free:,} bytes are free") if fact)
    return OSError(
        errno.ENOSPC,
        f"{REPORTED} '{path}': {facts}; make space in '{folder}' or write elsewhere"
        + (f". {remedy}" if remedy else ""),
    )


def _rename_if_absent(partial: Path, path: Path) -> None:
    """Give a complete file its name, unless another process took the name meanwhile."""
    try:
        os.link(partial, path)  # fails where the name is taken; a rename would replace it
    except FileExistsError:
        raise FileExistsError(
            f"'{path}' appeared while it was being written here, and is left as it is; choose another name, or "
            "overwrite it (--overwrite)"
        ) from None
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError(f"'{path}' appeared while it was being written here; choose another name") from None
        os.replace(partial, path)


def _synchronise(path: Path) -> None:
    """Force a file, or the entries of a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
