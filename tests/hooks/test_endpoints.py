"""A person's webhooks are kept, changed and switched; what they were told is found, and told anew."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models.deletion import Collector
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from processing import outbox
from processing.errors import PhotoError
from processing.hooks import deliver, endpoints, signing
from processing.hooks.endpoints import Outcome, State
from processing.models import Callback, Delivery, Endpoint, EventType, Job
from tests import make
from tests.hooks import told

HOUR = timedelta(hours=1)


def code(act: Any, *args: Any) -> str:
    with pytest.raises(PhotoError) as raised:
        act(*args)
    return raised.value.code


# ---- kept ----------------------------------------------------------------------------------------------------------


def test_a_webhook_is_added_with_a_secret_of_its_own(alice: User) -> None:
    one = endpoints.add(alice, " HTTPS://Shop.Example.com/hooks ", ["upload.failed", "job.completed", "upload.failed"])
    other = endpoints.add(alice, "https://shop.example.com/hooks", EventType.values)
    assert (one.url, one.types) == ("https://shop.example.com/hooks", ["job.completed", "upload.failed"])
    assert one.secret.startswith("whsec_")
    assert one.secret != other.secret


@pytest.mark.parametrize(
    ("url", "types", "expected"),
    [
        ("htp://x", ["job.failed"], "invalid_image_url"),
        ("http://127.0.0.1/", ["job.failed"], "fetch_blocked_address"),
        ("http://169.254.169.254/", ["job.failed"], "fetch_blocked_address"),
        (told.URL, [], "invalid_request"),
        (told.URL, ["job.done"], "invalid_request"),
    ],
)
def test_what_does_not_fit_is_neither_added_nor_changed(url: str, types: list[str], expected: str, alice: User) -> None:
    one = told.endpoint(alice)
    assert code(endpoints.add, alice, url, types) == code(endpoints.change, one, url, types) == expected
    assert Endpoint.objects.values_list("url", "types").get() == (told.URL, EventType.values)


def test_a_person_has_twenty_at_most(alice: User, bob: User) -> None:
    for _ in range(endpoints.MOST):
        endpoints.add(alice, told.URL, ["job.failed"])
    assert code(endpoints.add, alice, told.URL, ["job.failed"]) == "too_many_webhooks"
    endpoints.remove(Endpoint.objects.filter(owner=alice).latest("pk"))
    for owner in (alice, bob):
        endpoints.add(owner, told.URL, ["job.failed"])
    assert Endpoint.objects.filter(owner=alice).count() == endpoints.MOST == 20


def test_a_changed_one_keeps_its_secret_and_its_log(alice: User) -> None:
    one = told.endpoint(alice)
    sent = told.delivery(one, 200, ended="delivered")
    endpoints.change(one, "https://example.com/else", ["upload.completed"])
    kept = Endpoint.objects.get()
    assert (kept.url, kept.types, kept.secret) == ("https://example.com/else", ["upload.completed"], one.secret)
    assert kept.deliveries.get() == sent


def test_one_is_removed_while_something_is_to_be_told(
    transactional_db: None, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, upload = told.endpoint(alice), make.upload(alice)
    told.delivery(one)
    delete = Collector.delete

    def tell() -> None:
        with transaction.atomic():
            outbox.upload(outbox.hold(upload.job_id), upload.pk, EventType.UPLOAD_COMPLETED)
        connection.close()

    with ThreadPoolExecutor(1) as beside:

        def meanwhile(collector: Collector) -> Any:
            with suppress(TimeoutError):  # it waits for the removal
                beside.submit(tell).result(1)
            return delete(collector)

        monkeypatch.setattr(Collector, "delete", meanwhile)
        endpoints.remove(one)
    assert not Endpoint.objects.exists()
    assert not Delivery.objects.exists()


def test_a_removed_one_takes_its_log_with_it(alice: User) -> None:
    one, other = told.endpoint(alice), told.endpoint(alice)
    told.delivery(one, 500)
    kept = told.delivery(other, 500)
    endpoints.remove(one)
    assert (Endpoint.objects.get(), Delivery.objects.get()) == (other, kept)


# ---- its secret ----------------------------------------------------------------------------------------------------


def verified(endpoint: Endpoint, secret: str) -> bool:
    """Whether a message that goes out now passes with this secret."""
    made = told.delivery(endpoint)
    Delivery.objects.filter(pk=made.pk).update(not_before=timezone.now())
    claim = deliver.claim(made.pk)
    assert claim
    try:
        Webhook(secret).verify(claim.body, signing.headers(claim.secrets, claim.event, claim.body))
    except WebhookVerificationError:
        return False
    return True


def test_the_old_secret_signs_too_for_a_day(alice: User, settings: Any) -> None:
    one = told.endpoint(alice)
    old = one.secret
    endpoints.rotate(one)
    assert one.secret != old
    assert one.old_secret_until
    assert HOUR * 23 < one.old_secret_until - timezone.now() <= HOUR * 24
    assert [verified(one, one.secret), verified(one, old)] == [True, True]
    Endpoint.objects.update(old_secret_until=timezone.now())
    assert [verified(one, one.secret), verified(one, old)] == [True, False]


def test_a_secret_that_leaked_is_out_once_it_was_changed_twice(alice: User) -> None:
    one = told.endpoint(alice)
    leaked = one.secret
    endpoints.rotate(one)
    between = one.secret
    endpoints.rotate(one)
    assert [verified(one, secret) for secret in (one.secret, between, leaked)] == [True, True, False]


def test_a_second_click_changes_nothing(alice: User) -> None:
    one = told.endpoint(alice)
    seen, at_once = one.secret, Endpoint.objects.get()
    endpoints.rotate(one, seen)
    for second in (at_once, Endpoint.objects.get()):
        assert code(endpoints.rotate, second, seen) == "nothing_to_do"
    assert (Endpoint.objects.get().secret, Endpoint.objects.get().old_secret) == (one.secret, seen)


# ---- how it stands -------------------------------------------------------------------------------------------------


def test_it_is_paused_and_resumed(alice: User) -> None:
    one = told.endpoint(alice)
    assert endpoints.state_of(one) == State.ON
    assert code(endpoints.resume, one) == "nothing_to_do"
    endpoints.pause(one)
    assert endpoints.state_of(one) == State.PAUSED
    assert code(endpoints.pause, one) == "nothing_to_do"
    endpoints.resume(one)
    assert endpoints.state_of(Endpoint.objects.get()) == State.ON


def test_one_that_is_gone_can_be_switched_on_again(alice: User) -> None:
    one = told.endpoint(alice, gone_at=timezone.now(), paused_at=timezone.now())
    assert endpoints.state_of(one) == State.GONE
    assert code(endpoints.pause, one) == "nothing_to_do"
    endpoints.resume(one)
    assert endpoints.state_of(Endpoint.objects.get()) == State.ON


def test_what_waited_is_sent_at_once_when_it_resumes(alice: User) -> None:
    one, other = told.endpoint(alice), told.endpoint(alice)
    waiting = [told.delivery(one, 500, 500, ago=timedelta()), told.delivery(one, ago=timedelta())]
    told.delivery(one, 500, ended="failed")
    told.delivery(other, 500, ago=timedelta())
    endpoints.pause(one)
    endpoints.resume(one)
    assert list(deliver.due().order_by("pk")) == waiting
    assert {each.attempts for each in deliver.due()} == {0}


def standing(endpoint: Endpoint) -> Any:
    return endpoints.standing(Endpoint.objects.filter(pk=endpoint.pk)).get()


def test_it_fails_since_its_first_try_that_went_wrong_after_the_last_that_was_heard(alice: User) -> None:
    one, other = told.endpoint(alice), told.endpoint(alice)
    assert (standing(one).last_at, standing(one).last_answer, standing(one).failing_since) == (None, None, None)
    told.delivery(one, 500, ago=4 * HOUR)
    told.delivery(one, 200, ended="delivered", ago=3 * HOUR)
    assert (standing(one).last_answer, standing(one).failing_since) == ("200 OK", None)
    first = told.delivery(one, 500, 500, ago=2 * HOUR)
    told.delivery(one, None, ago=1 * HOUR)
    told.delivery(other, 200, ended="delivered")
    found = standing(one)
    assert found.failing_since == first.tries.earliest("pk").at
    assert (found.last_answer, standing(other).failing_since) == ("It did not answer.", None)


def test_an_old_message_that_is_tried_last_gives_the_last_answer(alice: User) -> None:
    one = told.endpoint(alice)
    old = told.delivery(one, 500, ago=2 * HOUR)
    told.delivery(one, 200, ended="delivered", ago=1 * HOUR)
    assert (standing(one).last_answer, standing(one).failing_since) == ("200 OK", None)
    again = old.tries.create(number=2, url=told.URL, status=500)
    found = standing(one)
    assert (found.last_answer, found.last_at, found.failing_since) == ("500 Internal Server Error", again.at, again.at)


# ---- what it was told ----------------------------------------------------------------------------------------------


def test_each_delivery_has_one_outcome(alice: User) -> None:
    one = told.endpoint(alice)
    made = {
        Outcome.WAITING: told.delivery(one, 500),
        Outcome.DELIVERED: told.delivery(one, 500, 200, ended="delivered"),
        Outcome.FAILED: told.delivery(one, 410, ended="failed"),
    }
    rows = Delivery.objects.all()
    for state, delivery in made.items():
        assert endpoints.outcome(delivery) == state
        assert list(endpoints.deliveries(rows, state)) == [delivery]
    assert list(endpoints.deliveries(rows)) == list(reversed(made.values()))
    assert list(endpoints.deliveries(rows, "nonsense")) == list(reversed(made.values()))


def test_a_test_is_on_its_way_at_once(alice: User) -> None:
    sent = endpoints.send_test(make.endpoint(alice, told.URL, EventType.UPLOAD_FAILED))
    assert sent.event.type == "upload.failed"
    assert list(deliver.due()) == [sent]


def test_one_is_told_anew_with_the_same_id_and_body(alice: User) -> None:
    for answers, ended in (([200], "delivered"), ([500] * 10, "failed"), ([500], "")):
        sent = told.delivery(told.endpoint(alice), *answers, ended=ended)
        before = sent.event_id, sent.event.body
        assert not deliver.due().filter(pk=sent.pk).exists()
        endpoints.replay(sent)
        claim = deliver.claim(sent.pk)
        assert claim
        assert (claim.event, claim.body.decode(), claim.attempt) == (*before, 1)


def test_a_callback_is_told_anew_too(alice: User) -> None:
    job = Job.objects.create(owner=alice, name="Spring", recipe={})
    sent = told.delivery(Callback.objects.create(job=job, url=told.URL), 410, ended="failed", job=job)
    endpoints.replay(sent)
    assert list(deliver.due()) == [sent]
    assert endpoints.address(sent) == told.URL


def test_all_that_failed_since_are_told_anew(alice: User) -> None:
    one, other = told.endpoint(alice), told.endpoint(alice)
    since = timezone.now() - 3 * HOUR
    failed = [told.delivery(one, 500, ended="failed", ago=hours * HOUR) for hours in (1, 2)]
    told.delivery(one, 500, ended="failed", ago=4 * HOUR)
    told.delivery(one, 200, ended="delivered")
    failed.append(told.delivery(one, 500, 500))  # waits for its third try
    told.delivery(other, 500, ended="failed")
    assert endpoints.failed_since(one, since).count() == 3
    assert endpoints.replay_failed(one, since) == 3
    assert set(deliver.due()) == set(failed)
    assert code(endpoints.replay_failed, one, since) == "nothing_to_do"


def test_what_waits_is_sent_now(alice: User) -> None:
    one = told.endpoint(alice)
    told.delivery(one, 500, ended="failed")
    assert code(endpoints.send_now, one) == "nothing_to_do"
    failing, behind = told.delivery(one, None, ago=timedelta()), told.delivery(one, ago=timedelta())
    assert endpoints.send_now(one) == 2
    assert set(deliver.due()) == {failing, behind}
    assert code(endpoints.send_now, one) == "nothing_to_do"


@pytest.mark.parametrize("off", ["paused_at", "gone_at"])
def test_nothing_is_sent_to_one_that_is_off(off: str, alice: User) -> None:
    one = told.endpoint(alice, **{off: timezone.now()})
    sent = told.delivery(one, 500, ended="failed")
    for act in (
        lambda: endpoints.send_test(one),
        lambda: endpoints.replay(sent),
        lambda: endpoints.replay_failed(one, timezone.now() - HOUR),
        lambda: endpoints.send_now(one),
    ):
        assert code(act) == "nothing_to_do"
    assert Delivery.objects.get().given_up_at == sent.given_up_at
