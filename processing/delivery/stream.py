"""Bytes on their way out: never a whole file in memory, and nothing left open when the client goes away."""

import re
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from threading import Lock

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, quote_etag

from processing import storage, tokens
from processing.errors import PhotoError

YEAR = 365 * 86400  # seconds
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
    key: str,
    *,
    content_type: str,
    filename: str,
    inline: bool,
    etag: str,
    max_age: int,
    public: bool = False,
) -> HttpResponseBase:
    """A stored file: its address in the bucket, or all of it, or the one range that was asked for; 304, 412 and 416
    where the request says so.

    `etag` is any text that changes with the bytes, `max_age` is in seconds; what is `public` may be kept for everybody.
    Raises PhotoError `original_missing`, `storage_unavailable`.
    """
    etag = quote_etag(etag)
    headers = describe(content_type, filename, inline=inline, max_age=max_age, public=public)
    known = get_conditional_response(request, etag)
    if known is None and (address := _address(request, key, headers, max_age, public=public)):
        return _redirect(address, max_age, public=public)
    response = known or _body(request, key, etag)
    for name, value in {**headers, "ETag": etag, "Accept-Ranges": "bytes"}.items():
        response.headers[name] = value
    return response


def _address(request: HttpRequest, key: str, headers: dict[str, str], max_age: int, *, public: bool) -> str | None:
    """Where the bucket gives it; None where we send it ourselves: to a HEAD, to who comes with a token (which a client
    that is led elsewhere may take along), to a script of a page elsewhere (that page has leave to ask us alone), and
    what is public, where an address would work for longer than it may be kept.

    What may be kept is a picture in a page, which has hundreds of them: only what may not be is looked for first, so
    that who fetches or saves a file that is gone hears it from us.
    """
    is_ours = "Origin" in request.headers or tokens.secret_in(request.headers) or (public and _life() > max_age)
    if request.method != "GET" or is_ours:
        return None
    address = storage.address(key, headers["Content-Type"], headers["Content-Disposition"])
    if address and not max_age:
        _size(key)
    return address


def _redirect(address: str, max_age: int, *, public: bool) -> HttpResponse:
    """It is kept for half as long as the address works, so that nobody is sent to one that has run out. It has no ETag:
    with one, a cache would ask whether it may keep it for longer."""
    kept = _kept(min(max_age, _life() // 2), public=public)
    return HttpResponseRedirect(address, headers={"Cache-Control": kept, "X-Content-Type-Options": "nosniff"})


def _life() -> int:
    """Seconds that an address in the bucket works."""
    return 60 * settings.STORAGE.minutes if settings.STORAGE else 0


def made_now(request: HttpRequest, chunks: Chunks, headers: dict[str, str]) -> StreamingHttpResponse:
    """What is made while it is sent. For HEAD none of it is."""
    if request.method == "HEAD":
        chunks.close()
    return StreamingHttpResponse(chunks, headers=headers)


def describe(
    content_type: str, filename: str, *, inline: bool = False, max_age: int = 0, public: bool = False
) -> dict[str, str]:
    """The headers that say what is sent and how it may be kept."""
    return {
        "Content-Type": content_type,
        "Content-Disposition": content_disposition_header(not inline, filename) or "inline",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": _kept(max_age, public=public),
    }


def _kept(max_age: int, *, public: bool) -> str:
    """What may be kept for a year never changes: a page that is read anew does not ask for it again."""
    life = f"max-age={max_age}{', immutable' * (max_age >= YEAR)}" if max_age else "no-cache"
    return f"{'public' if public else 'private'}, {life}"


def _size(key: str) -> int:
    """Raises PhotoError `original_missing`, `storage_unavailable`."""
    size = storage.size(key)
    if size is None:
        raise PhotoError("original_missing")
    return size


def _body(request: HttpRequest, key: str, etag: str) -> HttpResponseBase:
    size = _size(key)
    if request.method == "HEAD":
        return HttpResponse(headers={"Content-Length": str(size)})
    asked = asked_range(request, size, etag)
    if asked is None:
        return _stream(key, range(size), status=200)
    if not asked:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    response = _stream(key, asked, status=206)
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


def _stream(key: str, part: range, *, status: int) -> StreamingHttpResponse:
    pieces = _pieces(key, part)
    chunks = Chunks(pieces, pieces.close)
    return StreamingHttpResponse(chunks, status=status, headers={"Content-Length": str(len(part))})


def _pieces(key: str, part: range) -> Generator[bytes, None, None]:
    """As a generator, which can be closed in the middle."""
    yield from storage.pieces(key, part)
