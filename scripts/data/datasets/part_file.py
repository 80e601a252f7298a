"""The part of a download that has arrived, with a note on which file it is of."""

import http.client
import json
import os
import shutil
from email.message import Message
from pathlib import Path
from typing import Any

from tqdm import tqdm

from scripts.data.datasets.checksum import BLOCK


class InterruptedDownloadError(Exception):
    """The connection ended early or the server is busy; what arrived is kept and the rest can be requested."""


class PartFile:
    """`NAME.part` beside the final file, and `NAME.part.json` with the address and the state of the file it is of.

    Args:
        target: the final path.
    """

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(target.name + ".part")
        self._noted = self.path.with_name(self.path.name + ".json")

    @property
    def length(self) -> int:
        """Bytes that have arrived."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def notes(self) -> dict[str, Any]:
        """What was noted: "url", "validator" for `If-Range`, "total" bytes; empty where nothing readable was."""
        try:
            notes = json.loads(self._noted.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return notes if isinstance(notes, dict) else {}

    def note(self, url: str, headers: Message, total: int | None) -> None:
        """Remember which file the part is of. `If-Range` may not carry a weak ETag (RFC 9110, 13.1.5)."""
        tag = headers.get("ETag", "")
        validator = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")
        self._noted.write_text(json.dumps({"url": url, "validator": validator, "total": total}))

    def rename(self, target: Path) -> None:
        """Give the part another name, and remove the note."""
        os.replace(self.path, target)
        self._noted.unlink(missing_ok=True)

    def check_space(self, wanted: int | None) -> None:
        """Raise OSError where fewer bytes are free than are still to come."""
        free = shutil.disk_usage(self.path.parent).free
        if wanted is not None and wanted > free:
            raise OSError(
                f"{self.path.parent.resolve()}: {_mib(wanted)} are still to come, {_mib(free)} are free; "
                "free some space or choose another folder (--out, or SEM_DATA_HOME)"
            )

    def receive(self, answer: Any, resumed: bool, bar: "tqdm[Any]", most: int | None) -> int:
        """Write what a server sends, behind what is there if resumed.

        Args:
            answer: of the server.
            resumed: whether the server continues the part.
            bar: shows the bytes.
            most: bytes that are expected at most.

        Returns:
            Bytes written: all that the server sends, or up to the block that exceeds `most`.

        Raises:
            InterruptedDownloadError: the connection broke.
            OSError: no space.
        """
        count = 0
        with open(self.path, "ab" if resumed else "wb", buffering=0) as file:
            while most is None or count <= most:
                try:
                    block = memoryview(answer.read(BLOCK))
                except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
                    raise InterruptedDownloadError(f"the connection broke ({error})") from error
                if not block:
                    break
                try:
                    while block:
                        written = file.write(block)
                        count += written
                        bar.update(written)
                        block = block[written:]
                except OSError as error:
                    raise OSError(
                        f"{self.path}: {error.strerror} at {_mib(self.length)}; free some space and give the same "
                        "command again, it resumes from there"
                    ) from error
            os.fsync(file.fileno())
        return count


def _mib(count: int) -> str:
    return f"{count / 2**20:,.0f} MiB"
