"""The same request sent twice creates once: a double click, a resend, the back button, two that race.

The first one writes its answer into its receipt in the very transaction that makes the rows. `created_at` is its
token: one that was thought dead and taken over finds another time there, and takes everything back.
"""

import hashlib
import time
from collections.abc import Callable
from datetime import timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from processing.errors import PhotoError
from processing.intake.answer import Answer
from processing.models import Receipt

PATIENCE = 10  # seconds that the second waits for the first one's answer
DEAD_AFTER = timedelta(seconds=60)  # without an answer
LONGEST = 100

Keep = Callable[[Answer], None]


class TakenOverError(Exception):
    """Another request took this one's key over, as this one seemed dead."""


def once(owner: User, key: str, work: Callable[[Keep], Answer]) -> Answer:
    """What `work` answers, or what it answered to the same key before; without a key, always anew.

    `work` gets a function that keeps its answer, to be called inside its transaction. When it raises, the key is free.
    Raises PhotoError `request_in_progress` when the first one takes longer than ten seconds.
    """
    if not key:
        return work(lambda answer: None)
    key = key if len(key) <= LONGEST and key.isprintable() else hashlib.sha256(key.encode()).hexdigest()
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if receipt := _take(owner, key):
            try:
                return _work(receipt, work)
            except TakenOverError:
                continue
        first = Receipt.objects.filter(owner=owner, key=key).select_related("job").first()
        if first and first.answer:
            return Answer.from_json(first.job, first.answer)
        time.sleep(0.1)
    raise PhotoError("request_in_progress")


def _take(owner: User, key: str) -> Receipt | None:
    """The receipt, if it is ours to fill: new, or left empty by a request that died."""
    now = timezone.now()
    receipt, is_new = Receipt.objects.get_or_create(owner=owner, key=key, defaults={"created_at": now})
    if is_new:
        return receipt
    left = Receipt.objects.filter(pk=receipt.pk, answer__isnull=True, created_at__lt=now - DEAD_AFTER)
    if not left.update(created_at=now):
        return None
    receipt.created_at = now
    return receipt


def _work(receipt: Receipt, work: Callable[[Keep], Answer]) -> Answer:
    ours = Receipt.objects.filter(pk=receipt.pk, created_at=receipt.created_at)

    def keep(answer: Answer) -> None:
        if not ours.update(job=answer.job, answer=answer.to_json()):
            raise TakenOverError

    try:
        return work(keep)
    except BaseException:
        ours.filter(answer__isnull=True).delete()
        raise
