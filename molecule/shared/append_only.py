"""A store for restic that takes and gives, and removes nothing but locks: what a vault needs that outlives ransomware.

Speaks restic's REST protocol over plain HTTP to who knows the password. Run as: append_only.py FOLDER PORT, with the
line `USER:PASSWORD` on stdin.
"""

import base64
import hmac
import json
import re
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

KINDS = ("data", "index", "keys", "locks", "snapshots")
LISTING = "application/vnd.x.restic.rest.v2"
# /repository/config, /repository/data/ and /repository/data/<hash>, and the repository itself.
_PATH = re.compile(rf"/([a-z0-9-]+)/(?:(config)|({'|'.join(KINDS)})/([0-9a-f]{{64}})?)?")
_RANGE = re.compile(r"bytes=([0-9]+)-([0-9]*)")


class Store(BaseHTTPRequestHandler):
    """One request for a blob, or a list of blobs."""

    protocol_version = "HTTP/1.1"
    folder = Path()
    credentials = ""

    def do_HEAD(self) -> None:
        """Say how long a blob is."""
        self._give()

    def do_GET(self) -> None:
        """Give a blob, a part of it, or the names of a kind."""
        self._give()

    def do_POST(self) -> None:
        """Take a blob that is new, or make a repository."""
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        place = self._place()
        if place is None:
            return
        if urlsplit(self.path).query == "create=true":
            for kind in KINDS:
                (place / kind).mkdir(parents=True, exist_ok=True)
            self._answer(HTTPStatus.OK)
        elif place.exists():
            self._answer(HTTPStatus.FORBIDDEN)
        else:
            beside = place.with_name(f".{place.name}.{id(self)}")
            beside.write_bytes(content)
            beside.rename(place)
            self._answer(HTTPStatus.OK)

    def do_DELETE(self) -> None:
        """Remove a lock; refuse to remove anything else."""
        place = self._place()
        if place is None:
            return
        if place.parent.name != "locks":
            self._answer(HTTPStatus.FORBIDDEN)
        else:
            place.unlink(missing_ok=True)
            self._answer(HTTPStatus.OK)

    def _give(self) -> None:
        place = self._place()
        if place is None:
            return
        if place.is_dir():
            rows = [{"name": blob.name, "size": blob.stat().st_size} for blob in place.iterdir() if blob.name[0] != "."]
            self._answer(HTTPStatus.OK, json.dumps(rows).encode(), LISTING)
        elif not place.is_file():
            self._answer(HTTPStatus.NOT_FOUND)
        else:
            content = place.read_bytes()
            part = _RANGE.fullmatch(self.headers.get("Range", ""))
            if part is None:
                self._answer(HTTPStatus.OK, content)
            else:
                end = int(part[2]) + 1 if part[2] else len(content)
                self._answer(HTTPStatus.PARTIAL_CONTENT, content[int(part[1]) : end])

    def _place(self) -> Path | None:
        """Return where the blob of this request lies; answer by itself to who may not ask, and to what is no blob."""
        said = self.headers.get("Authorization", "")
        if not hmac.compare_digest(said, f"Basic {base64.b64encode(self.credentials.encode()).decode()}"):
            self._answer(HTTPStatus.UNAUTHORIZED)
            return None
        found = _PATH.fullmatch(urlsplit(self.path).path)
        if found is None:
            self._answer(HTTPStatus.NOT_FOUND)
            return None
        return self.folder.joinpath(*(part for part in found.groups() if part))

    def _answer(self, status: HTTPStatus, content: bytes = b"", kind: str = "application/octet-stream") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


if __name__ == "__main__":
    Store.folder, Store.credentials = Path(sys.argv[1]), sys.stdin.readline().strip()
    ThreadingHTTPServer(("", int(sys.argv[2])), Store).serve_forever()
