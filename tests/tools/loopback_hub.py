"""A Hugging Face hub on this machine: it keeps what is committed to it, and serves it again."""

import base64
import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0" * 40


class LoopbackHub(ThreadingHTTPServer):
    """As much of the hub's interface as its own client uses to make a repository, commit files, tag and download.

    Attributes:
        files: content by path, of the only repository.
        tags: names of the tags.
        asked: the methods and paths of all requests.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.tags: list[str] = []
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        """Address of the hub."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: LoopbackHub

    def do_POST(self) -> None:
        hub, path = self.server, self.path.partition("?")[0]
        hub.asked.append(f"POST {path}")
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if path == "/api/repos/create":
            given = json.loads(content)
            self._answer({"url": f"{hub.url}/{given['organization']}/{given['name']}"})
        elif path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            listed = json.loads(content)["files"]
            self._answer(
                {"files": [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in listed]}
            )
        elif "/commit/" in path:
            for line in map(json.loads, content.splitlines()):
                if line["key"] == "file":
                    hub.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self._answer({"commitOid": COMMIT, "commitUrl": f"{hub.url}/lab/name/commit/{COMMIT}"})
        elif "/tag/" in path:
            hub.tags.append(json.loads(content)["tag"])
            self._answer({})
        else:
            self._answer({"error": "unknown"}, 404)

    def do_GET(self) -> None:
        hub, path = self.server, self.path.partition("?")[0]
        hub.asked.append(f"{self.command} {path}")
        if "/tree/" in path:
            oids = {name: hashlib.sha1(content).hexdigest() for name, content in hub.files.items()}
            self._answer(
                [
                    {"type": "file", "path": name, "size": len(hub.files[name]), "oid": oid}
                    for name, oid in sorted(oids.items())
                ]
            )
        elif path.startswith("/api/models/"):
            listed = [{"rfilename": name} for name in sorted(hub.files)]
            self._answer({"id": "lab/name", "modelId": "lab/name", "sha": COMMIT, "siblings": listed})
        elif (name := path.partition(f"/resolve/{COMMIT}/")[2]) in hub.files:
            self._send(200, hub.files[name], ETag=f'"{hashlib.sha256(hub.files[name]).hexdigest()}"')
        else:
            self._answer({"error": "unknown"}, 404)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer(self, content: dict | list, status: int = 200) -> None:
        self._send(status, json.dumps(content).encode(), **{"Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content)), "X-Repo-Commit": COMMIT}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
