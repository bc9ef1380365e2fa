"""What arrived where callbacks can be tried: the newest few of each person, for a day. Redis may forget them."""

import hmac
import json
import logging
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from processing.errors import PhotoError
from processing.hooks import signing
from processing.models import SigningSecret

log = logging.getLogger(__name__)

KEPT = 10
DAY = 86400
TOLERANCE = 5 * 60  # seconds that a message may be old, or ahead


def check(user: User | None, headers: Mapping[str, str], body: bytes) -> User:
    """The person, where this server signed it for them just now, as Standard Webhooks 1.0.0 has it.

    Raises PhotoError `bad_signature`, in the same words whether there is such a person or not.
    """
    id, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not at.isascii() or not at.isdigit() or abs(time.time() - int(at[:15])) > TOLERANCE:
        raise PhotoError("bad_signature", reason="webhook-timestamp is missing, or minutes off")
    kept = SigningSecret.objects.filter(owner=user).first()
    right = signing.signature(kept.secret if kept else signing.new_secret(), id, at, body).encode()
    given = headers.get("webhook-signature", "").encode().split()
    if user is None or not any(hmac.compare_digest(right, one) for one in given):
        raise PhotoError("bad_signature", reason="webhook-signature does not fit")
    return user


def keep(user: User, id: str, body: bytes) -> None:
    told = {"webhook_id": id, "received_at": timezone.now().isoformat(), "body": body.decode("utf-8", "replace")}
    try:
        with _redis().pipeline() as pipe:
            pipe.lpush(_key(user), json.dumps(told))
            pipe.ltrim(_key(user), 0, KEPT - 1)
            pipe.expire(_key(user), DAY)
            pipe.execute()
    except redis.RedisError as error:
        log.warning("webhook %s: not kept to be shown: %s", id, error)


def newest(user: User) -> list[dict[str, Any]]:
    """Each as `webhook_id`, `received_at` and `body` (text), newest first; none while Redis is down."""
    try:
        return [json.loads(one) for one in _redis().lrange(_key(user), 0, -1)]
    except redis.RedisError as error:
        log.warning("what arrived cannot be shown: %s", error)
        return []


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)


def _key(user: User) -> str:
    return f"photoproc:received:{user.pk}"
