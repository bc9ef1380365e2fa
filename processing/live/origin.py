"""A socket is opened by our own pages alone."""

from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier


class OwnOrigin:
    """Refuses a socket whose Origin is not the host that it is opened on, whatever hosts are allowed."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        own = urlsplit(headers.get(b"origin", "")).netloc == headers.get(b"host", "-")
        return await (self.application if own else WebsocketDenier())(scope, receive, send)
