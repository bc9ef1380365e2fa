"""What goes out is signed as Standard Webhooks 1.0.0 says: https://www.standardwebhooks.com"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable

from django.contrib.auth.models import User

from processing.models import SigningSecret

PREFIX = "whsec_"
SECRET_BYTES = 32  # 24 to 64 are allowed


def secret_of(user: User) -> str:
    """The secret with which the callbacks of this person's jobs are signed; made when it is first asked for."""
    found, _ = SigningSecret.objects.get_or_create(owner=user, defaults={"secret": new_secret()})
    return found.secret


def renew(user: User) -> None:
    """Another secret of this person, at once: the one before signs no more."""
    SigningSecret.objects.update_or_create(owner=user, defaults={"secret": new_secret()})


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def headers(keys: Iterable[str], id: str, body: bytes) -> dict[str, str]:
    """Those that prove a message sent now: which one it is, when, and with each of these secrets the signature of both
    with its body."""
    timestamp = str(int(time.time()))
    return {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signature(key, id, timestamp, body) for key in keys),
    }


def signature(secret: str, id: str, timestamp: str, body: bytes) -> str:
    """Of a message with this id, sent then (in s since 1970)."""
    key, content = base64.b64decode(secret.removeprefix(PREFIX)), f"{id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
