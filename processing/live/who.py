"""Who opened a socket: a program with a token, or a page of ours with a session."""

from typing import Any

from channels.auth import get_user
from channels.db import database_sync_to_async
from django.contrib.auth.models import User
from django.utils.datastructures import CaseInsensitiveMapping

from processing import tokens
from processing.access import Person
from processing.errors import PhotoError
from processing.models import Scope, Token

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


async def ask(scope: Scoped) -> Person:
    """The person, or the token, as things stand now. A token alone counts where one is sent.

    Raises PhotoError `not_authenticated`, `scope_missing`.
    """
    if secret := secret_of(scope):
        token: Token = await _token(secret)
        return token
    user: object = await get_user(scope)
    if not isinstance(user, User) or not await _session_exists(scope["session"]):
        raise PhotoError("not_authenticated", reason="There is no session")
    return user


@database_sync_to_async
def _token(secret: str) -> Token:
    token = tokens.find(secret)
    if Scope.READ not in token.scopes:
        raise PhotoError("scope_missing", scope=Scope.READ)
    return token


@database_sync_to_async
def _session_exists(session: Any) -> bool:
    return bool(session.session_key and session.exists(session.session_key))
