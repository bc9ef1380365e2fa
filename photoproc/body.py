"""Refuse a request body that is too large, or a stranger's, before Django writes it to the disk."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings

from processing import storage
from processing.errors import PhotoError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

STRANGERS = settings.MB  # bytes: enough for the forms that need no login


class BodyLimit:
    """Answers 413 or 507 where the declared length is too much; a body that lies about its length is cut off."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"0")
        size = int(declared) if declared.isdigit() and len(declared) < 19 else settings.MAX_BODY_BYTES + 1
        limit = STRANGERS
        if size > STRANGERS or b"transfer-encoding" in headers:
            limit = settings.MAX_BODY_BYTES if await signed_in(headers) else STRANGERS
        if size > limit:
            await refuse(send, 413, "file_too_large", sentence(limit))
        elif size > STRANGERS and not await has_room(size):
            full = PhotoError("storage_full")
            await refuse(send, 507, full.code, full.detail)
        else:
            await self.application(scope, counted(receive, limit), send)


def counted(receive: Receive, limit: int) -> Receive:
    received = 0

    async def receive_within() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        return {"type": "http.disconnect"} if received > limit else message

    return receive_within


async def signed_in(headers: dict[bytes, bytes]) -> bool:
    """Is there a session behind the cookie? Whose it is, the view finds out."""
    try:
        cookie = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1")).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return False
    if cookie is None:
        return False
    session = import_module(settings.SESSION_ENGINE).SessionStore
    return bool(await sync_to_async(session().exists)(cookie.value))


async def has_room(size: int) -> bool:
    """Twice: the body is spooled before the photos in it are kept."""
    try:
        await sync_to_async(storage.check_space)(2 * size)
    except PhotoError:
        return False
    return True


def sentence(limit: int) -> str:
    if limit == STRANGERS:
        return "Sign in before sending files."
    return f"The request exceeds {limit // settings.MB} MB. Send fewer files at once."


async def refuse(send: Send, status: int, code: str, detail: str) -> None:
    body = json.dumps({"code": code, "detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
