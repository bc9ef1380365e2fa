"""What the socket of the queue sends, and to whom."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.urls import reverse

from photoproc.asgi import application
from processing import announce, overview, steering, tokens
from processing.live.queue import QueueConsumer
from processing.models import BulkAct, Scope, Upload
from tests import make
from tests.live.test_socket import cookie, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def nothing_is_shared_and_looks_are_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    overview.shared.forget()
    monkeypatch.setattr(QueueConsumer, "pause", 0.01)


async def socket(user: User | None, query: str = "", **headers: str) -> Any:
    sent = [(b"origin", b"http://localhost"), (b"host", b"localhost")]
    sent += [(name.encode(), value.encode()) for name, value in headers.items()]
    if user:
        sent.append((b"cookie", await sync_to_async(cookie)(user)))
    return WebsocketCommunicator(application, f"/ws/queue/{query}", headers=sent)


async def opened(user: User, query: str = "") -> tuple[Any, str]:
    """The socket, and the first that it said."""
    made = await socket(user, query)
    connected, _ = await made.connect(timeout=5)
    assert connected
    return made, await made.receive_from(timeout=5)


async def test_how_all_stands_comes_on_connect(olga: User) -> None:
    made, message = await opened(olga, "?span=d")
    for name in overview.FRAGMENTS:
        assert f'id="queue-{name}"' in message
    assert "over the last day" in message
    await made.disconnect()


async def test_then_only_what_changed_is_sent(alice: User, olga: User) -> None:
    made, _ = await opened(olga)
    await sync_to_async(make.job)(alice, 2)
    await Upload.objects.aupdate(status="failed", error_code="no_face_found", error_message="No face was found.")
    await sync_to_async(announce.queue_changed)()
    message = await until(made, "No face was found.")
    assert 'id="queue-failures"' in message
    assert 'id="queue-breakers"' not in message
    await made.disconnect()


async def test_what_an_operator_did_is_shown_at_once(olga: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processing.live.watcher.LOOK", 60)
    made, _ = await opened(olga)
    await BulkAct.objects.acreate(verb="retry", query="state:failed", by=olga, matched=7)
    await sync_to_async(announce.queue_changed)()
    assert "Retrying: 0 of 7" in await until(made, "Retrying")
    await made.disconnect()


async def test_when_another_operator_pauses_the_head_offers_to_resume(olga: User, admin_user: User) -> None:
    made, message = await opened(olga)
    assert f'id="queue-toggle" form="act" formaction="{reverse("queue-pause")}"' in message
    await sync_to_async(steering.pause)(admin_user)
    message = await until(made, "The queue is paused.")
    assert f'formaction="{reverse("queue-resume")}">' in message.partition('id="queue-toggle"')[2][:120]
    await made.disconnect()


async def test_people_and_strangers_are_not_let_in(alice: User) -> None:
    for user in (alice, None):
        made = await socket(user)
        assert (await made.connect(timeout=5))[0] is False


async def test_a_program_is_not_let_in_whatever_its_token_may(olga: User) -> None:
    token = await sync_to_async(tokens.make)(olga, "Dashboard", [Scope.READ, Scope.QUEUE])
    made = await socket(None, authorization=f"Bearer {token.secret}")
    assert (await made.connect(timeout=5))[0] is False


async def test_who_is_an_operator_no_more_is_turned_out(olga: User) -> None:
    made, _ = await opened(olga)
    await User.objects.filter(pk=olga.pk).aupdate(is_staff=False)
    await made.send_to(text_data="look")  # whatever is said is answered after a check
    while (said := await made.receive_output(timeout=5))["type"] != "websocket.close":
        pass
    assert said["code"] == 4404
