"""What goes out is signed so that the published library of Standard Webhooks takes it."""

import base64

import pytest
from django.contrib.auth.models import User
from standardwebhooks import Webhook, WebhookVerificationError

from processing.hooks import signing

BODY = '{"type": "job.completed", "name": "Füße"}'.encode()


def test_a_persons_secret_is_made_once_and_is_their_own(alice: User, bob: User) -> None:
    secret = signing.secret_of(alice)
    assert signing.secret_of(alice) == secret != signing.secret_of(bob)
    assert secret.startswith("whsec_")
    assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"))) <= 64


def test_the_published_library_takes_what_is_signed_with_any_of_the_secrets() -> None:
    new, old = signing.new_secret(), signing.new_secret()
    signed = signing.headers([new, old], "msg_1", BODY)
    for secret in (new, old):
        assert Webhook(secret).verify(BODY, signed)["name"] == "Füße"


def test_another_body_id_or_secret_is_refused() -> None:
    secret = signing.new_secret()
    signed = signing.headers([secret], "msg_1", BODY)
    forged = [
        (secret, signed, BODY + b" "),
        (secret, {**signed, "webhook-id": "msg_2"}, BODY),
        (signing.new_secret(), signed, BODY),
    ]
    for key, headers, body in forged:
        with pytest.raises(WebhookVerificationError):
            Webhook(key).verify(body, headers)
