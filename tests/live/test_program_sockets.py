"""The sockets for programs: who is let in, what they hear, and when they are closed."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import uvicorn
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from photoproc.asgi import application
from processing import announce, ledger, messages, rates, tokens, variants
from processing.errors import PhotoError
from processing.live import watcher
from processing.models import Job, Token, Upload, Variant
from tests import make
from tests.live.test_socket import cookie

pytestmark = pytest.mark.django_db(transaction=True)

Headers = dict[str, str]
OWN, NAMED, OTHER = "http://localhost", "https://shop.example.com", "https://elsewhere.example.com"
IMAGES = "/ws/images"


def of_job(job: Job) -> str:
    return f"/ws/job/{job.pk}"


def secret_of(owner: User, *scopes: str, **values: Any) -> str:
    return tokens.make(owner, "Shop", scopes or ["read"], **values).secret


def socket(path: str, headers: Headers, subprotocols: list[str] | None = None) -> Any:
    sent = {"Host": "localhost", **headers}
    pairs = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
    return WebsocketCommunicator(application, path, headers=pairs, subprotocols=subprotocols)


def bearer(secret: str, **headers: str) -> Headers:
    return {"Authorization": f"Bearer {secret}", **headers}


async def is_let_in(path: str, headers: Headers, subprotocols: list[str] | None = None) -> bool:
    made = socket(path, headers, subprotocols)
    let_in, _ = await made.connect(timeout=5)
    if let_in:
        await made.disconnect()
    return bool(let_in)


@asynccontextmanager
async def opened(path: str, secret: str) -> AsyncIterator[Any]:
    made = socket(path, bearer(secret))
    assert (await made.connect(timeout=5))[0]
    yield made
    await made.disconnect()


async def next_of(made: Any, seconds: float = 5) -> Any:
    return json.loads(await made.receive_from(timeout=seconds))


async def until(made: Any, seconds: float = 30, **fields: Any) -> Any:
    """The first message with these fields."""
    async with asyncio.timeout(seconds):
        while True:
            message = await next_of(made, seconds)
            if all(message[name] == value for name, value in fields.items()):
                return message


@pytest.fixture
async def job(alice: User) -> Job:
    return await sync_to_async(make.job)(alice, 2)


@pytest.fixture
async def secret(alice: User) -> str:
    return await sync_to_async(secret_of)(alice)


@sync_to_async
def fail(upload: Upload) -> None:
    claim = ledger.claim(upload.pk)
    assert claim
    ledger.fail(claim, PhotoError("no_face_found"))


# ---- who is let in --------------------------------------------------------------------------------------------------


async def test_a_program_is_let_in_with_its_token(job: Job, secret: str) -> None:
    for path in (of_job(job), IMAGES):
        assert await is_let_in(path, bearer(secret))
        assert await is_let_in(path, {"X-Api-Key": secret})
        assert await is_let_in(path, {}, [f"bearer.{secret}"])


async def test_the_subprotocol_that_is_taken_is_no_secret_where_another_is_offered(job: Job, secret: str) -> None:
    own = f"bearer.{secret}"
    for offered, taken in (([own], own), ([own, "photoproc"], "photoproc"), ([], None)):
        made = socket(of_job(job), {"X-Api-Key": secret}, offered)
        assert await made.connect(timeout=5) == (True, taken)
        await made.disconnect()


async def test_others_are_refused_before_they_hear_anything(alice: User, bob: User, olga: User, job: Job) -> None:
    past = timezone.now() - timedelta(seconds=1)
    refused = {
        "a stranger": await sync_to_async(secret_of)(bob),
        "an operator without the scope queue": await sync_to_async(secret_of)(olga, "read"),
        "an expired token": await sync_to_async(secret_of)(alice, expires_at=past),
        "one that may not read": await sync_to_async(secret_of)(alice, "write"),
        "one that is made up": "pho_made-up",
        "a narrow one, of a job that was not made with it": await sync_to_async(secret_of)(alice, is_narrow=True),
    }
    for who, secret in refused.items():
        assert not await is_let_in(of_job(job), bearer(secret)), who
    for who in ("an expired token", "one that may not read", "one that is made up"):
        assert not await is_let_in(IMAGES, bearer(refused[who])), who
    assert not await is_let_in(of_job(job), {})
    assert not await is_let_in(IMAGES, {})
    assert await is_let_in(of_job(job), bearer(await sync_to_async(secret_of)(olga, "read", "queue")))


async def test_what_is_not_there_is_refused(secret: str) -> None:
    for path in ("/ws/job/999", f"/ws/job/{10**30}", f"/ws/job/{'9' * 5000}", "/ws/job/x", "/ws/", "/"):
        assert not await is_let_in(path, bearer(secret)), path


async def test_a_narrow_token_hears_of_its_own_job(alice: User) -> None:
    made = await sync_to_async(tokens.make)(alice, "Page", ["read"], is_narrow=True)
    own = await sync_to_async(make.job)(alice, token=made.token)
    assert await is_let_in(of_job(own), bearer(made.secret))


# ---- from which page ------------------------------------------------------------------------------------------------


async def test_a_token_is_good_for_our_pages_and_for_those_that_are_named(job: Job, secret: str, settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = [NAMED, "null"]
    for origin, let_in in ((OWN, True), (NAMED, True), ("null", True), (OTHER, False), ("", False)):
        assert await is_let_in(of_job(job), bearer(secret, Origin=origin)) == let_in, origin
        assert await is_let_in(of_job(job), {"Origin": origin}, [f"bearer.{secret}"]) == let_in, origin


async def test_a_file_from_a_disk_is_refused_where_it_is_not_named(job: Job, secret: str) -> None:
    assert not await is_let_in(of_job(job), bearer(secret, Origin="null"))


async def test_a_session_is_good_for_our_pages_alone(alice: User, job: Job, settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = [NAMED, OWN]
    session = await signed_in(alice)
    for path in (of_job(job), IMAGES):
        assert await is_let_in(path, session | {"Origin": OWN})
        assert not await is_let_in(path, session)
        for origin in (NAMED, OTHER, "http://["):
            assert not await is_let_in(path, session | {"Origin": origin}), origin
        assert not await is_let_in(path, session | {"Origin": OTHER, "Host": OTHER[8:]})


async def test_a_session_does_not_help_a_token_that_is_none(alice: User, job: Job, settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = [NAMED]
    session = await signed_in(alice)
    for origin in (OWN, NAMED):
        for path in (of_job(job), IMAGES, f"/live/jobs/{job.pk}/"):
            assert not await is_let_in(path, session | {"Origin": origin}, ["bearer.made-up"]), (origin, path)


async def signed_in(user: User) -> Headers:
    return {"Cookie": (await sync_to_async(cookie)(user)).decode()}


# ---- a job ----------------------------------------------------------------------------------------------------------


async def test_a_job_is_told_whole_and_then_as_it_changes(job: Job, secret: str) -> None:
    async with opened(of_job(job), secret) as made:
        first = await next_of(made)
        updated = first["metadata"].pop("updated_at")
        assert first == {
            "type": "progress", "job_id": job.pk, "status": "pending",
            "progress": {"processed": 0, "total": 2, "percentage": 0},
            "metadata": {"created_at": job.created_at.isoformat(), "job_type": "photos", "file_count": 2},
            "error": None,
        }  # fmt: skip
        await sync_to_async(make.finish)(await job.uploads.afirst())
        second = await until(made, status="processing", progress={"processed": 1, "total": 2, "percentage": 50})
        assert second["metadata"]["updated_at"] > updated
        await sync_to_async(ledger.cancel)(job.uploads.all())
        await until(made, status="failed", error="Cancelled")


async def test_a_change_of_which_nobody_was_told_is_told_all_the_same(
    job: Job, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processing.live.watcher.LOOK", 0.1)
    async with opened(of_job(job), secret) as made:
        await next_of(made)
        await Upload.objects.filter(job=job).aupdate(status="completed", changed_at=timezone.now())
        await until(made, seconds=2, status="completed")


async def test_many_changes_of_a_job_are_told_together(alice: User, secret: str) -> None:
    job = await sync_to_async(make.job)(alice, 30)
    heard = 0
    async with opened(of_job(job), secret) as made:
        for pk in [pk async for pk in job.uploads.values_list("pk", flat=True)]:
            await sync_to_async(ledger.claim)(pk)
        await sync_to_async(ledger.cancel)(job.uploads.all())
        while (await next_of(made))["status"] != "failed":
            heard += 1
    assert heard < 15


async def test_a_person_has_so_many_sockets_and_one_that_ends_makes_room(
    alice: User, bob: User, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "MOST", 2)
    async with opened(IMAGES, secret):
        async with opened(IMAGES, await sync_to_async(secret_of)(alice)):
            assert not await is_let_in(IMAGES, await signed_in(alice) | {"Origin": OWN})
            assert await is_let_in(IMAGES, bearer(await sync_to_async(secret_of)(bob)))
            assert await is_let_in(IMAGES, bearer(await sync_to_async(secret_of)(alice, is_narrow=True)))
        assert await is_let_in(IMAGES, bearer(secret))


async def test_opening_a_socket_counts_as_a_request(job: Job, secret: str, settings: Any) -> None:
    settings.API_RATE = [(3, "hour")]
    rates.limiter(settings.REDIS_URL).storage.reset()
    assert [await is_let_in(path, bearer(secret)) for path in 2 * [of_job(job), IMAGES]] == [True, True, True, False]


# ---- the end --------------------------------------------------------------------------------------------------------


async def test_a_token_that_holds_no_more_closes_the_socket(alice: User, job: Job) -> None:
    now = timezone.now()
    for path in (of_job(job), IMAGES):
        for change in ({"revoked_at": now}, {"expires_at": now}, {"scopes": ["write"]}):
            async with opened(path, await sync_to_async(secret_of)(alice)) as made:
                await Token.objects.aupdate(**change)
                await made.send_to(text_data="look")
                await closed(made, 4401)


async def test_a_token_is_looked_up_again_by_itself(job: Job, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processing.live.watcher.CHECK", 0.0)
    monkeypatch.setattr("processing.live.watcher.LOOK", 0.1)
    async with opened(of_job(job), secret) as made:
        await User.objects.aupdate(is_active=False)
        await closed(made, 4401)


async def test_a_session_that_ended_closes_a_programs_socket_too(alice: User, job: Job) -> None:
    made = socket(of_job(job), await signed_in(alice) | {"Origin": OWN})
    assert (await made.connect(timeout=5))[0]
    await Session.objects.all().adelete()
    await made.send_to(text_data="look")
    await closed(made, 4401)


async def test_a_deleted_job_closes_its_socket(job: Job, secret: str) -> None:
    async with opened(of_job(job), secret) as made:
        await next_of(made)
        await Job.objects.aupdate(deleted_at=timezone.now())
        await sync_to_async(announce.job_changed)(job.pk)
        await closed(made, 4404)


async def closed(made: Any, code: int) -> None:
    """The next that is no message is the end."""
    while (said := await made.receive_output(timeout=5))["type"] != "websocket.close":
        pass
    assert said["code"] == code


# ---- images ---------------------------------------------------------------------------------------------------------


async def hear(made: Any) -> None:
    """Look now: nobody nudges the socket of images."""
    await made.send_to(text_data="look")


async def test_how_far_each_photo_of_the_caller_is_comes_first(alice: User, bob: User, secret: str) -> None:
    begun, done, failed, thumb = [await sync_to_async(make.upload)(alice) for _ in range(4)]
    await sync_to_async(make.finish)(done)
    await fail(failed)
    await thumb.variants.aupdate(status=Variant.Status.COMPLETED)
    await sync_to_async(make.finish)(await sync_to_async(make.upload)(bob))
    async with opened(IMAGES, secret) as made:
        said = [await next_of(made) for _ in range(3)]
        assert await made.receive_nothing(timeout=0.3)  # of Bob's, and of the one that is only begun
    assert {one["image_id"]: one["type"] for one in said} == {
        done.pk: "image:processing:complete", failed.pk: "image:processing:failed",
        thumb.pk: "image:processing:thumbnail_complete",
    }  # fmt: skip
    for one in said:
        upload = await Upload.objects.aget(pk=one["image_id"])
        assert one == {"type": one["type"], "image_id": upload.pk, **await sync_to_async(messages.image)(upload)}
    assert begun.pk not in {one["image_id"] for one in said}


async def test_each_step_that_a_photo_reaches_is_told_once(alice: User, secret: str) -> None:
    upload = await sync_to_async(make.upload)(alice)
    async with opened(IMAGES, secret) as made:
        assert await made.receive_nothing(timeout=0.3)
        thumbnail = await upload.variants.aget(name=variants.SOURCE_THUMBNAIL)
        await sync_to_async(thumbnail_made)(thumbnail)
        await hear(made)
        assert (await next_of(made))["type"] == "image:processing:thumbnail_complete"
        await sync_to_async(make.finish)(upload)
        await hear(made)
        said = [await next_of(made) for _ in range(2)]
        assert [one["type"] for one in said] == ["image:processing:variant_complete", "image:processing:complete"]
        assert said[1]["variants"].keys() == {"result", "thumbnail"}
        await hear(made)
        assert await made.receive_nothing(timeout=0.3)


def thumbnail_made(variant: Variant) -> None:
    Variant.objects.filter(pk=variant.pk).update(status=Variant.Status.COMPLETED)
    Upload.objects.filter(pk=variant.upload_id).update(changed_at=timezone.now())


async def test_a_photo_that_fails_again_is_told_again(alice: User, secret: str) -> None:
    upload = await sync_to_async(make.upload)(alice)
    async with opened(IMAGES, secret) as made:
        for _ in range(2):
            await fail(upload)
            await hear(made)
            said = await next_of(made)
            assert (said["type"], said["processing_error"]) == ("image:processing:failed", "No face was found.")
            await sync_to_async(ledger.retry)(upload.job.uploads.all())


async def test_a_photo_is_heard_of_without_a_word(alice: User, secret: str) -> None:
    async with opened(IMAGES, secret) as made:
        await made.receive_nothing(timeout=0.1)
        upload = await sync_to_async(make.upload)(alice)
        await sync_to_async(make.finish)(upload)
        await until(made, seconds=2.5, type="image:processing:complete", image_id=upload.pk)


async def test_a_narrow_token_hears_of_its_own_photos(alice: User) -> None:
    made_with = await sync_to_async(tokens.make)(alice, "Page", ["read"], is_narrow=True)
    own = await sync_to_async(make.job)(alice, token=made_with.token)
    await sync_to_async(make.finish)(await sync_to_async(make.upload)(alice))
    async with opened(IMAGES, made_with.secret) as made:
        assert await made.receive_nothing(timeout=0.3)
        await fail(await own.uploads.aget())
        await hear(made)
        assert (await next_of(made))["image_id"] == (await own.uploads.aget()).pk


async def test_many_photos_come_in_handfuls(alice: User, secret: str) -> None:
    job = await sync_to_async(make.job)(alice, 110)
    await sync_to_async(ledger.cancel)(job.uploads.all())
    async with opened(IMAGES, secret) as made:
        told = {(await next_of(made))["image_id"] for _ in range(110)}
    assert len(told) == 110


async def test_who_comes_again_hears_of_what_changed_since(alice: User, secret: str) -> None:
    old, new = [await sync_to_async(make.upload)(alice) for _ in range(2)]
    for upload in (old, new):
        await fail(upload)
    await Upload.objects.filter(pk=old.pk).aupdate(changed_at=timezone.now() - timedelta(minutes=1))
    since = (timezone.now() - timedelta(seconds=10)).isoformat().replace("+", "%2B")
    async with opened(f"{IMAGES}?since={since}", secret) as made:
        assert (await next_of(made))["image_id"] == new.pk
        assert await made.receive_nothing(timeout=0.3)


# ---- over a real server ---------------------------------------------------------------------------------------------


@pytest.fixture
async def server() -> AsyncIterator[str]:
    """uvicorn, as the Procfile starts it; gives its address."""
    made = uvicorn.Server(uvicorn.Config(application, port=0, lifespan="off", access_log=False, log_config=None))
    serving = asyncio.create_task(made.serve())
    while not made.started:
        await asyncio.sleep(0.01)
    yield f"localhost:{made.servers[0].sockets[0].getsockname()[1]}"
    made.should_exit = True
    await serving


async def test_a_program_watches_a_job_over_the_wire(
    server: str, job: Job, secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(f"ws://{server}/ws/job/{job.pk}", additional_headers=bearer(secret)) as made:
        assert json.loads(await made.recv())["status"] == "pending"
        await sync_to_async(ledger.cancel)(job.uploads.all())
        assert json.loads(await made.recv())["error"] == "Cancelled"
    async with connect(
        f"ws://{server}{IMAGES}", subprotocols=[Subprotocol(f"bearer.{secret}")], origin=f"http://{server}"
    ) as made:
        assert made.subprotocol == f"bearer.{secret}"
        assert json.loads(await made.recv())["type"] == "image:processing:failed"
    for path, headers in ((f"/ws/job/{job.pk}", {}), ("/ws/nothing", bearer(secret)), (IMAGES, bearer("pho_x"))):
        with pytest.raises(InvalidStatus, match="403"):
            await connect(f"ws://{server}{path}", additional_headers=headers)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
