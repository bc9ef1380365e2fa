"""Who opens a socket while the database does not answer is told so, as a page would be."""

import logging
from typing import Any

from django.db import Error as DatabaseTrouble
from django.http import HttpRequest

from photoproc.body import headers_of
from photoproc.form import Message, Receive, Send
from processing import outage
from processing.api import problems

log = logging.getLogger(__name__)

LATER = 1013  # where a server cannot answer a handshake with more than yes or no


class Later:
    """Answers the handshake with 503. (An open socket closes itself with 1013.)"""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            await self.application(scope, receive, send)
        except DatabaseTrouble as trouble:
            if not (away := outage.of(trouble)):
                raise
            log.warning("%s: a socket cannot be opened: %s", scope["path"], trouble)
            if "websocket.http.response" not in scope.get("extensions", {}):
                await send({"type": "websocket.close", "code": LATER})
                return
            response = problems.of(away)
            headers = headers_of(HttpRequest(), response)
            start = {"type": "websocket.http.response.start", "status": response.status_code, "headers": headers}
            await send(start)
            await send({"type": "websocket.http.response.body", "body": response.content})
