"""The pages of webhooks: added, switched, changed; their log, and each thing that they were told."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from processing.hooks import deliver, signing
from processing.models import Callback, Delivery, Endpoint, EventType
from tests import make
from tests.hooks import told

SignIn = Callable[[User], Client]
HOUR = timedelta(hours=1)
LIST = "/webhooks/"


@pytest.fixture
def client(alice: User, as_user: SignIn) -> Client:
    return as_user(alice)


@pytest.fixture
def endpoint(alice: User) -> Endpoint:
    return told.endpoint(alice)


def text(client: Client, path: str) -> str:
    """What a person reads there."""
    answer = client.get(path)
    assert answer.status_code == 200, answer
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def at(name: str, row: Endpoint | Delivery) -> str:
    return reverse(name, args=[row.pk])


def press(client: Client, name: str, row: Endpoint | Delivery, **fields: str) -> str:
    """What a plain form is told."""
    answer = client.post(at(name, row), {"next": LIST, **fields}, follow=True)
    (message,) = answer.context["messages"]
    return str(message)


# ---- added and changed ---------------------------------------------------------------------------------------------


def test_without_any_the_page_says_what_would_be_here_and_offers_all_events(client: Client) -> None:
    page = client.get(LIST).content.decode()
    assert "No webhooks yet" in page
    assert re.findall(r'name="types" value="([\w.]+)" (checked)?', page) == [(one, "checked") for one in EventType]
    assert "A photo is completed, and somebody should look at it" in page


def test_a_plain_form_adds_one_and_leads_to_its_secret(client: Client) -> None:
    answer = client.post("/webhooks/add", {"url": told.URL, "types": ["job.failed"], "next": LIST}, follow=True)
    made = Endpoint.objects.get()
    assert answer.redirect_chain == [(at("webhook", made), 303)]
    assert made.types == ["job.failed"]
    assert f'value="{made.secret}"' in answer.content.decode()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"url": "htp://x", "types": ["job.failed"]}, "Addresses begin with http:// or https://. Mend the address."),
        ({"url": "http://10.0.0.1/", "types": ["job.failed"]}, "This server may not fetch this address."),
        ({"url": "", "types": ["job.failed"]}, "A webhook needs an address."),
        ({"url": told.URL}, "Choose what it is told."),
        ({"url": told.URL, "types": ["job.done"]}, "job.done"),
        ({"url": "https://x.example.com/\0", "types": ["job.failed"]}, "Null characters are not allowed."),
    ],
)
def test_what_does_not_fit_is_told_where_it_was_typed(fields: Any, said: str, client: Client) -> None:
    kept = make.endpoint(User.objects.get(username="alice"), told.URL)
    for path in ("/webhooks/add", at("webhook-change", kept)):
        answer = client.post(path, fields | {"next": LIST})
        page = unescape(answer.content.decode())
        assert answer.status_code == 422
        assert said in page
        kept_types = [one for one in fields.get("types", []) if one in EventType]
        assert re.findall(r'value="([\w.]+)" checked', page) == kept_types
        assert f'value="{fields["url"]}"' in page or "\0" in fields["url"]
        assert said in client.post(path, fields).json()["detail"]
    assert Endpoint.objects.values_list("url", "types").get() == (told.URL, EventType.values)


def test_the_twenty_first_is_not_offered_and_refused(client: Client, alice: User) -> None:
    for _ in range(20):
        make.endpoint(alice, told.URL)
    assert "These are 20, as many as a person may have." in text(client, LIST)
    answer = client.post("/webhooks/add", {"url": told.URL, "types": ["job.failed"], "next": LIST})
    assert answer.status_code == 422
    assert Endpoint.objects.count() == 20


def test_the_address_and_the_events_are_changed(client: Client, endpoint: Endpoint) -> None:
    assert press(client, "webhook-change", endpoint, url="https://example.com/b", types="job.failed") == "Saved."
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.types) == ("https://example.com/b", ["job.failed"])


def test_it_is_removed(client: Client, endpoint: Endpoint) -> None:
    assert press(client, "webhook-remove", endpoint) == "Removed."
    assert not Endpoint.objects.exists()


# ---- how it stands -------------------------------------------------------------------------------------------------


def test_the_list_says_how_each_stands(client: Client, alice: User) -> None:
    _quiet, healthy, failing = (told.endpoint(alice) for _ in range(3))
    told.endpoint(alice, paused_at=timezone.now())
    told.endpoint(alice, gone_at=timezone.now())
    told.delivery(healthy, 500, 200, ended="delivered")
    told.delivery(failing, 500)
    page = text(client, LIST)
    states = re.findall(r"/hooks (On|Failing|Paused|Off: it answered 410) (.+?) All events", page)
    assert [state for state, _ in states] == ["On", "On", "Failing", "Paused", "Off: it answered 410"]
    said = [words for _, words in states]
    assert said[0] == "It was told nothing yet."
    last = r"Last answer, (to|yester)day [\d:]+ : "
    assert re.fullmatch(last + "200 OK", said[1])
    assert re.match(r"Since (to|yester)day [\d:]+ \. " + last + "500 Internal Server Error", said[2])


def test_the_list_asks_as_much_for_twenty_as_for_one(
    client: Client, alice: User, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        told.delivery(told.endpoint(alice), 500)
    with django_assert_max_num_queries(8):
        client.get(LIST)


def test_it_is_paused_and_switched_on_again(client: Client, endpoint: Endpoint) -> None:
    assert press(client, "webhook-pause", endpoint).startswith("Paused.")
    page = text(client, at("webhook", endpoint))
    assert "Resume" in page
    assert "Send a test" not in page
    assert press(client, "webhook-pause", endpoint) == "The webhook is paused already."
    assert press(client, "webhook-resume", endpoint) == "On again. What waited is sent now."
    Endpoint.objects.update(gone_at=timezone.now())
    assert "Switch on again" in text(client, at("webhook", endpoint))
    assert client.post(at("webhook-resume", endpoint)).status_code == 204
    assert client.post(at("webhook-resume", endpoint)).status_code == 409


def test_the_secret_is_changed_and_the_overlap_told(client: Client, endpoint: Endpoint, settings: Any) -> None:
    settings.HOOK_SECRET_HOURS = 2
    page = client.get(at("webhook", endpoint)).content.decode()
    assert "The old one also signs for 2 hours" in page
    seen = re.findall(r'name="seen" value="([^"]+)"', page)[0]
    made = "New secret made. The old one also signs for 2 hours."
    assert press(client, "webhook-rotate", endpoint, seen=seen) == made
    assert press(client, "webhook-rotate", endpoint, seen=seen) == "The secret was changed already."
    page = text(client, at("webhook", endpoint))
    assert "The old secret also signs until" in page
    assert "Change the secret again The old one stops at once" in page
    between = Endpoint.objects.get()
    assert between.old_secret == seen == endpoint.secret
    assert press(client, "webhook-rotate", endpoint, seen=between.secret) == made
    assert Endpoint.objects.get().old_secret == between.secret


def test_a_secret_stands_open_until_the_first_message(client: Client, endpoint: Endpoint) -> None:
    fold = 'id="secret-fold" open'
    assert fold in client.get(at("webhook", endpoint)).content.decode()
    told.delivery(endpoint, 200, ended="delivered")
    assert fold not in client.get(at("webhook", endpoint)).content.decode()


def test_a_failing_one_offers_to_send_what_waits_now(client: Client, endpoint: Endpoint) -> None:
    told.delivery(endpoint, ago=HOUR * 2)  # has its turn now
    assert "now Send a test" not in text(client, at("webhook", endpoint))
    sent = told.delivery(endpoint, 500)
    assert "Send 1 that waits now" in text(client, at("webhook", endpoint))
    told.delivery(endpoint, 500)
    assert "Send 2 that wait now" in text(client, at("webhook", endpoint))
    assert press(client, "webhook-send", endpoint) == "2 messages on the way again."
    assert deliver.due().filter(pk=sent.pk).exists()
    assert "that wait now" not in text(client, at("webhook", endpoint))
    assert press(client, "webhook-send", endpoint) == "Nothing waits."


def test_a_test_is_sent_and_stands_in_the_log(client: Client, endpoint: Endpoint) -> None:
    assert press(client, "webhook-test", endpoint).startswith("A test is on its way.")
    assert re.search(r"Waiting job.completed A test No answer yet next try now", text(client, at("webhook", endpoint)))
    assert "None: this is a test" in text(client, at("delivery", Delivery.objects.get()))


# ---- the log -------------------------------------------------------------------------------------------------------


def test_the_log_tells_newest_first_what_came_of_each(client: Client, endpoint: Endpoint, alice: User) -> None:
    job = make.job(alice)
    told.delivery(endpoint, 200, ended="delivered", job=job)
    told.delivery(endpoint, *[500] * 10, ended="failed", job=job)
    told.delivery(endpoint, 500, None, job=job)
    page = re.sub(r"in 5\d min( \d+ s)?", "in 59 min", text(client, at("webhook", endpoint)))
    assert re.findall(r"(Delivered|Failed|Trying again) job.completed Spring (.+?) \d+ \w+ \d\d:\d\d", page) == [
        ("Trying again", "It did not answer. 2 tries, next try in 59 min"),
        ("Failed", "500 Internal Server Error 10 tries"),
        ("Delivered", "200 OK 1 try"),
    ]
    assert reverse("job", args=[job.pk]) in client.get(at("webhook", endpoint)).content.decode()


def test_the_log_shows_one_state_when_asked(client: Client, endpoint: Endpoint) -> None:
    failed, waiting = told.delivery(endpoint, 500, ended="failed"), told.delivery(endpoint, 500)
    for state, shown, hidden in (("failed", failed, waiting), ("waiting", waiting, failed)):
        page = client.get(at("webhook", endpoint), {"state": state}).content.decode()
        assert f'id="delivery-{shown.pk}"' in page
        assert f'id="delivery-{hidden.pk}"' not in page
    assert "None of them." in client.get(at("webhook", endpoint), {"state": "delivered"}).content.decode()
    assert client.get(at("webhook", endpoint), {"state": "\0"}).content.decode().count('id="delivery-') == 2


def test_the_log_is_cut_into_pages_and_asks_little(
    client: Client, endpoint: Endpoint, django_assert_max_num_queries: Any
) -> None:
    for _ in range(51):
        told.delivery(endpoint, ended="failed")
    with django_assert_max_num_queries(11):
        first = client.get(at("webhook", endpoint)).content.decode()
    assert first.count('id="delivery-') == 50
    assert client.get(at("webhook", endpoint), {"page": "2"}).content.decode().count('id="delivery-') == 1
    assert client.get(at("webhook", endpoint), {"page": "nonsense"}).status_code == 200


def test_a_page_looks_again_while_something_waits(client: Client, endpoint: Endpoint) -> None:
    sent = told.delivery(endpoint, 200, ended="delivered")
    for path in (at("webhook", endpoint), at("delivery", sent)):
        assert "hx-trigger" not in client.get(path).content.decode()
    Delivery.objects.update(delivered_at=None)
    for path in (at("webhook", endpoint), at("delivery", sent)):
        assert 'hx-trigger="every 3s"' in client.get(path).content.decode()


def test_a_deleted_job_is_not_linked(client: Client, endpoint: Endpoint, alice: User) -> None:
    sent = told.delivery(endpoint, 200, ended="delivered", job=make.job(alice, 0, deleted_at=timezone.now()))
    for path in (at("webhook", endpoint), at("delivery", sent)):
        assert "Spring" not in text(client, path)


def test_callbacks_of_single_jobs_have_a_list(client: Client, endpoint: Endpoint, alice: User, bob: User) -> None:
    told.delivery(endpoint, 500)
    for owner in (alice, bob):
        callback = Callback.objects.create(job=make.job(owner, 0), url=f"https://{owner.username}.example.com/told")
        told.delivery(callback, 500, job=callback.job)
    page = client.get(LIST).content.decode()
    assert page.count('id="delivery-') == 1
    assert "https://alice.example.com/told" in page
    sent = Delivery.objects.get(callback__job__owner=alice)
    assert "Callbacks of single jobs" in text(client, at("delivery", sent))
    assert press(client, "delivery-replay", sent) == "On the way again."
    assert list(deliver.due()) == [sent]


# ---- one of them ---------------------------------------------------------------------------------------------------


def test_a_delivery_shows_what_was_sent_and_each_answer(client: Client, endpoint: Endpoint) -> None:
    sent = told.delivery(endpoint, 500, None, body='{"type":"job.completed","data":{"name":"Füße <b>"}}')
    page, read = client.get(at("delivery", sent)).content.decode(), text(client, at("delivery", sent))
    assert "&quot;name&quot;: &quot;Füße &lt;b&gt;&quot;\n" in page
    assert f"webhook-id: {sent.event_id}" in read
    assert "server: shop" in read
    assert "&lt;b&gt;No room&lt;/b&gt;" in page
    assert read.index("It did not answer.") < read.index("500 Internal Server Error")  # the last try comes first
    assert page.count('<details class="fold"') == 2


def test_a_delivery_is_replayed_unless_its_webhook_is_off(client: Client, endpoint: Endpoint) -> None:
    sent = told.delivery(endpoint, 200, ended="delivered")
    Endpoint.objects.update(paused_at=timezone.now())
    assert press(client, "delivery-replay", sent) == "The webhook is paused: switch it on first."
    Endpoint.objects.update(paused_at=None)
    assert press(client, "delivery-replay", sent) == "On the way again."
    assert list(deliver.due()) == [sent]


def test_all_that_failed_since_are_counted_first_then_replayed(client: Client, endpoint: Endpoint) -> None:
    assert "Send again" not in text(client, at("webhook", endpoint))
    for ago in (HOUR / 2, 2 * HOUR, 3 * HOUR, 48 * HOUR):
        told.delivery(endpoint, 500, ended="failed", ago=ago)
    page = client.get(at("webhook", endpoint)).content.decode()
    offered = re.findall(r'name="since" value="([^"]+)">([^<]+)<', page)
    assert [words for _, words in offered] == [
        "1 of the last hour", "3 of the last 24 hours", "4 of the last 7 days", "4 of the last 30 days",
    ]  # fmt: skip
    assert press(client, "webhook-replay", endpoint, since=offered[1][0]) == "3 messages on the way again."
    assert press(client, "webhook-replay", endpoint, since=offered[1][0]) == "Nothing failed since then."
    assert deliver.due().count() == 3


@pytest.mark.parametrize("since", ["", "yesterday", "2026-02-31T00:00:00Z", "2026-02-01T00:00:00", "9" * 400, "\0"])
def test_a_moment_that_is_none_is_refused(since: str, client: Client, endpoint: Endpoint) -> None:
    told.delivery(endpoint, 500, ended="failed")
    assert client.post(at("webhook-replay", endpoint), {"since": since}).status_code == 422
    assert not deliver.due().exists()


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_the_ends_of_time_are_no_mistake_of_ours(since: str, client: Client, endpoint: Endpoint) -> None:
    assert datetime.fromisoformat(since)
    assert client.post(at("webhook-replay", endpoint), {"since": since}).status_code in (409, 422)


# ---- whose they are ------------------------------------------------------------------------------------------------


def test_a_strangers_are_neither_seen_nor_touched(endpoint: Endpoint, bob: User, olga: User, as_user: SignIn) -> None:
    sent = told.delivery(endpoint, 500, ended="failed")
    before = Endpoint.objects.values().get(), Delivery.objects.values().get()
    acts = ("change", "rotate", "test", "pause", "resume", "remove", "replay", "send")
    changing = [at("delivery-replay", sent), *(at(f"webhook-{act}", endpoint) for act in acts)]
    seen = [at("webhook", endpoint), at("delivery", sent)]
    for user in (bob, olga):
        stranger = as_user(user)
        assert told.URL not in text(stranger, LIST)
        assert [stranger.get(path).status_code for path in seen] == [404, 404]
        for path in changing:
            assert stranger.post(path, {"url": told.URL, "types": "job.failed"}).status_code == 404
            assert stranger.get(path).status_code == 405
    assert (Endpoint.objects.values().get(), Delivery.objects.values().get()) == before
    for path in (*changing, *seen):
        assert Client().post(path)["Location"].startswith(reverse("login"))


def test_numbers_beyond_the_database_are_404(client: Client) -> None:
    for path in (f"/webhooks/{10**30}/", f"/webhooks/deliveries/{10**30}/"):
        assert client.get(path).status_code == 404


# ---- how a message is checked --------------------------------------------------------------------------------------


def test_the_python_that_the_page_shows_takes_what_is_signed_and_nothing_else(
    client: Client, endpoint: Endpoint
) -> None:
    page = client.get(at("webhook", endpoint)).content.decode()
    shown = re.search(r'id="verify-python">(.*?)</pre>', page, re.DOTALL)
    assert shown
    names: dict[str, Any] = {}
    exec(unescape(shown[1]), names)
    body = b'{"type": "job.completed"}'
    headers = signing.headers([endpoint.secret], "msg_1", body)
    assert names["received"](endpoint.secret, headers, body) == {"type": "job.completed"}
    with pytest.raises(WebhookVerificationError):
        names["received"](endpoint.secret, headers, body + b" ")
    assert names["Webhook"] is Webhook
