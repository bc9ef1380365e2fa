"""The webhooks of a person: added, changed, switched off and on; and what they were told, told anew."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery, TextChoices
from django.db.models.functions import Coalesce
from django.utils import timezone

from processing import guard, outbox
from processing.errors import PhotoError
from processing.hooks import deliver, signing
from processing.models import Attempt, Delivery, Endpoint, EventType

MOST = 20  # of one person


# ---- kept ----------------------------------------------------------------------------------------------------------


def add(owner: User, url: str, types: Iterable[str]) -> Endpoint:
    """Raises PhotoError: `guard.check`'s, `invalid_request`, `too_many_webhooks`."""
    address, chosen = _judged(url), _known(types)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=owner.pk)  # so that no two take the last place
        if Endpoint.objects.filter(owner=owner).count() >= MOST:
            raise PhotoError("too_many_webhooks", limit=MOST)
        return Endpoint.objects.create(owner=owner, url=address, types=chosen, secret=signing.new_secret())


def change(endpoint: Endpoint, url: str, types: Iterable[str]) -> None:
    """What waits already goes to the new address. Raises PhotoError: `guard.check`'s, `invalid_request`."""
    endpoint.url, endpoint.types = _judged(url), _known(types)
    endpoint.save(update_fields=["url", "types"])


def rotate(endpoint: Endpoint, seen: str = "") -> None:
    """A new secret; the one before signs too until `old_secret_until`, and what signed before that no more.

    Raises PhotoError `nothing_to_do` where its secret is not the one that was `seen` any more: a second click.
    """
    changed = seen in ("", endpoint.secret) and Endpoint.objects.filter(pk=endpoint.pk, secret=endpoint.secret).update(
        old_secret=endpoint.secret,
        old_secret_until=timezone.now() + timedelta(hours=settings.HOOK_SECRET_HOURS),
        secret=signing.new_secret(),
    )
    if not changed:
        raise PhotoError("nothing_to_do", reason="The secret was changed already")
    endpoint.refresh_from_db()


def pause(endpoint: Endpoint) -> None:
    """What happens meanwhile is kept, and told when it is on again. Raises PhotoError `nothing_to_do`."""
    _switch(endpoint, Q(paused_at=None, gone_at=None), paused_at=timezone.now())


def resume(endpoint: Endpoint) -> None:
    """On again, also where it had answered 410; what waits is sent at once. Raises PhotoError `nothing_to_do`."""
    _switch(endpoint, Q(paused_at__isnull=False) | Q(gone_at__isnull=False), paused_at=None, gone_at=None)
    deliver.again(held_up(endpoint))


def remove(endpoint: Endpoint) -> None:
    """Its log goes with it. All of it is locked first: what somebody wrote meanwhile would belong to nothing."""
    with transaction.atomic():
        Endpoint.objects.select_for_update().filter(pk=endpoint.pk).first()
        list(Delivery.objects.select_for_update().filter(endpoint=endpoint).order_by("pk").values_list("pk"))
        endpoint.delete()


def _judged(url: str) -> str:
    return guard.check(url, settings.FETCH_ALLOW).url


def _known(types: Iterable[str]) -> list[str]:
    """Each once, in the order of `EventType`."""
    asked = set(types)
    if unknown := asked.difference(EventType.values):
        raise PhotoError("invalid_request", reason=f"There is no event type {sorted(unknown)[0]!r}")
    if not asked:
        raise PhotoError("invalid_request", reason="A webhook needs an event type")
    return [one for one in EventType.values if one in asked]


def _switch(endpoint: Endpoint, where: Q, **values: datetime | None) -> None:
    if not Endpoint.objects.filter(where, pk=endpoint.pk).update(**values):
        raise PhotoError("nothing_to_do", reason=f"The webhook is {SAID[state_of(endpoint)]} already")
    endpoint.refresh_from_db()


# ---- how it stands -------------------------------------------------------------------------------------------------


class State(TextChoices):
    ON = "on"
    PAUSED = "paused"
    GONE = "gone"


SAID = {State.ON: "on", State.PAUSED: "paused", State.GONE: "off, as it answered 410"}


def state_of(endpoint: Endpoint) -> State:
    if endpoint.gone_at:
        return State.GONE
    return State.PAUSED if endpoint.paused_at else State.ON


def standing(rows: "QuerySet[Endpoint]") -> "QuerySet[Endpoint]":
    """Each with `last_at` and `last_answer` of its last try, and `failing_since`: when the first try since the last
    that was heard went wrong. Each asks an index, as a log may be long."""
    told = Delivery.objects.filter(endpoint=OuterRef("pk"), delivered_at__isnull=False).order_by("-delivered_at")
    of_heard = Attempt.objects.filter(delivery=OuterRef("heard")).order_by("-pk")
    wrong = Attempt.objects.filter(
        delivery__endpoint=OuterRef("pk"), delivery__delivered_at=None, at__gt=OuterRef("heard_at")
    )
    last = Attempt.objects.filter(pk=OuterRef("last_try"))
    return rows.annotate(
        heard=Subquery(told.values("pk")[:1]),
        heard_at=Coalesce(Subquery(told.values("delivered_at")[:1]), F("created_at")),
        failing_since=Subquery(wrong.order_by("at").values("at")[:1]),
        last_try=Coalesce(Subquery(wrong.order_by("-pk").values("pk")[:1]), Subquery(of_heard.values("pk")[:1])),
        last_at=Subquery(last.values("at")),
        last_answer=Subquery(last.values("delivery__answer")),
    )


# ---- what it was told ----------------------------------------------------------------------------------------------


class Outcome(TextChoices):
    """Of a delivery; derived, never stored."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


_IS = {
    Outcome.WAITING: Q(delivered_at=None, given_up_at=None),
    Outcome.DELIVERED: Q(delivered_at__isnull=False),
    Outcome.FAILED: Q(given_up_at__isnull=False),
}


def outcome(delivery: Delivery) -> Outcome:
    if delivery.delivered_at:
        return Outcome.DELIVERED
    return Outcome.FAILED if delivery.given_up_at else Outcome.WAITING


def address(delivery: Delivery) -> str:
    """Where it goes."""
    to = delivery.endpoint or delivery.callback
    return to.url if to else ""  # the database wants one of them


def deliveries(rows: "QuerySet[Delivery]", state: str = "") -> "QuerySet[Delivery]":
    """Newest first, in this state where one is named, with what a log shows of each."""
    found = rows.filter(_IS[Outcome(state)]) if state in Outcome.values else rows
    return found.select_related("event__job", "endpoint", "callback").order_by("-pk")


def send_test(endpoint: Endpoint) -> Delivery:
    """An example, soon. Raises PhotoError `nothing_to_do` where the webhook is off."""
    _need_on(endpoint)
    return outbox.example(endpoint)


def replay(delivery: Delivery) -> None:
    """Told anew, soon: the same id and body, and all tries again. Raises PhotoError `nothing_to_do` where it is off."""
    if delivery.endpoint:
        _need_on(delivery.endpoint)
    deliver.again(Delivery.objects.filter(pk=delivery.pk))
    delivery.refresh_from_db()


def held_up(endpoint: Endpoint) -> "QuerySet[Delivery]":
    """Those that wait for a later try."""
    return Delivery.objects.filter(_held_up(), endpoint=endpoint)


def failed_since(endpoint: Endpoint, since: datetime) -> "QuerySet[Delivery]":
    """Those that failed for good or wait for a later try, of what happened since."""
    untold = _IS[Outcome.FAILED] | _held_up()
    return Delivery.objects.filter(untold, endpoint=endpoint, event__created_at__gte=since)


def _held_up() -> Q:
    """One that failed shares the next try with those behind it, which were not tried yet."""
    return _IS[Outcome.WAITING] & (Q(attempts__gt=0) | Q(not_before__gt=timezone.now()))


def replay_failed(endpoint: Endpoint, since: datetime) -> int:
    """How many of `failed_since` are told anew. Raises PhotoError `nothing_to_do` where there is none, or the webhook
    is off."""
    return _told_anew(endpoint, failed_since(endpoint, since), "Nothing failed since then")


def send_now(endpoint: Endpoint) -> int:
    """How many of those that are `held_up` are told anew. Raises PhotoError `nothing_to_do` as `replay_failed` does."""
    return _told_anew(endpoint, held_up(endpoint), "Nothing waits")


def _told_anew(endpoint: Endpoint, rows: "QuerySet[Delivery]", none: str) -> int:
    _need_on(endpoint)
    count = deliver.again(rows)
    if not count:
        raise PhotoError("nothing_to_do", reason=none)
    return count


def _need_on(endpoint: Endpoint) -> None:
    if (state := state_of(endpoint)) != State.ON:
        raise PhotoError("nothing_to_do", reason=f"The webhook is {SAID[state]}: switch it on first")
