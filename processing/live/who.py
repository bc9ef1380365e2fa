"""Who opened a socket: a program with a token, or a page of ours with a session."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.datastructures import CaseInsensitiveMapping

from processing import tokens
from processing.access import Person
from processing.errors import PhotoError
from processing.models import Scope
from processing.sessions import SessionStore

BEARER = "bearer."  # begins the subprotocol in which a browser sends its token: it can send no header
Scoped = dict[str, Any]  # what ASGI says of a socket


def secret_of(scope: Scoped) -> str:
    """The token that a program sends; empty where it sends none."""
    headers = CaseInsensitiveMapping(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
    )
    offered = (name.removeprefix(BEARER) for name in scope["subprotocols"] if name.startswith(BEARER))
    return tokens.secret_in(headers) or next(offered, "")


def subprotocol(scope: Scoped) -> str | None:
    """Which of those offered is taken, as a browser wants one of them: rather one that is no secret."""
    offered: list[str] = scope["subprotocols"]
    return next((name for name in offered if not name.startswith(BEARER)), offered[0] if offered else None)


def ask(scope: Scoped) -> Person:
    """The person, or the token, as things stand now. A token alone counts where one is sent.

    Raises PhotoError `not_authenticated`, `scope_missing`.
    """
    if secret := secret_of(scope):
        token = tokens.find(secret)
        if Scope.READ not in token.scopes:
            raise PhotoError("scope_missing", scope=Scope.READ)
        return token
    request = HttpRequest()
    request.session = SessionStore(scope["cookies"].get(settings.SESSION_COOKIE_NAME))  # read anew each time
    user = get_user(request)
    if not isinstance(user, User):
        raise PhotoError("not_authenticated", reason="There is no session")
    return user
