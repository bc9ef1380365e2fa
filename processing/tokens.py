"""Tokens: made, found by their secret, revoked."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from processing.errors import PhotoError
from processing.intake.names import line
from processing.models import Scope, Token

BEGINNING = "pho_"  # so that a scanner of secrets knows one
SECRET = re.compile(rf"{BEGINNING}[\w-]{{43}}", re.ASCII)
PREFIX_LENGTH = len(BEGINNING) + 8
NAME_LENGTH = 60
MINUTE = timedelta(minutes=1)
NARROW_LIFE = timedelta(days=1)  # at most, of one that a token makes
MOST, MOST_NARROW = 100, 1000  # of one person that work
KEPT = timedelta(days=30)  # so long one that has expired is still listed


@dataclass(frozen=True)
class Made:
    """A new token with its secret, which is not kept."""

    token: Token
    secret: str


def make(
    owner: User, name: str, scopes: Iterable[str], *, expires_at: datetime | None = None, is_narrow: bool = False
) -> Made:
    """Raises PhotoError `not_permitted` where somebody who is no operator asks for the scope `queue`, or a narrow
    token would have it; `too_many_tokens`."""
    wanted = [scope for scope in Scope.values if scope in set(scopes)]
    if Scope.QUEUE in wanted and not owner.is_staff:
        raise PhotoError("not_permitted", reason="The scope queue is for operators")
    if Scope.QUEUE in wanted and is_narrow:
        raise PhotoError("not_permitted", reason="A narrow token cannot have the scope queue")
    secret = BEGINNING + secrets.token_urlsafe(32)
    with transaction.atomic():
        _check_room(owner, is_narrow)
        token = Token.objects.create(
            owner=owner, name=line(name, NAME_LENGTH) or "Token", prefix=secret[:PREFIX_LENGTH],
            secret_hash=_hash(secret), scopes=wanted, is_narrow=is_narrow, expires_at=expires_at,
        )  # fmt: skip
    return Made(token, secret)


def _check_room(owner: User, is_narrow: bool) -> None:
    """Raises PhotoError `too_many_tokens`."""
    User.objects.select_for_update().get(pk=owner.pk)  # so that no two take the last place
    limit = MOST_NARROW if is_narrow else MOST
    if Token.objects.filter(usable(), owner=owner, is_narrow=is_narrow).count() >= limit:
        raise PhotoError("too_many_tokens", limit=f"{limit:,} {'narrow tokens' if is_narrow else 'tokens'}")


def make_with(maker: Token, name: str, scopes: Iterable[str], life: timedelta) -> Made:
    """A narrow one, for a web page: it can do no more than its maker, and ends before it.

    Raises PhotoError `not_permitted` where the maker is narrow itself or the life too long, `scope_missing`.
    """
    if maker.is_narrow:
        raise PhotoError("not_permitted", reason="A narrow token makes no others")
    if life > NARROW_LIFE:
        raise PhotoError("not_permitted", reason="What a token makes lasts 24 hours at most")
    for scope in set(scopes) - set(maker.scopes):
        raise PhotoError("scope_missing", scope=scope)
    ends = [end for end in (timezone.now() + life, maker.expires_at) if end]
    return make(maker.owner, name, scopes, expires_at=min(ends), is_narrow=True)


def secret_in(headers: Any) -> str:
    """The token that comes with a request; empty where there is none. `headers` are looked up without regard to case.

    What comes in another way than as Bearer is none: a proxy in front of us may ask for a password of its own.
    """
    scheme, _, secret = (headers.get("Authorization") or "").strip().partition(" ")
    bearer = secret.strip() if scheme.lower() == "bearer" else ""
    return bearer or (headers.get("X-Api-Key") or "").strip()


def usable() -> Q:
    """Of tokens: neither revoked nor expired, and of somebody whose account is not switched off."""
    unexpired = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return unexpired & Q(revoked_at=None, owner__is_active=True)


def find(secret: str) -> Token:
    """The token with this secret, its use noted.

    Raises PhotoError `not_authenticated`. Why one does not work any more is told only to who has its whole secret.
    """
    token = None
    if SECRET.fullmatch(secret):
        token = Token.objects.filter(prefix=secret[:PREFIX_LENGTH]).select_related("owner").first()
    if token is None or not hmac.compare_digest(token.secret_hash, _hash(secret)):
        raise PhotoError("not_authenticated", reason="There is no such token")
    now = timezone.now()
    if token.revoked_at or not token.owner.is_active:
        raise PhotoError("not_authenticated", reason="The token was revoked")
    if token.expires_at and token.expires_at <= now:
        raise PhotoError("not_authenticated", reason="The token has expired")
    if not token.used_at or token.used_at < now - MINUTE:
        Token.objects.filter(pk=token.pk).update(used_at=now)
    return token


def revoke(token: Token) -> bool:
    """False where it was revoked before."""
    return bool(Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()))


def forget_expired() -> None:
    """Those that expired long ago: a page that makes one for each visit makes many."""
    Token.objects.filter(expires_at__lt=timezone.now() - KEPT).delete()


def forget_ended(owner: User) -> int:
    """Those of this person that work no more. Gives how many; jobs that were made with them stay."""
    _, removed = Token.objects.filter(owner=owner).exclude(usable()).delete()
    return removed.get(Token._meta.label, 0)


def _hash(secret: str) -> str:
    return hmac.new(settings.SECRET_KEY.encode(), secret.encode(), hashlib.sha256).hexdigest()
