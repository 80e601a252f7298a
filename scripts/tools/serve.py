"""`python -m scripts serve DIR`: serve the files of a folder to a viewer in a browser."""

import logging
import os
import re
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, BinaryIO

from scripts.ops.limits import Limits

logger = logging.getLogger(__name__)

RANGE = re.compile(r"bytes=(\d*)-(\d*)$")
PIECE = 2**18


class FileServer(ThreadingHTTPServer):
    """A server of one folder, for reading. Its address is `url`.

    Args:
        folder: whose files are served.
        port: 0 for any that is free.
        bind: address of this machine to listen at; 127.0.0.1 is reached from this machine only.
        quiet: print no line for each request.

    Raises:
        NotADirectoryError: no such folder.
        OSError: the port is in use.
    """

    daemon_threads = True

    def __init__(self, folder: str | os.PathLike[str], port: int = 0, bind: str = "127.0.0.1", quiet: bool = True):
        self.folder, self.quiet = Path(folder), quiet
        if not self.folder.is_dir():
            raise NotADirectoryError(f"'{folder}' is no folder; give the folder that holds the volumes")
        try:
            super().__init__((bind, port), partial(_Files, directory=str(self.folder)))
        except OSError as error:
            raise OSError(
                f"port {port} of {bind} cannot be used ({error.strerror}); give another --port, or 0 for any, or "
                "another --bind"
            ) from error
        self.url = f"http://{bind}:{self.server_address[1]}"


class _Files(SimpleHTTPRequestHandler):
    """GET and HEAD of files, whole or one range of bytes, for pages of any origin."""

    protocol_version = "HTTP/1.1"
    server: FileServer

    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "Range")
        self.send_header("Access-Control-Expose-Headers", "Content-Length, Content-Range")
        super().end_headers()

    def do_OPTIONS(self) -> None:
        self.send_response(HTTPStatus.NO_CONTENT)
        self.send_header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, format: str, *args: object) -> None:
        if not self.server.quiet:
            super().log_message(format, *args)

    def _answer(self, body: bool) -> None:
        try:
            file = open(self.translate_path(self.path), "rb")  # noqa: SIM115 - closed below
        except OSError:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            asked = self.headers.get("Range")
            span = (0, size) if asked is None else byte_range(asked, size)
            if span is None:
                self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
                self.send_header("Content-Range", f"bytes */{size}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            first, end = span
            self.send_response(HTTPStatus.OK if asked is None else HTTPStatus.PARTIAL_CONTENT)
            self.send_header("Content-Type", self.guess_type(self.path))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(end - first))
            if asked is not None:
                self.send_header("Content-Range", f"bytes {first}-{end - 1}/{size}")
            self.end_headers()
            if body:
                self._send(file, first, end)

    def _send(self, file: BinaryIO, first: int, end: int) -> None:
        file.seek(first)
        while first < end and (piece := file.read(min(PIECE, end - first))):
            self.wfile.write(piece)
            first += len(piece)


def byte_range(asked: str, size: int) -> tuple[int, int] | None:
    """First byte and end of the one range in a Range header, cut at the end of the file; None where it has no byte."""
    found = RANGE.match(asked.strip())
    if not found or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        return (max(size - int(last), 0), size) if int(last) and size else None
    end = min(int(last) + 1, size) if last else size
    return (int(first), end) if int(first) < end else None


def serve(
    folder: str, port: Annotated[int, Limits(0, 65535)] = 9000, bind: str = "127.0.0.1", quiet: bool = False
) -> None:
    """Serve the files of a folder to a viewer in a browser, until Ctrl-C: with byte ranges, for pages of any origin.

    Neuroglancer opens what is in it by its address, such as zarr3://http://127.0.0.1:9000/image.zarr or
    precomputed://http://127.0.0.1:9000/instances. Files are only read, but every page that is open in a browser of this
    machine may read them while the server runs.
    Example: python -m scripts serve runs/volumes --port 9000

    Args:
        folder: its files are served, with those of its folders.
        port: 0 takes any that is free.
        bind: 127.0.0.1 is reached from this machine only, 0.0.0.0 from the network.
        quiet: print no line for each request.
    """
    with FileServer(folder, port, bind, quiet) as server:
        logger.info(f"serving '{server.folder}' at {server.url} until Ctrl-C")
        server.serve_forever()
