"""Deliver what lies in the outbox: at least once, again by a schedule until it was heard, with a log of each try."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx
import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from processing import breaker, metrics, network, queue
from processing.errors import PhotoError
from processing.hooks import signing
from processing.hooks.post import Answer, client, headers, post
from processing.models import Attempt, Breaker, Callback, Delivery, Endpoint, Event, lease

log = structlog.stdlib.get_logger(__name__)

MINUTE, HOUR = 60, 3600
SCHEDULE = (0, 5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)  # waits in s
SILENCE = 60  # seconds for which an endpoint that did not answer is not asked for its others
OPEN = Q(delivered_at=None, given_up_at=None)
AT_ONCE = 500  # rows that are removed


def deliver_due(*, stopping: Callable[[], bool] = lambda: False) -> None:
    """Deliver what is due, unless another worker is at it already. When `stopping`, what runs is given back at once."""
    Session(stopping).work()


def due() -> "QuerySet[Delivery]":
    """What is to be delivered now; not to an endpoint, or for a person, that is switched off. No join, as the claim is
    an UPDATE of these."""
    off = Endpoint.objects.exclude(paused_at=None, gone_at=None).filter(pk=OuterRef("endpoint"))
    away = Event.objects.filter(pk=OuterRef("event"), owner__is_active=False)
    now = timezone.now()
    return Delivery.objects.filter(OPEN, ~Exists(off), ~Exists(away), not_before__lte=now, attempts__lt=len(SCHEDULE))


def again(deliveries: "QuerySet[Delivery]") -> int:
    """All tries anew, from now on, with the same id and body. Gives how many.

    Harmless where one is on its way: it has the same id and body, so its answer may stand for that of a new try.
    """
    fresh: dict[str, Any] = {"attempts": 0, "delivered_at": None, "given_up_at": None}
    count = deliveries.update(not_before=timezone.now(), **fresh)
    queue.push()
    return count


def clear_log() -> None:
    """Give up what ended its worker at every try, and what waits all too long for an endpoint that is off; remove what
    ended long ago, with its log."""
    now = timezone.now()
    before = now - timedelta(days=settings.HOOK_LOG_DAYS)
    Delivery.objects.filter(OPEN, not_before__lte=now, attempts__gte=len(SCHEDULE)).update(given_up_at=now)
    off = Q(endpoint__paused_at__lt=before) | Q(endpoint__gone_at__lt=before)
    said = f"The webhook was off for {settings.HOOK_LOG_DAYS} days."
    Delivery.objects.filter(OPEN, off, event__created_at__lt=before).update(given_up_at=now, answer=said)
    lately = OPEN | Q(delivered_at__gte=before) | Q(given_up_at__gte=before)
    shown = Exists(Delivery.objects.filter(lately, event=OuterRef("pk")))
    old = Event.objects.filter(~shown, created_at__lt=before).values_list("pk", flat=True)
    while some := list(old[:AT_ONCE]):
        Callback.objects.filter(deliveries__event__in=some).delete()  # as one without a log is still to be told
        Event.objects.filter(pk__in=some).delete()


@dataclass(frozen=True)
class Claim:
    """One try by one worker; no `endpoint` where it is a job's callback."""

    pk: int
    attempt: int
    endpoint: int | None
    url: str
    event: str
    body: bytes
    secrets: list[str]

    @property
    def host(self) -> str:
        return _host(self.url)


@dataclass(frozen=True)
class Told:
    """What was sent, and what came of it."""

    headers: dict[str, str]
    answer: Answer


class Session(network.Session[Claim, Told]):
    role = lease.DELIVERING
    look_again = 1.0

    def client(self) -> httpx.AsyncClient:
        return client()

    def read(self) -> None:
        columns = ("pk", "event__owner", "endpoint", "endpoint__url", "callback", "callback__url")
        alone, later = breaker.open_ones(), defaultdict(list)
        for pk, owner, endpoint, url, callback, own_url in list(due().order_by("pk").values_list(*columns)):
            host = _host(url or own_url)
            held = alone.get(breaker.hooks(host))
            if held and not _is_let_through(pk, held):
                later[_next_look(held)].append(pk)
            else:
                self.line.put(pk, owner=owner, group=(endpoint, callback), host=host, place=pk)
        for until, those in later.items():
            Delivery.objects.filter(OPEN, pk__in=those).update(not_before=until)

    def claim(self, pk: int) -> Claim | None:
        return claim(pk)

    def renew(self, claim: Claim) -> bool:
        return bool(_rows(claim).update(not_before=_lease()))

    async def ask(self, client: httpx.AsyncClient, claim: Claim) -> Told:
        sent = headers(signing.headers(claim.secrets, claim.event, claim.body))
        return Told(sent, await post(client, claim.url, sent, claim.body))

    def settle(self, claim: Claim, request: "asyncio.Task[Told]") -> None:
        if request.cancelled():
            _rows(claim).update(attempts=F("attempts") - 1, not_before=timezone.now())
            return
        if error := request.exception():  # none that we know of; it must not keep the others
            log.error("webhook_not_sent", delivery=claim.pk, attempt=claim.attempt, exc_info=error)
            keep(claim, Told({}, Answer(0, error=PhotoError("internal_error").message)))
        else:
            keep(claim, request.result())
            _judge(claim.host, request.result().answer)


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


# ---- hosts that do not answer ---------------------------------------------------------------------------------------


def _judge(host: str, answer: Answer) -> None:
    """Whatever a host answers is an answer, but for what says that it cannot now."""
    if answer.status is None or answer.status == HTTPStatus.TOO_MANY_REQUESTS or answer.status >= 500:
        breaker.failed(breaker.hooks(host), answer.text)
    else:
        breaker.succeeded([breaker.hooks(host)])


def _is_let_through(pk: int, held: Breaker) -> bool:
    return held.probe == pk or (held.is_due and breaker.let_through(held.name, pk))


def _next_look(held: Breaker) -> datetime:
    """When what is told nothing now is looked at again."""
    soon = timezone.now() + timedelta(seconds=settings.BREAKER_PAUSE)
    return soon if held.probe_at is None or held.is_due else held.probe_at


# ---- one try --------------------------------------------------------------------------------------------------------


def claim(pk: int) -> Claim | None:
    """Take one that is due; nobody else takes it while the claim is renewed."""
    row = due().filter(pk=pk).select_related("event__owner", "endpoint", "callback").first()
    if row is None:
        return None
    if not due().filter(pk=pk, attempts=row.attempts).update(attempts=F("attempts") + 1, not_before=_lease()):
        return None
    to = row.endpoint or row.callback
    assert to
    secrets = _secrets(row.endpoint) if row.endpoint else [signing.secret_of(row.event.owner)]
    return Claim(pk, row.attempts + 1, row.endpoint_id, to.url, row.event_id, row.event.body.encode(), secrets)


def _lease() -> datetime:
    return timezone.now() + timedelta(seconds=settings.LEASE)


def _secrets(endpoint: Endpoint) -> list[str]:
    """The endpoint's, and for a while the one before."""
    old_signs = endpoint.old_secret_until is not None and endpoint.old_secret_until > timezone.now()
    return [endpoint.secret, endpoint.old_secret] if old_signs else [endpoint.secret]


def _rows(claim: Claim) -> "QuerySet[Delivery]":
    """The delivery, unless it was told anew, delivered or given up since."""
    return Delivery.objects.filter(OPEN, pk=claim.pk, attempts=claim.attempt)


def keep(claim: Claim, told: Told) -> None:
    """Write down what came of it; nothing where its endpoint was removed meanwhile."""
    answer = told.answer
    with transaction.atomic():
        if Delivery.objects.select_for_update().filter(pk=claim.pk).first() is None:
            return
        Attempt.objects.create(
            delivery_id=claim.pk, number=claim.attempt, seconds=answer.seconds, url=claim.url, headers=told.headers,
            status=answer.status, answer_headers=answer.headers, answer_body=answer.body, error=answer.error,
        )  # fmt: skip
        _rows(claim).update(answer=answer.text, **_after(claim, answer))
    if claim.endpoint:
        _of_endpoint(claim.endpoint, claim, answer)
    metrics.count("webhook_deliveries", result=_result(claim, answer))
    log.info("webhook_sent", delivery=claim.pk, event_id=claim.event, attempt=claim.attempt, answer=answer.text)


def _result(claim: Claim, answer: Answer) -> str:
    if answer.is_heard:
        return "delivered"
    return "given_up" if answer.is_gone or claim.attempt >= len(SCHEDULE) else "again"


def _after(claim: Claim, answer: Answer) -> dict[str, datetime]:
    now = timezone.now()
    if answer.is_heard:
        return {"delivered_at": now}
    if answer.is_gone or claim.attempt >= len(SCHEDULE):
        return {"given_up_at": now}
    wait = max(SCHEDULE[claim.attempt] * random.uniform(1, 1.2), answer.pause)
    return {"not_before": now + timedelta(seconds=wait)}


def _of_endpoint(pk: int, claim: Claim, answer: Answer) -> None:
    """What the answer means for all that the endpoint is to be told."""
    waiting, now = Delivery.objects.filter(OPEN, endpoint=pk).exclude(pk=claim.pk), timezone.now()
    if answer.is_gone and Endpoint.objects.filter(pk=pk, url=claim.url).update(gone_at=now):
        waiting.update(answer=answer.text, given_up_at=now)
    if wait := SILENCE if answer.status is None else answer.pause:
        until = now + timedelta(seconds=wait)
        waiting.filter(not_before__lt=until).update(not_before=until)
