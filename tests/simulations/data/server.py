"""A web server on the loopback address that fails in the ways real ones do."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass(kw_only=True)
class Site:
    """One file, how the server gives it, and what was asked of it."""

    content: bytes
    tag: str = '"version-1"'
    modified: str = ""
    ranges: bool = True  # whether parts can be asked for
    lie_about_range: bool = False
    says_length: bool = True
    cuts: list[int] = field(default_factory=list)  # bytes each of the next answers gives
    statuses: list[int] = field(default_factory=list)  # of the next answers, instead of content
    stalls: list[float] = field(default_factory=list)  # seconds of silence within those answers
    redirect: str = ""
    asked: list[str] = field(default_factory=list)  # the Range of every request
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    """Answers with the site of its server."""

    server: "SiteServer"

    def log_message(self, *_: object) -> None:
        """Stay quiet."""

    def do_GET(self) -> None:
        site = self.server.site
        site.asked.append(self.headers.get("Range", ""))
        if site.statuses:
            self.send_error(site.statuses.pop(0))
        elif site.redirect:
            self.send_response(302)
            self.send_header("Location", site.redirect)
            self.end_headers()
        else:
            self._give(site, self._start(site))

    def _start(self, site: Site) -> int:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        current = self.headers.get("If-Range") in (site.tag, site.modified)
        return int(asked.group(1)) if asked and current and site.ranges else 0

    def _give(self, site: Site, start: int) -> None:
        if start >= len(site.content) > 0:
            self.send_error(416)
            return
        body = site.content[start:]
        self.send_response(206 if start else 200)
        said = start + site.lie_about_range
        headers = {
            "Content-Range": f"bytes {said}-{len(site.content) - 1}/*" if start else "",
            "Content-Length": str(len(body)) if site.says_length else "",
            "ETag": site.tag,
            "Last-Modified": site.modified,
        }
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: site.cuts.pop(0)] if site.cuts else body)
        if site.stalls:
            time.sleep(site.stalls.pop(0))


class SiteServer(ThreadingHTTPServer):
    """Serves one site on a free port of the loopback address."""

    def __init__(self, site: Site) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.site = site


@contextmanager
def serve(site: Site) -> Iterator[Site]:
    """Serve `site` until the block ends, at `site.url`."""
    server = SiteServer(site)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/data.zip"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
