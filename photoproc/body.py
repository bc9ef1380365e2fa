"""Refuse a request body that is too large, or a stranger's, before anything of it is written to the disk."""

import asyncio
from contextlib import suppress
from importlib import import_module
from io import BytesIO
from time import monotonic
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from channels.db import database_sync_to_async
from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.core.exceptions import BadRequest, RequestAborted
from django.core.handlers.asgi import ASGIRequest
from django.db import Error as DatabaseTrouble
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware

from photoproc import form
from photoproc.form import Message, Receive, Send
from processing import storage, tokens
from processing.api import problems, rates
from processing.errors import PhotoError
from processing.rates import TEST

STRANGERS = settings.MB  # bytes: enough for the forms that need no login
LINGER = 5.0  # seconds that a refused body may go on coming
PATIENCE, SLOWEST = 60.0, 5_000  # seconds of waiting in which so many bytes each must come


class BodyLimit:
    """Answers 401, 413 or 507 where the declared length is too much, and 503 where nobody can say; a body that declares
    none is cut off there, and answered alike. One that comes too slowly is cut off too, and answered 408."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"0")
        size = int(declared) if declared.isdigit() and len(declared) < 19 else settings.MAX_BODY_BYTES + 1
        request, passing = ASGIRequest(scope, BytesIO()), Passing(receive, send)
        try:
            check_charset(request)
            if size > STRANGERS or b"transfer-encoding" in headers:
                passing.limit = await allowed(request, size)
            if size > STRANGERS and form.is_here(request):
                await self.parsed(scope, request, passing)
            else:
                await self.application(scope, passing.receive, passing.send)
            if passing.is_late and not passing.is_answered:
                raise PhotoError("request_timeout", seconds=int(PATIENCE))
            if passing.received > passing.limit and not passing.is_answered:
                await allowed(request, passing.limit + 1)
                raise PhotoError("body_too_large", limit=passing.limit // settings.MB)
        except (PhotoError, DatabaseTrouble, *problems.UNREADABLE) as trouble:
            answer = problems.outside(trouble)
            if passing.is_answered or not answer:  # what breaks off in the middle is no answer: the server cuts it off
                raise
            await refuse(request, receive, send, answer)

    async def parsed(self, scope: Message, request: ASGIRequest, passing: "Passing") -> None:
        """The application gets what came as fields and files. Who went away in the middle is told nothing."""
        coming = form.Form(request, passing.receive)
        async with ThreadSensitiveContext():
            try:
                await self.application({**scope, form.PLACE: await coming.parsed()}, coming.receive, passing.send)
            except RequestAborted:
                pass
            finally:
                await sync_to_async(coming.close)()


class Passing:
    """What comes, `limit` bytes at most; with more, or too slowly, the application hears that nobody is there."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self.limit, self.received, self.is_answered = STRANGERS, 0, False
        self._comes_more, self.is_late = True, False
        self._left, self._enough = PATIENCE, PATIENCE * SLOWEST

    async def receive(self) -> Message:
        message = await (self._soon() if self._comes_more else self._receive())
        self._comes_more = message.get("more_body", False)
        self.received += len(message.get("body", b""))
        return {"type": "http.disconnect"} if self.received > self.limit else message

    async def _soon(self) -> Message:
        """Only the time counts that is spent waiting: who sends faster than we read is not slow."""
        if self.received >= self._enough:
            self._left, self._enough = PATIENCE, self.received + PATIENCE * SLOWEST
        began = monotonic()
        try:
            async with asyncio.timeout(self._left):
                return await self._receive()
        except TimeoutError:
            self.is_late = True
            return {"type": "http.disconnect"}
        finally:
            self._left -= monotonic() - began

    async def send(self, message: Message) -> None:
        self.is_answered = True
        await self._send(message)


def check_charset(request: ASGIRequest) -> None:
    """Is it one of text? Python knows others, such as hex, and Django would stumble over them. Raises BadRequest."""
    try:
        b"x".decode(request.encoding or "utf-8", "replace")
    except (LookupError, UnicodeError) as error:
        raise BadRequest from error


async def allowed(request: ASGIRequest, size: int) -> int:
    """`limit_of`, in a thread of its own, so that no request waits for another's, or for a socket's; it ends with that,
    so that none waits for the body. Raises what it does."""
    async with ThreadSensitiveContext():
        limit: int = await database_sync_to_async(limit_of)(request, size)
    return limit


def limit_of(request: ASGIRequest, size: int) -> int:
    """How many bytes this request may carry, of which it declares `size`.

    Raises PhotoError `body_too_large`, `not_authenticated`, `rate_limited`, `storage_full`.
    """
    if size > settings.MAX_BODY_BYTES:
        raise PhotoError("body_too_large", limit=settings.MAX_BODY_BYTES // settings.MB)
    try:
        check_known(request)
    except PhotoError:
        if size <= STRANGERS:
            return STRANGERS
        if not rates.count(request):
            raise rates.refusal(request) from None
        raise
    storage.check_door(size)
    return settings.MAX_BODY_BYTES


def check_known(request: ASGIRequest) -> None:
    """Is there a token that works and has requests left, or a session behind the cookie? What they may do, the view
    finds out.

    Raises PhotoError `not_authenticated`, `rate_limited`.
    """
    if secret := tokens.secret_in(request.headers):
        request.auth = tokens.find(secret)  # type: ignore[attr-defined]
        if not rates.count(request, TEST):
            raise rates.refusal(request)
        return
    cookie = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if not cookie or not import_module(settings.SESSION_ENGINE).SessionStore().exists(cookie):
        raise PhotoError("not_authenticated", reason=f"Strangers may send {STRANGERS // settings.MB} MB")


async def refuse(request: ASGIRequest, receive: Receive, send: Send, answer: HttpResponse) -> None:
    """A problem, which a page of another origin may read where it may ask."""
    response: Any = CorsMiddleware(rates.Told(lambda request: answer))(request)
    response["Content-Length"], response["Connection"] = len(response.content), "close"
    headers = headers_of(request, response)
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content, "more_body": True})
    with suppress(TimeoutError):
        await asyncio.wait_for(_hear_out(receive), LINGER)
    await send({"type": "http.response.body", "body": b""})


def headers_of(request: HttpRequest, response: HttpResponse) -> list[tuple[bytes, bytes]]:
    """With those of Django's own that say how an answer is to be taken: its kind, in no frame, what a Referer tells."""
    for middleware in (SecurityMiddleware, XFrameOptionsMiddleware):
        middleware(lambda request: response).process_response(request, response)
    return [(name.lower().encode(), value.encode()) for name, value in response.items()]


async def _hear_out(receive: Receive) -> None:
    """A proxy that is still sending would take a connection that is cut for a fault, and never read the answer."""
    while (await receive()).get("more_body"):
        pass
