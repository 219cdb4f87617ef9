"""Downloading one file over HTTPS: resumed after an interruption, bounded, retried.

What has arrived lies in a `.part` file beside a `.part.tag` that holds the server's name for that
version (its ETag or Last-Modified). A later attempt asks for the rest of that very version; a
server that has another one, or cannot resume, sends the whole file and the part starts afresh.
"""

import http.client
import ipaddress
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from simulations.errors import DownloadError

CHUNK_BYTES = 1 << 16
AGENT = "fedrecall"

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadConfig:
    """Patience of a download."""

    attempts: int = 5  # in a row without a new byte, before giving up
    timeout_seconds: float = 30.0  # of silence on the link
    wait_seconds: float = 1.0  # before the second attempt; doubles with each


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """One file to download.

    Attributes:
        url: https, or http on a loopback address.
        part: where its bytes gather.
        max_bytes: more than this is refused.
    """

    url: str
    part: Path
    max_bytes: int

    @property
    def tag(self) -> Path:
        """The file that names the version the part belongs to."""
        return self.part.with_name(self.part.name + ".tag")

    def forget(self) -> None:
        """Remove the part, so that the next attempt starts afresh."""
        self.part.unlink(missing_ok=True)
        self.tag.unlink(missing_ok=True)


class _Interrupted(Exception):
    """The link broke or the server is busy; another attempt may succeed."""


def ignore_progress(done: int, total: int | None) -> None:
    """Report nothing."""


def download(
    file: Download,
    *,
    config: DownloadConfig | None = None,
    progress: Progress = ignore_progress,
) -> None:
    """Download a file into `file.part`, going on from what is already there.

    Args:
        file: what to download and where to.
        config: attempts, timeout and waits.
        progress: called with the bytes that are here and the bytes in all (None if unknown).

    Raises:
        DownloadError: a refused address or redirect, a refusal by the server, too many bytes,
            or no progress after all attempts. The part stays for a later attempt, unless it is
            too long.
    """
    config = config or DownloadConfig()
    require_safe_url(file.url)
    failures, furthest = 0, _size(file.part)
    while True:
        try:
            _attempt(file, config, progress)
            return
        except _Interrupted as error:
            failures = 0 if _size(file.part) > furthest else failures + 1
            furthest = max(furthest, _size(file.part))
            if failures >= config.attempts:
                raise DownloadError(
                    f"{file.url}: {error}; {_size(file.part)} bytes are kept, try again later"
                ) from error
        time.sleep(config.wait_seconds * 2 ** max(failures - 1, 0))


def require_safe_url(url: str) -> None:
    """Raise DownloadError unless `url` is https, or http on a loopback address."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and _is_loopback(parts.hostname or ""):
        return
    raise DownloadError(f"{url}: only https addresses are fetched")


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to an address that could have been asked for directly."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        require_safe_url(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _attempt(file: Download, config: DownloadConfig, progress: Progress) -> None:
    with _answer(file, config) as response:
        _receive(file, response, progress)


def _answer(file: Download, config: DownloadConfig) -> http.client.HTTPResponse:
    try:
        response: http.client.HTTPResponse = _opener(file.url).open(
            _request(file), timeout=config.timeout_seconds
        )
    except urllib.error.HTTPError as error:
        raise _judged(file, error) from error
    except (http.client.HTTPException, OSError) as error:
        raise _Interrupted(str(error) or type(error).__name__) from error
    return response


def _chunk(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(CHUNK_BYTES)
    except (http.client.HTTPException, OSError) as error:
        raise _Interrupted(str(error) or type(error).__name__) from error


def _request(file: Download) -> urllib.request.Request:
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
    tag = file.tag.read_text(encoding="utf-8") if file.tag.is_file() else ""
    if tag and _size(file.part):
        headers["Range"] = f"bytes={_size(file.part)}-"
        headers["If-Range"] = tag
    return urllib.request.Request(file.url, headers=headers)  # noqa: S310 - checked above


def _opener(url: str) -> urllib.request.OpenerDirector:
    handlers: list[urllib.request.BaseHandler] = [_SafeRedirects()]
    if _is_loopback(urllib.parse.urlsplit(url).hostname or ""):
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers)


def _receive(file: Download, response: http.client.HTTPResponse, progress: Progress) -> None:
    done = _size(file.part) if _resumes(file, response) else 0
    length = response.headers.get("Content-Length")
    total = done + int(length) if length and length.isdecimal() else None
    _bound(file, total or 0)
    if done == 0:
        _remember_version(file, response)
    with file.part.open("ab" if done else "wb") as out:
        while chunk := _chunk(response):
            done += len(chunk)
            _bound(file, done)
            out.write(chunk)
            progress(done, total)
    if total is not None and done < total:
        raise _Interrupted(f"the link closed after {done} of {total} bytes")


def _resumes(file: Download, response: http.client.HTTPResponse) -> bool:
    """Whether the response goes on exactly where the part ends."""
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        return False
    start = response.headers.get("Content-Range", "").removeprefix("bytes ").split("-")[0]
    if start != str(_size(file.part)):
        file.forget()
        raise _Interrupted("the server resumed at another place than asked")
    return True


def _remember_version(file: Download, response: http.client.HTTPResponse) -> None:
    tag = response.headers.get("ETag", "")
    if not tag or tag.startswith("W/"):  # a weak tag may not be used to resume (RFC 9110, 13.1.5)
        tag = response.headers.get("Last-Modified", "")
    file.tag.write_text(tag, encoding="utf-8")


def _bound(file: Download, size: int) -> None:
    if size > file.max_bytes:
        file.forget()
        raise DownloadError(
            f"{file.url}: sends more than {file.max_bytes} bytes, which is not this data set"
        )


def _judged(file: Download, error: urllib.error.HTTPError) -> Exception:
    """What a refusal by the server means: worth another attempt, or final."""
    with error:
        pass  # its body is of no use; close the connection
    if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        file.forget()  # the part is not a beginning of what the server has
        return _Interrupted("the server has no such range")
    if error.code >= http.HTTPStatus.INTERNAL_SERVER_ERROR or error.code in (
        http.HTTPStatus.REQUEST_TIMEOUT,
        http.HTTPStatus.TOO_MANY_REQUESTS,
    ):
        return _Interrupted(f"the server answered {error.code}")
    return DownloadError(f"{file.url}: the server answered {error.code} {error.reason}")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
