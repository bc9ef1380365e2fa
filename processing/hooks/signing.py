"""What goes out is signed as Standard Webhooks 1.0.0 says: https://www.standardwebhooks.com"""

import base64
import hashlib
import hmac
import secrets
import time

from django.contrib.auth.models import User

from processing.models import SigningSecret

PREFIX = "whsec_"
SECRET_BYTES = 32  # 24 to 64 are allowed


def secret_of(user: User) -> str:
    """The secret with which all of this person's is signed; made when it is first asked for."""
    found, _ = SigningSecret.objects.get_or_create(owner=user, defaults={"secret": _new_secret()})
    return found.secret


def _new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def headers(secret: str, id: str, body: bytes) -> dict[str, str]:
    """Those that prove a message sent now: which one it is, when, and the signature of both with its body."""
    timestamp = str(int(time.time()))
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signature = hmac.digest(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }
