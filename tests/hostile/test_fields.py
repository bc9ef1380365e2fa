"""Whatever is written into whatever field, at every address of pages and admin: an answer, and no mistake."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.api.answers import content
from tests.hostile.budget import patient, rounds
from tests.web.walk import Route, Things, fields, routes, things, undone

EVERY = [route for route in routes("", "admin", "django_rq") if route.name != "ready"]  # which says 503 of itself
WORDS = [
    "", "on", "0", "1", "-1", "1.5", "1e400", "NaN", "Infinity", "0x10", "9" * 5000, "9223372036854775808", "\u00b2",
    "\uff19", "1-9223372036854775807", "5-1", ",", "\0", "a\0b", "\r\nX-Odd: 1", b"\xed\xa0\x80", b"\xff\xfe",
    "\U0010ffff", "\u202e", "%00", "%", "'\"`;--", "\\", "../..", "[", "{}", "null", "#12", "image:" + "f" * 64,
    "state:failed owner:", "state:failed", 'x"', "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-13-45",
    "https://[::1", "https://a.example:99999/", "//a.example", "a" * 100_000, "e" + "\u0301\u0316" * 20_000, "failed",
    "accept", "white", "u2netp", "everybody", "retry", "urls", "utf-16-le",
]  # fmt: skip
NOT_FILLED = {"_to_field", "_popup"}  # of the admin, which looks no further where they are odd


@pytest.fixture
def walked(alice: User) -> Things:
    return things(alice)


@patient
def test_whatever_is_written_into_a_field_is_answered(
    walked: Things, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [name for name in fields(admin_client, EVERY, walked, monkeypatch) if name not in NOT_FILLED]
    assert len(names) > 100
    for dice in rounds(1):
        for route in EVERY:
            for method in ("get", "post"):
                sent = {name: dice.choice(WORDS) for name in names if dice.random() < 0.8}
                assert trouble(admin_client, method, route, walked, sent) == "", (str(route), method, sent)


def trouble(client: Client, method: str, route: Route, walked: Things, sent: dict[str, Any]) -> str:
    """The mistake that it led to."""
    try:
        with undone(client):
            answer = getattr(client, method)(route.address(walked), sent)
            content(answer)
    except Exception as error:  # whatever it is, what was sent is to be told
        return repr(error)
    return str(answer.status_code) if answer.status_code >= 500 else ""
