"""What a socket sends, to whom, and when it closes."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from photoproc.asgi import application
from processing import ledger, product_rows, watch
from processing.models import Job, Upload
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)


def cookie(user: User) -> bytes:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return f"sessionid={client.cookies['sessionid'].value}".encode()


async def socket(user: User | None, job_id: int, query: str = "", origin: bytes = b"http://localhost") -> Any:
    headers = [(b"origin", origin), (b"host", b"localhost")]
    if user:
        headers.append((b"cookie", await sync_to_async(cookie)(user)))
    return WebsocketCommunicator(application, f"/live/jobs/{job_id}/{query}", headers=headers)


async def opened(user: User, job_id: int, query: str = "") -> Any:
    made = await socket(user, job_id, query)
    connected, _ = await made.connect(timeout=5)
    assert connected
    return made


async def until(made: Any, text: str, seconds: float = 30) -> str:
    """The first message that carries the text."""
    async with asyncio.timeout(seconds):
        while text not in (message := await made.receive_from(timeout=seconds)):
            pass
    return message


@pytest.fixture
async def job(alice: User) -> Job:
    return await sync_to_async(make.job)(alice, 2)


async def test_the_whole_state_comes_on_connect(alice: User, job: Job) -> None:
    made = await opened(alice, job.pk)
    message = await made.receive_from(timeout=5)
    assert f'id="job-progress-{job.pk}"' in message
    assert len(re.findall(r'id="upload-card-\d+"', message)) == 2
    await made.disconnect()


async def test_a_change_is_pushed(alice: User, job: Job) -> None:
    made = await opened(alice, job.pk)
    await made.receive_from(timeout=5)
    upload = await job.uploads.afirst()
    assert upload
    await sync_to_async(ledger.claim)(upload.pk)
    message = await until(made, f'id="upload-card-{upload.pk}"')
    assert 'data-state="processing"' in message
    await made.disconnect()


async def test_a_change_of_which_nobody_was_told_is_shown_all_the_same(alice: User, job: Job) -> None:
    made = await opened(alice, job.pk)
    await made.receive_from(timeout=5)
    await Upload.objects.filter(job=job).aupdate(status="failed", error_message="Why", changed_at=timezone.now())
    assert "Why" in await until(made, 'data-state="failed"')
    await made.disconnect()


async def test_a_flag_and_a_verdict_are_pushed(alice: User, job: Job) -> None:
    upload = await job.uploads.afirst()
    assert upload
    claim = await sync_to_async(ledger.claim)(upload.pk)
    assert claim
    made = await opened(alice, job.pk)
    await made.receive_from(timeout=5)
    await sync_to_async(ledger.finish)(claim, [], {"review": ["19% of the edge is unsure."]})
    message = await until(made, f'id="upload-card-{upload.pk}" data-state="review"')
    assert "19% of the edge is unsure." in message
    assert 'data-review="1"' in message
    await sync_to_async(ledger.judge)(Upload.objects.filter(pk=upload.pk), accepted=True)
    assert 'data-review="0"' in await until(made, f'id="upload-card-{upload.pk}" data-state="completed"')
    await made.disconnect()


async def test_a_place_in_line_is_told_again_only_when_it_is_another(
    alice: User, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processing.live.consumers.PLACES", 0.0)
    await Upload.objects.aupdate(changed_at=timezone.now() - timedelta(minutes=1))
    first, second = [pk async for pk in job.uploads.order_by("position").values_list("pk", flat=True)]
    made = await opened(alice, job.pk)
    assert f'<span id="place-{second}">In line: 2</span>' in await until(made, "hx-swap-oob")
    await made.send_to(text_data="look")
    assert await made.receive_nothing(timeout=2)
    await Upload.objects.filter(pk=first).aupdate(job=await sync_to_async(make.job)(alice, 0))  # nobody tells of it
    assert f'<span id="place-{second}" hx-swap-oob="true">Next in line</span>' in await until(made, "place-")
    await made.disconnect()


async def test_many_changes_are_sent_together(alice: User) -> None:
    job = await sync_to_async(make.job)(alice, 60)
    made = await opened(alice, job.pk)
    await made.receive_from(timeout=5)
    for pk in [pk async for pk in job.uploads.values_list("pk", flat=True)]:
        await sync_to_async(ledger.claim)(pk)
    messages = 0
    while True:
        try:
            await made.receive_from(timeout=2)
        except TimeoutError:
            break
        messages += 1
    assert messages < 30


async def test_a_stranger_is_not_let_in(bob: User, job: Job) -> None:
    made = await socket(bob, job.pk)
    assert (await made.connect(timeout=5))[0] is False


async def test_nobody_is_not_let_in(job: Job) -> None:
    made = await socket(None, job.pk)
    assert (await made.connect(timeout=5))[0] is False


async def test_a_page_of_another_house_is_not_let_in(alice: User, job: Job) -> None:
    made = await socket(alice, job.pk, origin=b"https://elsewhere.example")
    assert (await made.connect(timeout=5))[0] is False


async def test_another_name_of_an_allowed_host_is_not_let_in(alice: User, job: Job, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    made = await socket(alice, job.pk, origin=b"http://elsewhere.example")
    assert (await made.connect(timeout=5))[0] is False


async def test_an_operator_may_watch(olga: User, job: Job) -> None:
    made = await opened(olga, job.pk)
    await made.disconnect()


async def test_a_session_that_ended_closes_the_socket(alice: User, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processing.live.watcher.CHECK", 0.0)
    made = await opened(alice, job.pk)
    await made.receive_from(timeout=5)
    await Session.objects.all().adelete()
    await made.send_to(text_data="look")
    assert (await made.receive_output(timeout=5))["code"] == 4401


async def test_a_deleted_job_closes_the_socket(alice: User, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processing.live.watcher.CHECK", 0.0)
    made = await opened(alice, job.pk)
    await made.receive_from(timeout=5)
    await Job.objects.aupdate(deleted_at=timezone.now())
    await made.send_to(text_data="look")
    assert (await made.receive_output(timeout=5))["code"] == 4404


async def test_a_page_that_says_when_it_was_made_gets_only_what_came_after(alice: User, job: Job) -> None:
    await Upload.objects.aupdate(changed_at=timezone.now() - timedelta(minutes=1))
    since = timezone.now().isoformat().replace("+", "%2B")
    made = await opened(alice, job.pk, f"?since={since}")
    message = await made.receive_from(timeout=5)
    assert "upload-card-" not in message
    assert f'id="job-progress-{job.pk}"' in message
    await made.disconnect()


async def test_odd_questions_are_answered_like_plain_ones(alice: User, job: Job) -> None:
    made = await opened(alice, job.pk, "?since=never&loaded=many&photo=x&state=odd")
    assert "job-progress" in await made.receive_from(timeout=5)
    await made.disconnect()


async def test_a_mass_change_reaches_every_card_in_handfuls(alice: User) -> None:
    job = await sync_to_async(make.job)(alice, 450)
    made = await opened(alice, job.pk)
    await made.receive_from(timeout=5)
    await sync_to_async(ledger.cancel)(job.uploads.all())
    told: set[str] = set()
    async with asyncio.timeout(20):
        while len(told) < 450:
            found = re.findall(r'id="upload-card-(\d+)" data-state="cancelled"', await made.receive_from(timeout=10))
            assert len(found) <= 100
            told |= set(found)
    await made.disconnect()


async def test_a_page_that_chatters_does_not_make_the_server_look_more_often(
    alice: User, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    real = watch.changes

    def counted(*args: Any) -> Any:
        nonlocal looks
        looks += 1
        return real(*args)

    monkeypatch.setattr(watch, "changes", counted)
    made = await opened(alice, job.pk)
    for _ in range(300):
        await made.send_to(text_data="look")
        await asyncio.sleep(0.005)
    assert looks < 20
    await made.disconnect()


async def test_a_look_that_breaks_closes_the_socket_so_that_it_comes_again(
    alice: User, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(watch, "changes", broken)
    made = await opened(alice, job.pk)
    assert (await made.receive_output(timeout=5))["code"] == 1011


# ---- rows of a product CSV ------------------------------------------------------------------------------------------


@pytest.fixture
async def csv(alice: User) -> Job:
    made = await sync_to_async(make.products)(alice, 3, photos=2)
    await Upload.objects.aupdate(changed_at=timezone.now() - timedelta(minutes=1))
    return made


def since_now() -> str:
    return f"since={timezone.now().isoformat().replace('+', '%2B')}"


def rows_in(message: str) -> list[int]:
    return [int(found) for found in re.findall(r'role="row" id="row-(\d+)"', message)]


async def test_the_rows_of_photos_that_changed_are_pushed_with_the_counts(alice: User, csv: Job) -> None:
    made = await opened(alice, csv.pk, f"?rows=1&{since_now()}")
    assert rows_in(await made.receive_from(timeout=5)) == []
    upload = await csv.uploads.afirst()
    assert upload
    row = await upload.rows.aget()
    await sync_to_async(make.bring)(upload)
    await sync_to_async(make.finish)(upload)
    message = await until(made, "1 of 2 completed")
    assert rows_in(message) == [row.pk]
    assert 'data-state="processing"' in message
    assert "upload-card-" not in message
    await csv.uploads.filter(rows=row).aupdate(status="completed", changed_at=timezone.now())
    assert 'data-completed="1"' in await until(made, f'id="row-{row.pk}" data-state="completed"')
    await made.disconnect()


async def test_photos_that_are_not_shown_only_count(alice: User) -> None:
    job = await sync_to_async(make.job)(alice, 3)
    await job.uploads.aupdate(changed_at=timezone.now() - timedelta(minutes=1))
    first, second, third = [upload async for upload in job.uploads.order_by("pk")]
    made = await opened(alice, job.pk, f"?shown={first.pk}&{since_now()}")
    await made.receive_from(timeout=5)
    await sync_to_async(ledger.cancel)(job.uploads.filter(pk__in=[first.pk, second.pk]))
    message = await until(made, 'data-cancelled="2"')
    assert f'id="upload-card-{first.pk}"' in message
    assert f'id="upload-card-{second.pk}"' not in message
    await made.send_to(text_data=f"{second.pk}-{third.pk}")  # the page shows others now
    await sync_to_async(ledger.cancel)(job.uploads.filter(pk=third.pk))
    assert f'id="upload-card-{third.pk}"' in await until(made, 'data-cancelled="3"')
    await made.disconnect()


async def test_rows_that_are_not_shown_only_count(alice: User, csv: Job) -> None:
    first, second, third = [row async for row in csv.rows.order_by("position")]
    made = await opened(alice, csv.pk, f"?rows=1&shown={first.pk}&{since_now()}")
    await made.receive_from(timeout=5)
    await sync_to_async(ledger.cancel)(csv.uploads.filter(rows__in=[first, second]))
    assert rows_in(await until(made, 'data-cancelled="2"')) == [first.pk]
    await made.send_to(text_data=f"{first.pk}-{third.pk}")  # the page shows more now
    await sync_to_async(ledger.cancel)(csv.uploads.filter(rows=third))
    assert third.pk in rows_in(await until(made, 'data-cancelled="3"'))
    await made.disconnect()


async def test_a_row_that_changed_without_its_photos_is_pushed(alice: User, csv: Job) -> None:
    made = await opened(alice, csv.pk, f"?rows=1&{since_now()}")
    await made.receive_from(timeout=5)
    row = await csv.rows.afirst()
    assert row
    await csv.rows.filter(pk=row.pk).aupdate(problem_code="csv_bad_row", problem="This row has no address.")
    message = await until(made, 'data-failed="1"')
    assert rows_in(message) == [row.pk]
    assert "This row has no address." in message
    await made.disconnect()


async def test_the_rows_that_are_loaded_come_to_a_page_that_says_nothing_of_when_it_was_made(
    alice: User, csv: Job
) -> None:
    made = await opened(alice, csv.pk, "?rows=1")
    assert len(rows_in(await made.receive_from(timeout=5))) == 3
    await made.disconnect()


async def test_rows_that_take_long_to_count_are_counted_at_most_once_a_second(
    alice: User, csv: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, real = 0, product_rows.standing

    def counted(job: Job) -> product_rows.Standing:
        nonlocal looks
        looks += 1
        return real(job)

    monkeypatch.setattr("processing.live.consumers.REST", 10**6)
    monkeypatch.setattr(product_rows, "standing", counted)
    made = await opened(alice, csv.pk, f"?rows=1&{since_now()}")
    for _ in range(100):
        await made.send_to(text_data="look")
        await asyncio.sleep(0.005)
    assert looks == 1
    await made.disconnect()
