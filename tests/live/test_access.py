"""Every socket, walked as nobody, as a stranger, from pages of elsewhere; and what each says once its right has ended.
A new one must be named here."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone

from photoproc.asgi import application
from processing import overview, tokens
from processing.live.routing import websocket_urlpatterns
from processing.models import Job, Token, Upload
from tests import make
from tests.live.test_socket import cookie

pytestmark = pytest.mark.django_db(transaction=True)

OF_A_JOB = {"live/jobs/<int:pk>/": "/live/jobs/{}/", "ws/job/<int:pk>": "/ws/job/{}"}
OF_A_PERSON = {"ws/images": "/ws/images"}
OF_OPERATORS = {"ws/queue/": "/ws/queue/"}
EVERY = OF_A_JOB | OF_A_PERSON | OF_OPERATORS
OF_PROGRAMS = ["/ws/job/{}", "/ws/images", "/live/jobs/{}/"]
OURS = "http://localhost"
HUSH = "hush-hush"  # stands in the names of all that Alice has


@pytest.fixture(autouse=True)
def looks_are_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    overview.shared.forget()
    monkeypatch.setattr("processing.live.queue.QueueConsumer.pause", 0.01)


@pytest.fixture
async def job(alice: User) -> Job:
    made = await sync_to_async(make.job)(alice, 1, name=HUSH)
    await sync_to_async(make.finish)(await made.uploads.aget())
    await Upload.objects.aupdate(name=f"{HUSH}.jpg", sent_name=f"{HUSH}.jpg")
    return made


async def socket(path: str, user: User | None = None, origin: str = OURS, secret: str = "") -> Any:
    headers = [(b"host", b"localhost")]
    headers += [(b"origin", origin.encode())] if origin else []
    headers += [(b"authorization", f"Bearer {secret}".encode())] if secret else []
    headers += [(b"cookie", await sync_to_async(cookie)(user))] if user else []
    return WebsocketCommunicator(application, path, headers=headers)


async def is_let_in(path: str, *asked: Any, **more: Any) -> bool:
    made = await socket(path, *asked, **more)
    connected, _ = await made.connect(timeout=10)
    await made.disconnect()
    return bool(connected)


async def heard(made: Any, seconds: float) -> list[dict[str, Any]]:
    """All that it says until it closes, or is silent for so long."""
    said: list[dict[str, Any]] = []
    while (not said or said[-1]["type"] != "websocket.close") and not await made.receive_nothing(timeout=seconds):
        said.append(await made.receive_output(timeout=1))
    return said


def test_every_socket_is_classified() -> None:
    assert {str(route.pattern) for route in websocket_urlpatterns} == EVERY.keys() | {""}


@pytest.mark.parametrize("path", [*EVERY.values(), "/ws/nowhere", "/"])
async def test_nobody_is_let_in_anywhere(path: str, job: Job) -> None:
    assert not await is_let_in(path.format(job.pk))
    assert not await is_let_in(path.format(job.pk), secret="pho_" + "x" * 40, origin="")


@pytest.mark.parametrize("path", [*OF_A_JOB.values(), *OF_OPERATORS.values()])
async def test_a_stranger_is_not_let_in(path: str, job: Job, bob: User, olga: User) -> None:
    assert not await is_let_in(path.format(job.pk), bob)
    assert await is_let_in(path.format(job.pk), olga)


async def test_a_stranger_hears_nothing_of_alices_photos(job: Job, alice: User, bob: User) -> None:
    for user, expected in ((bob, False), (alice, True)):
        made = await socket("/ws/images", user)
        assert (await made.connect(timeout=10))[0]
        said = await heard(made, 2 if expected else 0.5)
        assert bool(said) is expected
        await made.disconnect()


@pytest.mark.parametrize("path", EVERY.values())
@pytest.mark.parametrize(
    "origin", ["https://elsewhere.example", "http://localhost.elsewhere.example", "http://localhost:81", "null", ""]
)
async def test_a_session_is_good_for_our_own_pages_alone(path: str, origin: str, job: Job, admin_user: User) -> None:
    assert not await is_let_in(path.format(job.pk), admin_user, origin=origin)


@pytest.mark.parametrize("path", EVERY.values())
async def test_a_token_without_the_scope_opens_none(path: str, job: Job, alice: User) -> None:
    made = await sync_to_async(tokens.make)(alice, "Shop", ["write"])
    assert not await is_let_in(path.format(job.pk), origin="", secret=made.secret)


# ---- each message is asked for anew ----------------------------------------------------------------------------------

ENDS: dict[str, Callable[[Job], object]] = {
    "signed out": lambda job: Session.objects.all().delete(),
    "with another password": lambda job: User.objects.update(password=make_password("another")),
    "switched off": lambda job: User.objects.update(is_active=False),
    "no operator, and another's job": lambda job: (
        User.objects.update(is_staff=False, is_superuser=False),
        Job.objects.update(owner=User.objects.create_user("carol")),
    ),
    "deleted": lambda job: Job.objects.update(deleted_at=timezone.now()),
}
OUTLIVES = {("/ws/images", "no operator, and another's job"), ("/ws/images", "deleted"), ("/ws/queue/", "deleted")}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("path", EVERY.values())
async def test_whatever_is_said_after_the_right_has_ended_closes_it_and_shows_nothing(
    path: str, end: str, job: Job, olga: User
) -> None:
    await Job.objects.aupdate(owner=olga)
    made = await socket(path.format(job.pk), olga)
    assert (await made.connect(timeout=10))[0]
    await made.receive_output(timeout=10)
    await sync_to_async(ENDS[end])(job)
    await Upload.objects.aupdate(name="told-too-late.jpg", status="failed", changed_at=timezone.now())
    await made.send_to(text_data="1-1000")
    outlives = (path, end) in OUTLIVES
    said = await heard(made, 0.5 if outlives else 10)
    assert "told-too-late" not in str(said)
    assert outlives or said[-1]["type"] == "websocket.close"
    await made.disconnect()


@pytest.mark.parametrize("path", OF_PROGRAMS)
async def test_a_token_that_was_revoked_closes_it_at_the_next_word(path: str, job: Job, alice: User) -> None:
    secret = (await sync_to_async(tokens.make)(alice, "Shop", ["read"])).secret
    made = await socket(path.format(job.pk), origin="", secret=secret)
    assert (await made.connect(timeout=10))[0]
    await Token.objects.aupdate(revoked_at=timezone.now())
    await made.send_to(text_data="look")
    assert (await heard(made, 10))[-1]["type"] == "websocket.close"


async def test_numbers_of_others_in_a_message_show_nothing_of_theirs(job: Job, alice: User, bob: User) -> None:
    own = await sync_to_async(make.job)(bob, 1)
    made = await socket(f"/live/jobs/{own.pk}/?shown=1-100000", bob)
    assert (await made.connect(timeout=10))[0]
    await made.send_to(text_data="1-100000")
    await Upload.objects.aupdate(status="failed", error_message="It says why.", changed_at=timezone.now())
    async with asyncio.timeout(10):
        said = ""
        while "It says why." not in said:
            said += await made.receive_from(timeout=10)
    assert HUSH not in said
    assert f"upload-card-{(await job.uploads.aget()).pk}" not in said
    await made.disconnect()
