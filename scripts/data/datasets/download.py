"""Download one file; a broken connection, a full disk or a wrong file leaves nothing under the final name."""

import http.client
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from tqdm import tqdm

from scripts.data.datasets.checksum import transfer_bar, verify
from scripts.data.datasets.part_file import InterruptedDownloadError, PartFile

PROTOCOLS = ("http", "https")
PERMANENT = {400, 401, 403, 404, 405, 406, 410, 451}
"""HTTP answers that asking again will not change."""


@dataclass(frozen=True)
class Patience:
    """How long to try: calls without a single new byte before giving up, and the waits between them in seconds."""

    tries: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0
    silence: float = 60.0

    def wait(self, failures: int) -> float:
        """Doubles with each failure in a row."""
        return min(self.first_wait * 2 ** (failures - 1), self.longest_wait)


def download(
    url: str,
    target: Path,
    *,
    size: int | None = None,
    md5: str | None = None,
    sha256: str | None = None,
    patience: Patience | None = None,
) -> Path:
    """Bring `url` to `target`, going on from `target.part` if an earlier call left one.

    The rest of a part is requested with `Range`, tied by `If-Range` to the file the part is from where the server names
    it by ETag or date; a server that sends all of it again restarts the part. The part gets its final name only once
    size and checksums agree.

    Args:
        url: http or https address.
        target: final path; its folder is made.
        size: bytes, if known.
        md5: hexadecimal checksum, if known.
        sha256: hexadecimal checksum, if known.
        patience: how often to try again.

    Returns:
        `target`; nothing is downloaded if it is there already and agrees.

    Raises:
        ValueError: size or checksum differ; the wrong file is set aside as `target.wrong`. Where the server announces
            another size, nothing is downloaded.
        OSError: no such address, no connection, no space; what arrived stays in `target.part`.
    """
    if target.exists():
        try:
            verify(target, size, md5, sha256)
        except ValueError as error:
            raise ValueError(f"{error}; remove it to download it again") from None
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = PartFile(target)
    _receive_all(url, part, size, patience or Patience())
    try:
        verify(part.path, size, md5, sha256)
    except ValueError as error:
        wrong = target.with_name(target.name + ".wrong")
        part.rename(wrong)
        raise ValueError(
            f"{url}: {error}. It is set aside as {wrong}; try again, and if it stays so the publisher changed the file"
        ) from None
    part.rename(target)
    return target


def _receive_all(url: str, part: PartFile, size: int | None, patience: Patience) -> None:
    failures = 0
    with transfer_bar(part.path.stem, size) as bar:
        while True:
            before = part.length
            try:
                _receive(url, part, size, patience.silence, bar)
                return
            except InterruptedDownloadError as error:
                failures = 1 if part.length > before else failures + 1
                if failures >= patience.tries:
                    raise OSError(
                        f"{url}: {error}; gave up after {patience.tries} tries without a new byte. "
                        f"{part.length} bytes are kept in {part.path}: the same command resumes there"
                    ) from error
                bar.set_postfix_str(f"{error}; trying again")
                time.sleep(patience.wait(failures))


def _receive(url: str, part: PartFile, size: int | None, silence: float, bar: "tqdm[Any]") -> None:
    """One request; appends to the part. Returns when all is there."""
    have = part.length
    notes = part.notes
    if have and notes.get("url") != url:
        have = 0
    headers = {"User-Agent": "sem-mae", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if notes.get("validator"):
            headers["If-Range"] = notes["validator"]
    try:
        answer = _opener().open(urllib.request.Request(url, headers=headers), timeout=silence)
    except urllib.error.HTTPError as error:
        error.close()
        if 300 <= error.code < 400:
            raise OSError(
                f"{url}: the server redirects ({error.code}) to where this is not followed: "
                f"{' '.join(str(error.reason).split())[:200]}; give the final address in the manifest"
            ) from error
        if error.code == 416 and have:
            if _total(error.headers) == have:
                return
            part.path.unlink()
            raise InterruptedDownloadError("the part does not belong to this file") from error
        if error.code in PERMANENT:
            raise OSError(
                f"{url}: the server answers {error.code} {error.reason}; check the address in the manifest"
            ) from error
        raise InterruptedDownloadError(f"the server answers {error.code} {error.reason}") from error
    except ValueError as error:
        raise OSError(f"{url}: the server redirects to an address that is none ({error})") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise InterruptedDownloadError(f"no connection ({getattr(error, 'reason', error)})") from error
    with answer:
        resumed = answer.status == 206 and _first(answer.headers) == have
        whole = _total(answer.headers)
        if answer.status == 206 and not (resumed and whole in (None, notes.get("total", whole))):
            part.path.unlink()
            raise InterruptedDownloadError("the file has changed on the server")
        start = have if resumed else 0
        length = _count(answer.headers.get("Content-Length"))
        total = None if length is None else start + length
        if size is not None and total not in (None, size):
            raise ValueError(
                f"{url}: the server announces {total} bytes, the manifest {size}; the publisher changed the file"
            )
        bar.total, bar.n = total if total is not None else size, start
        bar.refresh()
        if not resumed:
            part.note(url, answer.headers, total)
        part.check_space(None if total is None else total - start)
        got = start + part.receive(answer, resumed, bar, None if size is None else size - start)
        if size is not None and got > size:
            part.path.unlink()
            raise ValueError(f"{url}: the server sends more than the {size} bytes of the manifest; nothing is kept")
    if total is not None and got < total:
        raise InterruptedDownloadError(f"the connection broke at {got} of {total} bytes")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects to http and https only, and none from https to http."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """The request to follow.

        Raises:
            HTTPError: another protocol.
        """
        protocol = newurl.split(":", 1)[0].lower()
        if protocol not in PROTOCOLS or (req.type == "https" and protocol != "https"):
            raise urllib.error.HTTPError(req.full_url, code, f"redirection to {newurl}", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_Redirects)


def _first(headers: Message) -> int | None:
    """First byte of `Content-Range: bytes 100-199/200`."""
    return _count(headers.get("Content-Range", "").removeprefix("bytes ").split("-")[0])


def _total(headers: Message) -> int | None:
    return _count(headers.get("Content-Range", "").rsplit("/", 1)[-1])


def _count(text: str | None) -> int | None:
    """A number of bytes; None of a header that is missing or no such number."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else None
