"""Name the file where a library meets damage: parsers of damaged files raise errors of every kind."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def named_damage(path: str, kind: str, remedy: str = "copy or download it again") -> Iterator[None]:
    """Turn whatever a library raises into one line with the path; errors that name it already pass.

    Args:
        path: of the file or folder.
        kind: of file, such as `HDF5 file`.
        remedy: what the user can do.

    Raises:
        OSError: the file is damaged.
    """
    try:
        yield
    except Exception as error:  # h5py, zarr and their codecs raise RuntimeError, KeyError, TypeError, ...
        named = isinstance(error, ValueError | OSError | ImportError | RuntimeError) and path in str(error)
        if named or isinstance(error, MemoryError):
            raise
        name = "" if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: "
        reason = name + " ".join(str(error).split())[:160]
        raise OSError(f"'{path}' is a damaged {kind} ({reason}); {remedy}") from error
