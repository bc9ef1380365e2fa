"""From whose page a socket may be opened."""

from typing import Any

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import split_domain_port, validate_host

from processing.live import who


class KnownOrigin:
    """Refuses a socket that a stranger's page opens: a browser says whose page it is.

    A session is good for our own pages alone. A program says nothing; its token is enough, also from a page of those
    that are named in the settings.
    """

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: who.Scoped, receive: Any, send: Any) -> Any:
        return await (self.application if is_known(scope) else WebsocketDenier())(scope, receive, send)


def is_known(scope: who.Scoped) -> bool:
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    origin = headers.get(b"origin")
    if origin and is_own(origin, headers.get(b"host", "")):
        return True
    return bool(who.secret_of(scope)) and (origin is None or origin in settings.CORS_ALLOWED_ORIGINS)


def is_own(origin: str, host: str) -> bool:
    """Is it the very host that the socket is opened on, and one that we answer to?"""
    return origin.partition("://")[2] == host and validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)
