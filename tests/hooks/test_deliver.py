"""What happened reaches those who want to be told, over real connections, and again while they do not hear."""

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from processing import breaker, ledger, network, outbox
from processing.hooks import callback, deliver, post, signing
from processing.models import Attempt, Delivery, Endpoint, Event, Lease, lease
from tests import make
from tests.misbehaving import self_signed
from tests.receiver import ENDLESS, HANG_UP, SILENCE, Receiver, listening

URL = "https://shop.example.com/told"


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    with listening() as made:
        settings.FETCH_ALLOW = made.allow
        yield made


@pytest.fixture
def other(settings: Any, receiver: Receiver) -> Iterator[Receiver]:
    """A second one, of another host."""
    with listening() as made:
        made.host = "127.0.0.1"
        settings.FETCH_ALLOW |= made.allow
        yield made


@pytest.fixture
def endpoint(alice: User, receiver: Receiver) -> Endpoint:
    return make.endpoint(alice, receiver.url)


@pytest.fixture
def delivery(endpoint: Endpoint) -> Delivery:
    return outbox.example(endpoint)


def again(row: Delivery) -> Delivery:
    return Delivery.objects.get(pk=row.pk)


def later() -> None:
    """The next try of everything is due."""
    Delivery.objects.update(not_before=timezone.now())


# ---- what is sent --------------------------------------------------------------------------------------------------


def test_what_happened_is_delivered_once_and_signed(alice: User, receiver: Receiver) -> None:
    endpoint = make.endpoint(alice, receiver.url, "job.completed")  # type: ignore[arg-type]
    upload = make.finish(make.upload(alice))
    for _ in range(2):
        deliver.deliver_due()
    (sent,) = receiver.got
    told = Webhook(endpoint.secret).verify(sent.body, dict(sent.headers))
    event = Event.objects.get()
    assert (told["type"], told["data"]["job_id"]) == ("job.completed", upload.job_id)
    assert (sent.headers["webhook-id"], sent.headers["content-type"]) == (event.pk, "application/json")
    row = event.deliveries.get()
    assert (row.attempts, row.answer, row.delivered_at is None) == (1, "200 OK", False)
    assert not Lease.objects.exists()


def test_for_a_while_the_secret_before_signs_too(endpoint: Endpoint, delivery: Delivery, receiver: Receiver) -> None:
    new, old = endpoint.secret, signing.new_secret()
    now = timezone.now()
    for until in (now + timedelta(hours=1), now - timedelta(seconds=1)):
        Endpoint.objects.update(old_secret=old, old_secret_until=until)
        deliver.again(Delivery.objects.all())
        deliver.deliver_due()
    during, after = receiver.got
    for secret, sent in ((new, during), (old, during), (new, after)):
        Webhook(secret).verify(sent.body, dict(sent.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(after.body, dict(after.headers))


def test_nothing_is_told_for_a_person_who_is_switched_off_until_they_are_on_again(
    alice: User, endpoint: Endpoint, receiver: Receiver
) -> None:
    job = make.job(alice)
    callback.expect(job, receiver.url)
    ledger.cancel(job.uploads.all())
    for is_active, told in ((False, 0), (True, 2)):
        User.objects.update(is_active=is_active)
        deliver.deliver_due()
        assert len(receiver.got) == told


def test_a_callback_is_signed_with_its_persons_secret(alice: User, receiver: Receiver) -> None:
    job = make.job(alice)
    callback.expect(job, receiver.url)
    ledger.cancel(job.uploads.all())
    deliver.deliver_due()
    (sent,) = receiver.got
    told = Webhook(signing.secret_of(alice)).verify(sent.body, dict(sent.headers))
    assert (told["type"], told["data"]["job_id"]) == ("job.cancelled", job.pk)
    assert Delivery.objects.get().delivered_at


def test_a_second_try_has_the_same_id_and_body_and_its_own_time(
    delivery: Delivery, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.answers = [500, 200]
    for now in (1000.0, 2000.0):
        monkeypatch.setattr("processing.hooks.signing.time.time", lambda now=now: now)
        later()
        deliver.deliver_due()
    first, second = receiver.got
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert [sent.headers["webhook-timestamp"] for sent in receiver.got] == ["1000", "2000"]
    assert (again(delivery).attempts, again(delivery).answer) == (2, "200 OK")
    assert [one.status for one in delivery.tries.all()] == [500, 200]


# ---- what comes back -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 204])
def test_any_2xx_is_heard(status: int, delivery: Delivery, receiver: Receiver) -> None:
    receiver.answers, receiver.body = [status], b""
    deliver.deliver_due()
    assert again(delivery).delivered_at


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (500, "500 Internal Server Error"),
        (302, "302 Found"),
        (404, "404 Not Found"),
        (599, "599"),
        (HANG_UP, "The server does not answer."),
        (SILENCE, "The address took longer than 0.2 s."),
    ],
)
def test_anything_else_is_tried_again(
    answer: int | str, text: str, delivery: Delivery, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post, "SECONDS", 0.2 if answer == SILENCE else 20)
    receiver.answers, receiver.headers = [answer], {"location": receiver.url}
    deliver.deliver_due()
    assert len(receiver.got) == 1  # no redirect is followed
    row = again(delivery)
    assert (row.answer, row.attempts, row.delivered_at, row.given_up_at) == (text, 1, None, None)
    assert row.not_before > timezone.now()


def test_the_log_has_what_was_sent_and_what_came_back(
    endpoint: Endpoint, delivery: Delivery, receiver: Receiver
) -> None:
    receiver.answers, receiver.headers = [500], {"retry-after": "soon", "x-own": "not kept", "server": "s" * 900}
    receiver.body = b"\0" + "Füße".encode() + b"\xff" + b"x" * 9000
    deliver.deliver_due()
    (attempt,) = delivery.tries.all()
    (sent,) = receiver.got
    assert (attempt.number, attempt.url, attempt.status, attempt.error) == (1, endpoint.url, 500, "")
    assert attempt.headers.items() <= dict(sent.headers).items()
    assert attempt.headers["webhook-signature"].startswith("v1,")
    assert attempt.answer_headers["retry-after"] == "soon"
    assert len(attempt.answer_headers["server"]) == 200
    assert "x-own" not in attempt.answer_headers
    assert attempt.answer_body[:6] == "Füße\ufffdx"
    assert len(attempt.answer_body) == 2000
    assert attempt.seconds > 0


def test_a_body_without_end_is_not_read_to_it(delivery: Delivery, receiver: Receiver) -> None:
    receiver.answers = [ENDLESS]
    deliver.deliver_due()
    assert again(delivery).delivered_at
    assert delivery.tries.get().answer_body == "ok"


def test_a_2xx_whose_body_never_comes_is_heard(
    delivery: Delivery, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post, "PATIENCE", 0.1)
    receiver.headers, receiver.body = {"content-length": "5"}, b""
    deliver.deliver_due()
    assert again(delivery).delivered_at


def test_a_certificate_that_nobody_signed_is_not_taken(alice: User, settings: Any) -> None:
    with listening(self_signed()) as receiver:
        settings.FETCH_ALLOW = receiver.allow
        delivery = outbox.example(make.endpoint(alice, receiver.url.replace("http:", "https:")))
        deliver.deliver_due()
    assert again(delivery).answer == delivery.tries.get().error == "The server's certificate is not valid."
    assert not receiver.got


@pytest.mark.parametrize("url", ["http://10.0.0.1/told", "http://localhost:{port}/told"])
def test_nothing_is_sent_to_an_address_that_is_not_allowed_any_more(
    url: str, alice: User, receiver: Receiver, settings: Any
) -> None:
    settings.FETCH_ALLOW = frozenset()
    delivery = outbox.example(make.endpoint(alice, url.format(port=receiver.port)))
    deliver.deliver_due()
    assert not receiver.got
    assert again(delivery).answer == "This server may not fetch this address."


def test_what_nobody_thought_of_holds_up_no_other(
    alice: User, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [outbox.example(make.endpoint(alice, f"{receiver.url}/{number}")) for number in range(2)]
    send = post.post

    async def break_once(client: Any, url: str, *rest: Any) -> post.Answer:
        if url.endswith("/0"):
            raise RuntimeError
        return await send(client, url, *rest)

    monkeypatch.setattr(deliver, "post", break_once)
    deliver.deliver_due()
    broken, fine = map(again, rows)
    assert (broken.answer, fine.answer) == ("That is our mistake.", "200 OK")


# ---- a host that does not answer ------------------------------------------------------------------------------------


def until_left_alone(endpoint: Endpoint, receiver: Receiver) -> None:
    receiver.answers = [500]
    while breaker.hooks("localhost") not in breaker.open_ones():
        outbox.example(endpoint)
        deliver.deliver_due()


def test_a_host_that_does_not_answer_is_not_asked_and_what_waits_loses_no_try(
    endpoint: Endpoint, receiver: Receiver
) -> None:
    until_left_alone(endpoint, receiver)
    asked = len(receiver.got)
    waiting = [outbox.example(endpoint) for _ in range(3)]
    deliver.deliver_due()
    assert len(receiver.got) == asked == 5
    assert {(again(row).attempts, again(row).not_before > timezone.now()) for row in waiting} == {(0, True)}
    assert not deliver.due().exists(), "nobody is sent for it in vain"


@pytest.mark.parametrize(("answer", "asked"), [(200, 3), (404, 3), (500, 1)])
def test_one_is_let_through_and_what_it_is_answered_decides_for_the_others(
    answer: int, asked: int, endpoint: Endpoint, receiver: Receiver
) -> None:
    until_left_alone(endpoint, receiver)
    Delivery.objects.all().delete()
    waiting = [outbox.example(endpoint) for _ in range(3)]
    before, receiver.answers = len(receiver.got), [answer]
    assert breaker.probe_now(breaker.hooks("localhost"))
    deliver.deliver_due()
    assert len(receiver.got) == before + 1
    Delivery.objects.filter(pk__in=[row.pk for row in waiting], attempts=0).update(not_before=timezone.now())
    deliver.deliver_due()
    assert len(receiver.got) == before + asked


# ---- again, and when -----------------------------------------------------------------------------------------------


def test_the_waits_grow_by_the_schedule_until_it_is_given_up(
    delivery: Delivery, receiver: Receiver, settings: Any
) -> None:
    receiver.answers, settings.BREAKER_FAILURES = [500], 100
    waits: list[float] = []
    while again(delivery).given_up_at is None:
        later()
        asked = timezone.now()
        deliver.deliver_due()
        waits.append((again(delivery).not_before - asked).total_seconds())
    least = [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    assert all(low <= wait < low * 1.2 + 30 for low, wait in zip(least, waits[:-1], strict=True))
    assert all(one < other for one, other in pairwise(waits[:-1]))
    assert len(receiver.got) == delivery.tries.count() == len(deliver.SCHEDULE) == 10


@pytest.mark.parametrize(("status", "wait"), [(429, 120), (503, 120), (500, 5)])
def test_a_busy_endpoint_is_left_alone_for_as_long_as_it_says(
    status: int, wait: int, endpoint: Endpoint, receiver: Receiver, settings: Any
) -> None:
    settings.FETCHES_PER_HOST = 1
    receiver.answers, receiver.headers = [status], {"retry-after": "120"}
    first, second = outbox.example(endpoint), outbox.example(endpoint)
    deliver.deliver_due()
    in_all = [(again(row).not_before - timezone.now()).total_seconds() for row in (first, second)]
    assert all(wait - 5 < seconds <= wait * 1.2 for seconds in in_all)
    assert len(receiver.got) == (2 if status == 500 else 1)


def test_one_that_is_gone_is_told_nothing_more(endpoint: Endpoint, receiver: Receiver, settings: Any) -> None:
    settings.FETCHES_PER_HOST = 1
    receiver.answers = [410]
    rows = [outbox.example(endpoint) for _ in range(3)]
    deliver.deliver_due()
    endpoint.refresh_from_db()
    assert endpoint.gone_at
    assert len(receiver.got) == 1
    assert {(again(row).answer, again(row).given_up_at is None) for row in rows} == {("410 Gone", False)}
    make.finish(make.upload(endpoint.owner))
    assert Delivery.objects.count() == 3


def test_a_callback_that_is_gone_is_given_up(alice: User, receiver: Receiver) -> None:
    receiver.answers = [410]
    job = make.job(alice)
    callback.expect(job, receiver.url)
    ledger.cancel(job.uploads.all())
    deliver.deliver_due()
    assert Delivery.objects.get().given_up_at


def test_what_a_paused_endpoint_missed_is_told_when_it_goes_on(endpoint: Endpoint, receiver: Receiver) -> None:
    Endpoint.objects.update(paused_at=timezone.now())
    make.finish(make.upload(endpoint.owner))
    deliver.deliver_due()
    assert not receiver.got
    Endpoint.objects.update(paused_at=None)
    deliver.deliver_due()
    assert {json.loads(sent.body)["type"] for sent in receiver.got} == {"upload.completed", "job.completed"}


def test_what_was_told_is_told_anew_with_all_its_tries(delivery: Delivery, receiver: Receiver) -> None:
    deliver.deliver_due()
    Delivery.objects.update(attempts=10)
    assert deliver.again(Delivery.objects.filter(pk=delivery.pk)) == 1
    assert not again(delivery).delivered_at
    deliver.deliver_due()
    assert (again(delivery).attempts, len(receiver.got)) == (1, 2)
    assert again(delivery).delivered_at


def test_what_is_told_anew_is_due_when_the_dispatcher_is_woken(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    Delivery.objects.update(delivered_at=timezone.now())
    seen: list[bool] = []
    monkeypatch.setattr("processing.queue.push", lambda: seen.append(deliver.due().exists()))
    deliver.again(Delivery.objects.all())
    assert seen == [True]


# ---- two workers, and one that dies --------------------------------------------------------------------------------


def test_one_that_is_claimed_is_nobody_elses(delivery: Delivery) -> None:
    assert deliver.claim(delivery.pk)
    assert deliver.claim(delivery.pk) is None
    assert deliver.claim(4711) is None


def test_a_claim_is_held_while_its_worker_lives_until_it_is_told_anew(delivery: Delivery) -> None:
    session, claim = deliver.Session(lambda: False), deliver.claim(delivery.pk)
    assert claim
    later()
    assert session.renew(claim)
    assert not deliver.due().exists()
    deliver.again(Delivery.objects.all())
    assert not session.renew(claim)


def test_a_worker_that_dies_while_sending_leaves_it_to_be_sent_again(delivery: Delivery, receiver: Receiver) -> None:
    assert deliver.claim(delivery.pk)
    deliver.deliver_due()
    assert not receiver.got  # until the claim is over
    Delivery.objects.update(not_before=timezone.now() - timedelta(seconds=1))
    deliver.deliver_due()
    assert (again(delivery).attempts, again(delivery).answer) == (2, "200 OK")


def test_while_a_session_is_at_it_another_one_is_not(delivery: Delivery, receiver: Receiver) -> None:
    assert lease.hold(lease.DELIVERING, "another", 20)
    deliver.deliver_due()
    assert not receiver.got


def test_a_stopping_worker_gives_back_what_runs_uncounted(
    delivery: Delivery, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "TICK", 0.05)
    receiver.answers = [SILENCE]
    deliver.deliver_due(stopping=lambda: bool(receiver.got))
    assert (again(delivery).attempts, delivery.tries.exists()) == (0, False)
    assert deliver.due().get() == delivery


@pytest.mark.parametrize("meanwhile", ["again", "removed"])
def test_an_answer_that_is_too_late_is_not_kept(meanwhile: str, endpoint: Endpoint, delivery: Delivery) -> None:
    claim = deliver.claim(delivery.pk)
    assert claim
    if meanwhile == "again":
        deliver.again(Delivery.objects.all())
    else:
        endpoint.delete()
    deliver.keep(claim, deliver.Told({}, post.Answer(0.1, 200)))
    assert list(Delivery.objects.values_list("attempts", "delivered_at")) == [(0, None)] * (meanwhile == "again")
    assert Attempt.objects.count() == (meanwhile == "again")


# ---- in turn -------------------------------------------------------------------------------------------------------


def test_an_endpoint_that_hangs_holds_up_no_other(alice: User, receiver: Receiver, other: Receiver) -> None:
    receiver.answers = [SILENCE]
    hanging, fine = make.endpoint(alice, receiver.url), make.endpoint(alice, other.url)
    for to in [hanging] * 20 + [fine] * 5:
        outbox.example(to)
    left = fine.deliveries.filter(delivered_at=None)
    deliver.deliver_due(stopping=lambda: not left.exists())
    assert len(other.got) == 5
    assert not Attempt.objects.filter(delivery__endpoint=hanging).exists()  # all that while it hung
    assert len(receiver.got) <= 4


def test_an_endpoint_that_does_not_answer_is_not_asked_for_its_others(
    endpoint: Endpoint, receiver: Receiver, settings: Any
) -> None:
    settings.FETCHES_PER_HOST = 1
    receiver.answers = [HANG_UP]
    first, second = outbox.example(endpoint), outbox.example(endpoint)
    deliver.deliver_due()
    assert len(receiver.got) == 1
    assert (again(first).attempts, again(second).attempts) == (1, 0)
    assert again(second).not_before > timezone.now() + timedelta(seconds=30)


def test_people_and_then_their_endpoints_take_turns(alice: User, bob: User, receiver: Receiver, settings: Any) -> None:
    settings.FETCHES = settings.FETCHES_PER_HOST = 1
    for owner, path, count in ((alice, "/a", 4), (alice, "/b", 1), (bob, "/c", 2)):
        to = make.endpoint(owner, receiver.url + path)
        for _ in range(count):
            outbox.example(to)
    deliver.deliver_due()
    assert "".join(sent.path[-1] for sent in receiver.got) == "acbcaaa"


# ---- the log -------------------------------------------------------------------------------------------------------


def test_what_ended_long_ago_is_removed_with_its_log(endpoint: Endpoint, settings: Any) -> None:
    waiting, heard, young = (outbox.example(endpoint) for _ in range(3))
    now = timezone.now()
    long_ago = now - timedelta(days=settings.HOOK_LOG_DAYS + 1)
    Event.objects.update(created_at=long_ago)
    Delivery.objects.filter(pk=heard.pk).update(delivered_at=long_ago)
    Delivery.objects.filter(pk=young.pk).update(given_up_at=now)
    Attempt.objects.create(delivery=heard, number=1, url=endpoint.url)
    deliver.clear_log()
    assert set(Delivery.objects.all()) == {waiting, young}
    assert Event.objects.count() == 2
    assert not Attempt.objects.exists()


def test_a_callback_goes_with_its_log_so_that_it_is_told_once(alice: User, settings: Any) -> None:
    settings.HOOK_LOG_DAYS = 0
    job = make.job(alice)
    callback.expect(job, URL)
    ledger.cancel(job.uploads.all())
    Delivery.objects.update(delivered_at=timezone.now())
    deliver.clear_log()
    ledger.retry(job.uploads.all())
    ledger.cancel(job.uploads.all())
    assert not Event.objects.exists()


@pytest.mark.parametrize("off", ["paused_at", "gone_at"])
def test_what_waits_too_long_for_an_endpoint_that_is_off_is_given_up(off: str, alice: User, settings: Any) -> None:
    now = timezone.now()
    long_ago, lately = (now - timedelta(days=settings.HOOK_LOG_DAYS + days) for days in (1, -1))
    lasting, late, on = (make.endpoint(alice, URL, **{off: since}) for since in (long_ago, lately, None))
    rows = [outbox.example(to) for to in (lasting, lasting, late, on)]
    Event.objects.exclude(pk=rows[0].event_id).update(created_at=long_ago)
    deliver.clear_log()
    assert [again(row).given_up_at is None for row in rows] == [True, False, True, True]
    assert again(rows[1]).answer == f"The webhook was off for {settings.HOOK_LOG_DAYS} days."


def test_one_that_ended_its_worker_at_every_try_is_given_up(delivery: Delivery) -> None:
    Delivery.objects.update(attempts=10)
    deliver.clear_log()
    assert again(delivery).given_up_at
