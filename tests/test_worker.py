"""The keeper of a running attempt, and a worker that is asked to stop."""

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NoReturn

import pytest
import redis
from django.contrib.auth.models import User
from django.db import InterfaceError
from django.utils import timezone
from rq import Callback
from rq import worker as worker_of_rq
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer
from structlog.testing import capture_logs

from processing import crew, ledger, queue
from processing.errors import ClaimLost
from processing.models import Status, Upload
from processing.worker import HARD_EXIT, MEMORY_EXIT, STOP_GRACE, Keeper, WarmWorker, work
from tests import light, make

CALLED = Callback("tests.light.called")


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(code: int) -> NoReturn:
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", leave)


def held(alice: User) -> ledger.Claim:
    claim = ledger.claim(make.upload(alice).pk)
    assert claim
    return claim


def test_the_lease_of_a_running_attempt_is_renewed(alice: User, settings: Any) -> None:
    keeper, claim = Keeper(), held(alice)
    Upload.objects.update(lease_until=timezone.now() + timedelta(seconds=1))
    with keeper.timing(), keeper.holding(claim):
        keeper.renewed -= settings.HEARTBEAT + 1
        keeper.look()
    assert Upload.objects.get().lease_until > timezone.now() + timedelta(seconds=settings.LEASE - 2)  # type: ignore[operator]


def test_the_last_step_is_said_at_the_next_look_and_once(alice: User) -> None:
    keeper, claim = Keeper(), held(alice)
    with keeper.holding(claim):
        keeper.at(claim, "Reading", 0, 3)
        keeper.at(claim, "Removing background", 1, 3)
        assert not Upload.objects.get().step
        keeper.look()
        said = Upload.objects.get()
        keeper.look()
    assert (said.step, said.steps_done, said.steps_total) == ("Removing background", 1, 3)
    assert Upload.objects.get().changed_at == said.changed_at


def test_the_worker_of_a_cancelled_photo_stops_at_a_step(alice: User) -> None:
    keeper, claim = Keeper(), held(alice)
    with keeper.holding(claim):
        keeper.at(claim, "Reading", 0, 3)
        keeper.look()
        ledger.cancel(Upload.objects.all())
        keeper.look()
        with pytest.raises(ClaimLost):
            keeper.at(claim, "Removing background", 1, 3)


def test_what_was_lost_of_one_photo_does_not_stop_the_next(alice: User) -> None:
    keeper, lost, claim = Keeper(), held(alice), held(alice)
    with keeper.holding(lost):
        keeper.at(lost, "Reading", 0, 3)
        ledger.cancel(Upload.objects.filter(pk=lost.upload_id))
        keeper.look()
    with keeper.holding(claim):
        keeper.at(claim, "Reading", 0, 3)
        keeper.look()
    assert Upload.objects.get(pk=claim.upload_id).step == "Reading"


@pytest.mark.usefixtures("exits")
def test_an_attempt_over_the_hard_limit_ends_its_process_and_is_tried_again(alice: User, settings: Any) -> None:
    keeper, claim = Keeper(), held(alice)
    with keeper.timing(), keeper.holding(claim), pytest.raises(SystemExit) as left:
        assert keeper.busy_since
        keeper.busy_since -= settings.HARD_TIME_LIMIT + 1
        keeper.look()
    assert left.value.code == HARD_EXIT
    upload = Upload.objects.get()
    assert (upload.status, upload.error_code, upload.attempts) == (Status.QUEUED, "timeout", 1)


@pytest.mark.usefixtures("exits")
def test_a_long_attempt_of_a_stopping_worker_is_given_back(alice: User) -> None:
    keeper, claim = Keeper(), held(alice)
    keeper.stop_at = time.monotonic() - 1
    with keeper.timing(), keeper.holding(claim), pytest.raises(SystemExit) as left:
        keeper.look()
    assert left.value.code == 0
    assert (Upload.objects.get().status, Upload.objects.get().attempts) == (Status.QUEUED, 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("more", ["", "on_success", "on_failure", "on_stopped"])
@pytest.mark.parametrize("function", ["tests.light.called", queue.PROCESS_UPLOAD])
def test_a_worker_calls_nothing_but_what_a_nudge_does(function: str, more: str, empty_redis: None) -> None:
    queue.rq(queue.PHOTOS).enqueue(function, 0, job_timeout=-1, result_ttl=0, **{more: CALLED} if more else {})
    with capture_logs() as said:
        work(queue.PHOTOS, burst=True)
    refused = [line["event"] for line in said if line["log_level"] == "error"]
    assert refused == ["no_nudge_of_ours"] * (function != queue.PROCESS_UPLOAD)
    assert light.done() == []
    assert queue.connection().keys("rq:job:*") == []


@pytest.mark.django_db(transaction=True)
def test_nor_what_redis_says_of_one_that_was_lost(empty_redis: None) -> None:
    """RQ calls back of those whose worker seems dead, wherever it clears up."""
    lost = queue.rq(queue.IO).enqueue(queue.TIDY, 0, on_failure=CALLED, job_timeout=-1)
    queue.connection().delete(f"rq:queue:{queue.IO}")
    registry = StartedJobRegistry(queue.IO, connection=queue.connection())
    queue.connection().zadd(registry.key, {f"{lost.id}:1": 1})
    work(queue.IO, burst=True)
    assert queue.connection().zcard(registry.key) == 0  # it was looked at
    assert light.done() == []


@pytest.mark.parametrize("said", [b"no JSON", b"[1]", b'[["x"], null, [], {}]', b'["os.getpid", {"a": 1}, [], {}]'])
def test_what_is_no_nudge_at_all_is_none_of_ours(said: bytes) -> None:
    nudge = queue.Nudge("one", connection=queue.connection(), serializer=JSONSerializer)
    nudge.data = said
    assert not nudge.is_ours


def test_a_worker_that_is_asked_to_stop_takes_no_further_nudge(empty_redis: None) -> None:
    queue.send(queue.PHOTOS, queue.PROCESS_UPLOAD, [1])
    worker = WarmWorker([queue.PHOTOS], connection=queue.connection())
    worker._stop_requested = True
    assert worker.dequeue_job_and_maintain_ttl(5) is None
    assert queue.waiting(queue.PHOTOS) == 1


def test_a_cable_that_was_cut_keeps_a_worker_neither_for_long_nor_from_its_warm_models(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def cut(self: object, *_: object, **__: object) -> None:
        tries.append(1)
        if len(tries) == 3:
            worker._stop_requested = True
        raise redis.TimeoutError("Timeout reading from socket")

    tries: list[int] = []
    monkeypatch.setattr(worker_of_rq.SimpleWorker, "dequeue_job_and_maintain_ttl", cut)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    worker = WarmWorker([queue.PHOTOS], connection=queue.connection())
    assert worker.connection.connection_pool.connection_kwargs["socket_timeout"] == 10
    assert worker.dequeue_job_and_maintain_ttl(60) is None
    assert len(tries) == 3


def test_a_worker_that_redis_forgot_is_registered_again() -> None:
    worker = WarmWorker([queue.PHOTOS], connection=queue.connection())
    worker.register_birth()
    worker.heartbeat()
    queue.connection().flushdb()
    worker.beaten_at -= crew.ALIVE + 1
    worker.set_state("idle")
    worker.heartbeat()
    assert queue.workers(queue.PHOTOS) == 1
    assert queue.connection().hget(worker.key, "birth")
    assert 0 < queue.connection().ttl(worker.key) <= crew.ALIVE
    worker.register_death()


@pytest.mark.usefixtures("exits")
def test_light_work_that_hangs_ends_its_process_too(settings: Any) -> None:
    keeper = Keeper()
    with keeper.timing(), pytest.raises(SystemExit) as left:
        assert keeper.busy_since
        keeper.busy_since -= settings.HARD_TIME_LIMIT + 1
        keeper.look()
    assert left.value.code == HARD_EXIT


@pytest.mark.usefixtures("exits")
def test_an_idle_worker_leaves_soon_although_redis_is_away() -> None:
    keeper = Keeper()
    keeper.stop_at = time.monotonic() + STOP_GRACE - 4
    with pytest.raises(SystemExit) as left:
        keeper.look()
    assert left.value.code == 0


def test_the_keeper_goes_on_whatever_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    keeper, looks = Keeper(), []

    def broken() -> None:
        looks.append(1)
        raise InterfaceError("connection already closed")

    monkeypatch.setattr(keeper, "look", broken)
    monkeypatch.setattr("processing.worker.connection.close", lambda: None)
    keeper.start()
    time.sleep(1.3)
    assert keeper.is_alive()
    assert len(looks) >= 2


def test_a_dead_worker_is_not_counted_for_long(empty_redis: None) -> None:
    worker = WarmWorker([queue.PHOTOS], connection=queue.connection())
    worker.register_birth()
    worker.heartbeat(420)
    assert 0 < queue.connection().ttl(worker.key) <= 15


# ---- what it says of itself -----------------------------------------------------------------------------------------


@pytest.fixture
def keeper(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keeper]:
    """Of a worker that is at work."""
    made = Keeper()
    made.sign = crew.Sign("w1", queue.PHOTOS, "shop", 4711, timezone.now(), photos=0, memory=0, upload_id=None)
    yield made
    queue.connection().flushdb()


def test_it_says_at_its_next_look_what_it_works_on_and_how_many_it_did(alice: User, keeper: Keeper) -> None:
    claim = held(alice)
    with keeper.holding(claim):
        keeper.look()
        (sign,) = crew.at_work(queue.PHOTOS)
        assert (sign.name, sign.upload_id, sign.photos) == ("w1", claim.upload_id, 0)
        assert sign.memory > 1_000_000
    keeper.look()
    (sign,) = crew.at_work(queue.PHOTOS)
    assert (sign.upload_id, sign.photos) == (None, 1)


def test_an_idle_worker_says_now_and_then_that_it_is_there(keeper: Keeper, settings: Any) -> None:
    keeper.look()
    queue.connection().flushdb()
    keeper.look()
    assert crew.at_work(queue.PHOTOS) == []  # not at each look
    keeper.said -= settings.HEARTBEAT + 1
    keeper.look()
    assert [sign.name for sign in crew.at_work(queue.PHOTOS)] == ["w1"]


def test_a_photo_is_worked_on_while_redis_is_away(alice: User, keeper: Keeper, settings: Any) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    with keeper.holding(held(alice)):
        pass
    assert keeper.photos == 1


@pytest.mark.django_db
def test_a_worker_that_grew_too_large_says_so_as_it_ends(
    monkeypatch: pytest.MonkeyPatch, settings: Any, empty_redis: None
) -> None:
    keeper = Keeper()
    monkeypatch.setattr("processing.worker.keeper", keeper)
    queue.send(queue.PHOTOS, queue.PROCESS_UPLOAD, [1])
    settings.WORKER_MEMORY = 1
    assert work(queue.PHOTOS, burst=True) == MEMORY_EXIT
    keeper.say()
    assert crew.at_work(queue.PHOTOS) == []  # it is none any more, though its keeper lives on here
