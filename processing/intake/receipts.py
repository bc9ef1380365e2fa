"""The same request sent twice creates once: a double click, a resend, the back button, two that race.

The first one writes its answer into its receipt in the very transaction that makes the rows. `created_at` is its
token: one that was thought dead and taken over finds another time there, and takes everything back.
"""

import hashlib
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from processing.errors import PhotoError
from processing.intake.answer import Answer
from processing.models import Job, Receipt

PATIENCE = 10  # seconds that the second waits for the first one's answer
DEAD_AFTER = timedelta(seconds=60)  # without an answer
LONGEST = 100

T = TypeVar("T")
Keep = Callable[[Answer], None]
_Keep = Callable[[dict[str, Any], Job | None], None]


class TakenOverError(Exception):
    """Another request took this one's key over, as this one seemed dead."""


def once(owner: User, key: str, work: Callable[[Keep], Answer], fingerprint: str = "") -> Answer:
    """What `work` answers, or what it answered to the same key before; without a key, always anew.

    `work` gets a function that keeps its answer, to be called inside its transaction. When it raises, the key is free.

    A `fingerprint` of what is asked is compared, and its sender hears at once that the first one still runs; without
    one, that is waited for. Raises PhotoError `request_in_progress`, `idempotency_key_reused`.
    """
    if not key:
        return work(lambda answer: None)

    def worked(keep: _Keep) -> Answer:
        return work(lambda answer: keep(answer.to_json(), answer.job))

    return _once(owner, key, fingerprint, worked, lambda receipt: Answer.from_json(receipt.job, receipt.answer or {}))


def json_once(owner: User, work: Callable[[], dict[str, Any]], *, key: str, fingerprint: str) -> dict[str, Any]:
    """The same for what is no job. What `work` does and its receipt are one transaction."""

    def worked(keep: _Keep) -> dict[str, Any]:
        with transaction.atomic():
            made = work()
            keep(made, None)
        return made

    return _once(owner, key, fingerprint, worked, lambda receipt: receipt.answer or {})


def _once(
    owner: User, key: str, fingerprint: str, work: Callable[[_Keep], T], again: Callable[[Receipt], T]
) -> T:  # fmt: skip
    key = key if len(key) <= LONGEST and key.isprintable() else hashlib.sha256(key.encode()).hexdigest()
    until = time.monotonic() + (0 if fingerprint else PATIENCE)
    while True:
        if receipt := _take(owner, key, fingerprint):
            try:
                return _work(receipt, work)
            except TakenOverError:
                continue
        first = Receipt.objects.filter(owner=owner, key=key).select_related("job").first()
        if first and first.fingerprint != fingerprint:
            raise PhotoError("idempotency_key_reused")
        if first and first.answer is not None:
            return again(first)
        if time.monotonic() > until:
            raise PhotoError("request_in_progress")
        time.sleep(0.1)


def _take(owner: User, key: str, fingerprint: str) -> Receipt | None:
    """The receipt, if it is ours to fill: new, or left empty by a request that died."""
    now = timezone.now()
    new = {"created_at": now, "fingerprint": fingerprint}
    receipt, is_new = Receipt.objects.get_or_create(owner=owner, key=key, defaults=new)
    if is_new:
        return receipt
    left = Receipt.objects.filter(pk=receipt.pk, answer__isnull=True, created_at__lt=now - DEAD_AFTER)
    if not left.update(**new):
        return None
    receipt.created_at = now
    return receipt


def _work(receipt: Receipt, work: Callable[[_Keep], T]) -> T:
    ours = Receipt.objects.filter(pk=receipt.pk, created_at=receipt.created_at)

    def keep(answer: dict[str, Any], job: Job | None) -> None:
        if not ours.update(job=job, answer=answer):
            raise TakenOverError

    try:
        return work(keep)
    except BaseException:
        ours.filter(answer__isnull=True).delete()
        raise
