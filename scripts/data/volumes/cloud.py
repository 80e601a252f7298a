"""N5, Neuroglancer precomputed, and Zarr at an address: voxels that tensorstore reads, box by box."""

import functools
import json
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from scripts.data.volumes.chunk_cache import share_of_budget
from scripts.data.volumes.volume import Volume
from scripts.data.volumes.voxel_size import VoxelSize
from scripts.ops.box import Offset3

EXTRA = "pip install 'sem-mae[cloud]'"
RETRIES = {"max_retries": 3, "initial_delay": "200ms", "max_delay": "2s"}
"""Of each request to a server, so that one that is gone is an error within seconds."""
_first_process: int | None = None
"""The process that loaded tensorstore. Its threads do not survive a fork."""


def load_tensorstore(place: str) -> Any:
    """Import tensorstore.

    Args:
        place: the volume that needs it, for the error.

    Raises:
        ImportError: it is not installed.
        RuntimeError: this process was forked from one that had loaded it.
    """
    global _first_process
    if "tensorstore" in sys.modules and _first_process not in (None, os.getpid()):
        raise RuntimeError(
            f"'{place}' is read by tensorstore, which does not survive a fork; start worker processes with "
            "multiprocessing_context='spawn'"
        )
    try:
        import tensorstore
    except ImportError as error:
        raise ImportError(f"'{place}' is read by tensorstore, which is not installed; {EXTRA}") from error
    _first_process = os.getpid()
    return tensorstore


class Remarked(Protocol):
    """The files of chunks in a folder."""

    def remarks(self) -> list[str]:
        """What they lack."""


class Store:
    """The small files beside the chunks of a volume: in a folder, or at an s3, gs, http or https address.

    Args:
        address: folder or address.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self.shown = without_secrets(self.address)
        self._opened: Any = None

    def location(self, inner: str = "") -> Any:
        """The `kvstore` of a tensorstore spec for a path in the store."""
        within = f"{inner.strip('/')}/" if inner.strip("/") else ""
        if self.address.startswith("s3://") and (endpoint := s3_endpoint()):
            bucket, _, path = f"{self.address}/{within}".removeprefix("s3://").partition("/")
            region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
            return {"driver": "s3", "bucket": bucket, "path": path, "endpoint": endpoint, "aws_region": region}
        if "://" in self.address:
            return f"{self.address}/{within}"
        return {"driver": "file", "path": f"{os.path.abspath(self.address)}/{within}"}

    def read(self, key: str) -> bytes | None:
        """Bytes of a file, or None where there is none.

        Raises:
            OSError: the address cannot be reached, or does not let us read.
        """
        tensorstore = load_tensorstore(self.shown)
        try:
            if self._opened is None:
                self._opened = tensorstore.KvStore.open(self.location(), context=_context(os.getpid(), 0)).result()
            result = self._opened.read(key).result()
        except (ValueError, RuntimeError, OSError) as error:
            raise OSError(f"'{self.shown}' cannot be read ({reason(error)}); {remedy(self.address)}") from None
        return result.value if result.state == "value" else None

    def has_any(self, keys: Sequence[str]) -> bool:
        """Whether one of several files is there; reads a byte of each. One whose address is refused is not."""
        if self._opened is None:
            self.read(keys[0])
        asked = [self._opened.read(key, byte_range=slice(0, 1)) for key in keys]
        return any([_there(one) for one in asked])  # noqa: C419 (wait for all)

    def read_json(self, key: str) -> dict[str, Any] | None:
        """A JSON object, or None where there is no such file.

        Raises:
            ValueError: it is not JSON.
            OSError: it cannot be read.
        """
        content = self.read(key)
        if content is None:
            return None
        try:
            found = json.loads(content)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ValueError(f"'{self.shown}': {key} is not a JSON object, it is corrupt or cut off; write it again")
        return found


class CloudVolume(Volume):
    """An array that tensorstore reads. Several chunks are fetched at a time and kept in one cache for the process.

    Args:
        path: how the volume is opened again.
        spec: driver, location and format of the array, as tensorstore takes it.
        axes: for z, y, x the number of the stored axis; the other stored axes have length 1.
        voxel_size_nm: as `Volume`.
        offset_nm: position of the first voxel, (z, y, x) in nm, if stated.
        cache_mib: budget of decoded chunks in MiB for the whole run.
    """

    fork_safe = False

    def __init__(
        self,
        path: str,
        spec: dict[str, Any],
        axes: Sequence[int],
        voxel_size_nm: Sequence[float] | None,
        offset_nm: VoxelSize | None,
        cache_mib: float,
    ) -> None:
        self._spec, self._axes, self.cache_mib = spec, tuple(axes), cache_mib
        self.path = path
        array = self._array()
        shape = [array.shape[axis] for axis in self._axes]
        super().__init__(path, shape, array.dtype.numpy_dtype, voxel_size_nm)
        self.offset_nm = offset_nm
        self.noted: list[str] = []
        self.files: Remarked | None = None

    def remarks(self) -> list[str]:
        """What was noted when it was opened, and chunks of a folder that were never written."""
        return self.noted + (self.files.remarks() if self.files is not None else [])

    def _array(self) -> Any:
        """The array with every axis from 0 on."""
        tensorstore = load_tensorstore(self.path)
        limit = share_of_budget(self.cache_mib)
        try:
            array = tensorstore.open(self._spec, open=True, read=True, context=_context(os.getpid(), limit)).result()
        except (ValueError, RuntimeError, OSError, NotImplementedError) as error:
            raise ValueError(
                f"'{self.path}' cannot be opened as {self._spec['driver']} ({reason(error)}); check how it was written"
            ) from None
        return array[tensorstore.d[:].translate_to[0]]

    def _open(self, inherited: Any) -> Any:
        return self._array()

    def _read(self, low: Offset3, high: Offset3) -> np.ndarray:
        array = self._opened()
        index: list[Any] = [0] * array.rank
        for axis, first, last in zip(self._axes, low, high, strict=True):
            index[axis] = slice(first, last)
        try:
            block = array[tuple(index)].read().result()
        except (ValueError, RuntimeError, OSError) as error:
            box = ",".join(f"{first}:{last}" for first, last in zip(low, high, strict=True))
            raise OSError(
                f"'{self.path}': the chunks of box {box} (z, y, x) cannot be read ({reason(error)}); write or copy "
                "them again, or check the connection"
            ) from None
        stored = sorted(self._axes)
        return np.ascontiguousarray(block.transpose([stored.index(axis) for axis in self._axes]), dtype=self.dtype)


def s3_endpoint() -> str | None:
    """Address of the S3 server where it is not Amazon's, such as a MinIO, by the names that the AWS tools read."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def _there(asked: Any) -> bool:
    try:
        return bool(asked.result().state == "value")
    except (ValueError, RuntimeError, OSError):
        return False


def reason(error: Exception) -> str:
    """What tensorstore reports, without addresses, credentials and source locations."""
    text = re.sub(
        r"\s*\[[^\[\]]*\]|\s*\[(tensorstore_spec|domain|source locations)=.*", "", str(error), flags=re.DOTALL
    )
    text = re.sub(r"(?:[a-z0-9]+://|kvstore:)\S*|\"[^\"]*://[^\"]*\"", "the address", text)
    return " ".join(text.split())[:200]


def without_secrets(address: str) -> str:
    """An address without user, password and query, which may hold a key."""
    parts = re.match(r"((?:\w+://)+)(?:[^/?#]*@)?([^?#]*)", address)
    return address if parts is None else parts[1] + parts[2]


def remedy(address: str) -> str:
    """What to check where an address cannot be read."""
    if address.startswith("s3://"):
        server = ", AWS_ENDPOINT_URL" if s3_endpoint() else ""
        return f"check bucket{server} and region, and set AWS_ACCESS_KEY_ID or AWS_PROFILE where it is not public"
    if address.startswith("gs://"):
        return "check the bucket, and set GOOGLE_APPLICATION_CREDENTIALS where it is not public"
    return "check the address and the connection" if "://" in address else "check the permissions of the folder"


@functools.lru_cache(maxsize=8)
def _context(process: int, cache_bytes: int) -> Any:
    """One cache and one way to connect for the volumes of a process."""
    import tensorstore

    settings: dict[str, Any] = {
        "cache_pool": {"total_bytes_limit": cache_bytes},
        "http_request_retries": RETRIES,
        "s3_request_retries": RETRIES,
        "gcs_request_retries": RETRIES,
    }
    kind = "anonymous"
    if "AWS_ACCESS_KEY_ID" in os.environ:
        kind = "environment"  # the default searches files too, and prints lines where there are none
    elif {"AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"} & set(os.environ) or os.path.exists(
        os.path.expanduser("~/.aws")
    ):
        kind = "default"
    settings["aws_credentials"] = {"type": kind}
    return tensorstore.Context(settings)
