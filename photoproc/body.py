"""Refuse a request body that is too large before Django writes it to the disk."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class BodyLimit:
    """Answers 413 where the declared length is over `MAX_BODY_BYTES`; a body that lies about it is cut off."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if int(declared) > settings.MAX_BODY_BYTES if declared.isdigit() else True:
            await refuse(send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return {"type": "http.disconnect"} if received > settings.MAX_BODY_BYTES else message

        await self.application(scope, counted, send)


async def refuse(send: Send) -> None:
    limit = settings.MAX_BODY_BYTES // settings.MB
    body = json.dumps(
        {"code": "file_too_large", "detail": f"The request exceeds {limit} MB. Send fewer files at once."}
    )
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})
