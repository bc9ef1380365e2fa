"""Links with which a person makes an account: each works once, for a while, and is known here only by its hash."""

import hashlib
import secrets
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from processing.models import Invitation


class Spent(Exception):
    """The invitation was used, revoked, or ran out in the meantime."""


def make(operator: User, note: str = "") -> tuple[Invitation, str]:
    """A new invitation and its token, which cannot be told again."""
    token = secrets.token_urlsafe(32)
    expires_at = timezone.now() + timedelta(days=settings.INVITATION_DAYS)
    made = Invitation.objects.create(token_hash=_hash(token), note=note, created_by=operator, expires_at=expires_at)
    return made, token


def find(token: str) -> Invitation | None:
    """The invitation of a token, while it can be used."""
    return usable().filter(token_hash=_hash(token)).first()


def usable() -> "QuerySet[Invitation]":
    return Invitation.objects.filter(used_at=None, expires_at__gt=timezone.now())


def accept(invitation: Invitation, user: User) -> None:
    """Save this new user, who thereby uses the invitation up. Raises Spent; then no user is made."""
    with transaction.atomic():
        user.save()
        if not usable().filter(pk=invitation.pk).update(used_at=timezone.now(), used_by=user):
            raise Spent


def revoke(pk: int) -> bool:
    """The link works no longer; False when it was used or gone before."""
    deleted, _ = Invitation.objects.filter(pk=pk, used_at=None).delete()
    return bool(deleted)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
