"""Bytes on their way out: never a whole file in memory, and nothing left open when the client goes away."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, quote_etag

from processing import storage
from processing.errors import PhotoError

CHUNK = 256 * 1024
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class Chunks:
    """Blocking pieces as an async iterator: each is made in the thread of its request, and so may ask the database.

    `close` ends it, in the middle too. Django calls it when the response has been sent or the client has gone, whether
    or not it was begun.
    """

    def __init__(self, pieces: Iterator[bytes], close: Callable[[], object]) -> None:
        self._pieces = pieces
        self._close = close
        self._lock = Lock()  # the thread of a request that was broken off may still be reading
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await sync_to_async(self._next)():
            yield piece

    def _next(self) -> bytes:
        with self._lock:
            return b"" if self._closed else next(self._pieces, b"")

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._close()


def file_response(
    request: HttpRequest,
    place: Path,
    *,
    content_type: str,
    filename: str,
    inline: bool,
    etag: str,
    max_age: int,
    public: bool = False,
) -> HttpResponseBase:
    """A stored file, whole or the one range that was asked for; 304, 412 and 416 where the request says so.

    `etag` is any text that changes with the bytes, `max_age` is in seconds; what is `public` may be kept for everybody.
    Raises PhotoError `original_missing`, `storage_unavailable`.
    """
    etag = quote_etag(etag)
    try:
        response = get_conditional_response(request, etag) or _body(request, place, etag)
    except FileNotFoundError as error:
        storage.check()
        raise PhotoError("original_missing") from error
    except OSError as error:
        raise PhotoError("storage_unavailable") from error
    headers = describe(content_type, filename, inline=inline, max_age=max_age, public=public)
    for name, value in {**headers, "ETag": etag, "Accept-Ranges": "bytes"}.items():
        response.headers[name] = value
    return response


def made_now(request: HttpRequest, chunks: Chunks, headers: dict[str, str]) -> StreamingHttpResponse:
    """What is made while it is sent. For HEAD none of it is."""
    if request.method == "HEAD":
        chunks.close()
    return StreamingHttpResponse(chunks, headers=headers)


def describe(
    content_type: str, filename: str, *, inline: bool = False, max_age: int = 0, public: bool = False
) -> dict[str, str]:
    """The headers that say what is sent and how it may be kept."""
    keeper, age = "public" if public else "private", f"max-age={max_age}" if max_age else "no-cache"
    return {
        "Content-Type": content_type,
        "Content-Disposition": content_disposition_header(not inline, filename) or "inline",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": f"{keeper}, {age}",
    }


def _body(request: HttpRequest, place: Path, etag: str) -> HttpResponseBase:
    size = place.stat().st_size
    if request.method == "HEAD":
        return HttpResponse(headers={"Content-Length": str(size)})
    asked = asked_range(request, size, etag)
    if asked is None:
        return _stream(place, range(size), status=200)
    if not asked:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    response = _stream(place, asked, status=206)
    response.headers["Content-Range"] = f"bytes {asked.start}-{asked.stop - 1}/{size}"
    return response


def asked_range(request: HttpRequest, size: int, etag: str) -> range | None:
    """The bytes that are asked for: None is all of them (also for what we need not understand), empty is none."""
    match = RANGE.fullmatch(request.headers.get("Range", "").strip())
    if not match or request.headers.get("If-Range", etag) != etag:
        return None
    first, last = match.groups()
    if not first:
        return range(max(0, size - int(last)), size) if last else None
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, size) if last else size)


def _stream(place: Path, part: range, *, status: int) -> StreamingHttpResponse:
    file = place.open("rb")
    file.seek(part.start)
    chunks = Chunks(_pieces(file, len(part)), file.close)
    return StreamingHttpResponse(chunks, status=status, headers={"Content-Length": str(len(part))})


def _pieces(file: BinaryIO, left: int) -> Iterator[bytes]:
    while left and (piece := file.read(min(CHUNK, left))):
        left -= len(piece)
        yield piece
