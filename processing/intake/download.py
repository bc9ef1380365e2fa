"""One photo from its address onto the disk: each hop judged, bounded in time and in size. Knows no database."""

import asyncio
import ssl
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
from django.conf import settings
from django.utils import timezone

from processing import guard
from processing.errors import PhotoError
from processing.header import FIRST_BYTES, sniff
from processing.intake import limits
from processing.storage import Part

MOST_HOPS = 3  # redirects that are followed
CONNECT = 5.0  # seconds
PATIENCE, SLOWEST = 5.0, 2_000  # seconds in which so many bytes of the body must come
LONGEST_PAUSE = 3600  # seconds
MAY_PASS = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)  # so does every 5xx
LEADS_ON = (301, 302, 303, 307, 308)
NOT_ALLOWED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class Busy(PhotoError):
    """A server wants to be left alone for so many seconds. `host` may be another than was asked, which led on to it."""

    def __init__(self, reason: str, host: str, seconds: float) -> None:
        super().__init__("failed_image_download", transient=True, reason=reason)
        self.host, self.seconds = host, seconds


def client() -> httpx.AsyncClient:
    """For many photos of many people: it keeps no cookies."""
    return guard.client(
        settings.FETCH_ALLOW,
        timeout=httpx.Timeout(None, connect=CONNECT),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={
            "Accept": "image/*",
            "Accept-Encoding": "identity",
            "User-Agent": f"photoproc/{settings.VERSION} (+{settings.URL})",
        },
    )


async def download(client: httpx.AsyncClient, url: str) -> Part:
    """What the address answers, to be closed by the caller. Raises PhotoError, OSError (of our own disk)."""
    part = Part()
    try:
        async with asyncio.timeout(settings.FETCH_SECONDS):
            await _follow(client, url, part)
        _refuse_page(part)
    except TimeoutError:
        part.close()
        raise _late(f"The address took longer than {settings.FETCH_SECONDS} s") from None
    except BaseException:
        part.close()
        raise
    return part


async def _follow(client: httpx.AsyncClient, url: str, part: Part) -> None:
    try:
        request = client.build_request("GET", url)
    except httpx.InvalidURL:
        raise PhotoError("invalid_image_url", reason="The address cannot be read") from None
    for hop in range(MOST_HOPS + 1):
        try:
            following = await _get(client, request, part)
        except PhotoError as error:
            if hop and error.code == "invalid_image_url":  # not what the person wrote
                raise PhotoError("fetch_blocked_address") from error
            raise
        if following is None:
            return
        request = following
    raise _final(f"The address leads on to others, more than {MOST_HOPS} times")


async def _get(client: httpx.AsyncClient, request: httpx.Request, part: Part) -> httpx.Request | None:
    """Receive what is there; gives the next request where the address leads on."""
    try:
        answer = await client.send(request, stream=True)
    except httpx.TransportError as error:
        raise no_answer(error) from error
    except httpx.InvalidURL:  # it leads on to what is no address of the web at all
        raise PhotoError("fetch_blocked_address") from None
    try:
        if answer.next_request is None:
            _check_status(answer)
            await _receive(answer, part)
        return answer.next_request
    except httpx.TransportError as error:
        raise _passing("The connection broke off in the middle") from error
    finally:
        await answer.aclose()


async def _receive(answer: httpx.Response, part: Part) -> None:
    """The body as it is, packed or not: its size is what counts, and its content is judged later."""
    limits.check_size(int(answer.headers.get("Content-Length", 0)))
    loop, enough = asyncio.get_running_loop(), PATIENCE * SLOWEST
    try:
        async with asyncio.timeout(PATIENCE) as patience:
            async for piece in answer.aiter_raw():
                part.write(piece)
                limits.check_size(size := part.size)
                if size >= enough:
                    enough = size + PATIENCE * SLOWEST
                    patience.reschedule(loop.time() + PATIENCE)
    except TimeoutError:
        raise _late("The address sends the photo too slowly") from None


def _check_status(answer: httpx.Response) -> None:
    """Raises PhotoError for whatever is no success; a Busy where the server says for how long."""
    status = answer.status_code
    if answer.is_success:
        return
    if status in LEADS_ON:
        raise _final("The address leads on, but does not say where to")
    said = "not allowed" if status in NOT_ALLOWED else httpx.codes.get_reason_phrase(status).lower()
    reason = f"The address answered {status}" + (f", {said}" if said else "")
    if seconds := pause(answer):
        raise Busy(reason, answer.url.raw_host.decode(), seconds)
    raise _passing(reason) if status in MAY_PASS or answer.is_server_error else _final(reason)


def pause(answer: httpx.Response) -> float:
    """Seconds that a busy server wants to be left alone, an hour at most; 0 where it does not say."""
    text = answer.headers.get("Retry-After", "")
    if answer.status_code not in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE) or not text:
        return 0
    try:
        wanted = float(text) if text.isdecimal() else _seconds_until(parsedate_to_datetime(text))
    except (ValueError, TypeError, OverflowError):  # no date, one without a zone, or far beyond all calendars
        return 0
    return max(0, min(wanted, LONGEST_PAUSE))


def _seconds_until(date: datetime) -> float:
    return (date - timezone.now()).total_seconds()


def _refuse_page(part: Part) -> None:
    part.file.seek(0)
    if sniff(part.file.read(FIRST_BYTES)) in ("html", "text"):
        raise _final("A web page came back, not a photo")


def no_answer(error: BaseException) -> PhotoError:
    """One sentence for all that keeps a server from answering: what is behind it is nobody's business."""
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _final("The server's certificate is not valid")
        cause = cause.__cause__ or cause.__context__
    return _passing("The server does not answer")


def _final(reason: str) -> PhotoError:
    return PhotoError("failed_image_download", reason=reason)


def _passing(reason: str) -> PhotoError:
    return PhotoError("failed_image_download", transient=True, reason=reason)


def _late(reason: str) -> PhotoError:
    return PhotoError("fetch_timeout", reason=reason)
