"""What waits for a dependency that does not answer (`breaker`): it loses no attempt."""

import random
from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from processing import announce, breaker, catalogue, pauses, queue
from processing.errors import PhotoError
from processing.ledger import record
from processing.ledger.rows import NO_CLAIM, NO_ERROR, NO_STEP, Claim, change, end_failed, error_values, watched
from processing.models import Breaker, Job, Status, Upload
from processing.models.jobs import ASKED_AT, is_due

TO_FETCH = Q(status=Status.NEW) & ~Q(url="")
AT_ONCE = 500  # photos that are given up in one go
FOR_EVER = 100 * 365 * 24  # hours

OF_STORAGE = ("storage_unavailable", "storage_full")
OF_MODELS = ("model_failed", "model_not_installed")
OF_HOSTS = ("fetch_timeout", "failed_image_download")  # where the same once more can help; else the host has answered


def blamed(claim: Claim, error: PhotoError) -> str:
    """The breaker of what failed the attempt; empty where the photo itself did."""
    if error.code in OF_STORAGE:
        return breaker.STORAGE
    if error.code in OF_MODELS:
        return breaker.model(str(error.values["model"]))
    return breaker.fetch(claim.host) if error.code in OF_HOSTS and error.transient else ""


def answered(claim: Claim, error: PhotoError | None = None) -> set[str]:
    """The breakers of what has answered an attempt, as far as the way that it ended tells."""
    ended_well = {breaker.STORAGE} if claim.source or claim.bucket_key or not error else set()
    if not claim.source:
        return ended_well | ({breaker.fetch(claim.host)} if claim.host else set())
    return ended_well | (set() if error else {breaker.model(name) for name in _models(claim)})


def _models(claim: Claim) -> list[str]:
    recipe = claim.recipe
    faces = [catalogue.FACES.name] if recipe.get("crop_face") else []
    return [recipe["model"], *faces] if recipe.get("remove_bg") else faces


def park(claim: Claim, name: str) -> None:
    """new, processing → waits for the breaker, without counting the attempt."""
    rows = claim.row.filter(status__in=[Status.NEW, Status.PROCESSING])
    if change(rows, status=claim.back, attempts=F("attempts") - 1, not_before=None, **_waits_for(name)):
        announce.upload_changed(claim.job_id, claim.upload_id)
        queue.push()
        record.tried(claim, "parked", waits_for=name)


def park_waiting(name: str, but: set[int]) -> int:
    """All that wait to be claimed and need this wait for its breaker from now on, but for these. Gives the number."""
    rows = _to_be_claimed(but).filter(_needs(name))
    with watched(rows) as rows:
        return change(rows, **_waits_for(name))


def to_park(names: Collection[str], but: set[int]) -> list[str]:
    """Those of these open breakers that something needs which waits to be claimed. All hosts are asked for at once."""
    rows = _to_be_claimed(but)
    others = [name for name in names if not name.startswith(breaker.FETCH)]
    found = [name for name in others if rows.filter(_needs(name)).exists()]
    if len(others) == len(names):
        return found
    hosts = rows.filter(TO_FETCH).order_by().values_list("host", flat=True).distinct()
    needed = set(map(breaker.fetch, hosts))
    return found + [name for name in names if name in needed]


def _to_be_claimed(but: set[int]) -> "QuerySet[Upload]":
    rows = Upload.objects.filter(status__in=[Status.NEW, Status.QUEUED], claim=None, waits_for="")
    return rows.exclude(pk__in=but)


def _needs(name: str) -> Q:
    """Of uploads that wait, for all but a host of webhooks. No joins, as the rows are changed in one UPDATE."""
    kind, _, what = name.partition(":")
    if kind == breaker.STORAGE:
        return Q()
    if kind == breaker.FETCH:
        return TO_FETCH & Q(host=what)
    uses = Q(recipe__crop_face=True) if what == catalogue.FACES.name else Q(recipe__remove_bg=True, recipe__model=what)
    of_job = Q(Exists(Job.objects.filter(uses, pk=OuterRef("job_id"))), recipe__isnull=True)
    return Q(uses | of_job, status=Status.QUEUED)


def parked_for() -> set[str]:
    """The breakers for which something waits."""
    return set(_parked().order_by().values_list("waits_for", flat=True).distinct())


def next_parked(name: str) -> int | None:
    """One that may be claimed at once: of whichever person, so that nobody's many keep another's from being tried, the
    one that has waited longest for this breaker."""
    rows = _parked(name).filter(is_due(), ~pauses.held(), job__deleted_at=None)
    owners = list(rows.order_by().values_list("job__owner", flat=True).distinct())
    if not owners:
        return None
    of_one = rows.filter(job__owner=random.choice(owners))
    return of_one.order_by("changed_at", "pk").values_list("pk", flat=True).first()


def release(name: str, only: int | None = None) -> int:
    """What waits for the breaker, or only this one, may be claimed again. Gives the number."""
    rows = _parked(name) if only is None else _parked(name).filter(pk=only)
    with watched(rows) as rows:
        return change(rows, waits_for="", **NO_ERROR)


def give_up() -> int:
    """What has waited long enough for a host or a model that never answered fails, so that its job ends; for storage,
    and for what an operator tripped, it waits for as long as that takes. Gives the number of rows."""
    before = _long_ago()
    silent = Breaker.objects.filter(opened_at__lt=before, probe_at__isnull=False).exclude(name=breaker.STORAGE)
    late = Upload.objects.alias(asked_at=ASKED_AT).filter(asked_at__lt=before, waits_for__in=silent.values("name"))
    given_up = 0
    for upload in late.select_related("job").defer("facts")[:AT_ONCE]:
        error = PhotoError("breaker_open", name=breaker.label(upload.waits_for), remedy="Retry it when it answers.")
        row = Upload.objects.filter(pk=upload.pk, claim=None, waits_for=upload.waits_for)
        if end_failed(row, upload.job_id, upload.pk, error):
            announce.upload_changed(upload.job_id, upload.pk)
            record.given_up(upload, error)
            given_up += 1
    return given_up


def waited_long_enough(asked_at: datetime) -> bool:
    """Whether a photo that was asked for then is to fail by what does not answer."""
    return asked_at < _long_ago()


def _long_ago() -> datetime:
    return timezone.now() - timedelta(hours=settings.BREAKER_HOURS or FOR_EVER)


def _parked(name: str = "") -> "QuerySet[Upload]":
    return Upload.objects.filter(waits_for=name) if name else Upload.objects.exclude(waits_for="")


def _waits_for(name: str) -> dict[str, object]:
    error = PhotoError("breaker_open", name=breaker.label(name), remedy="The photo waits for it and loses no try.")
    return {**NO_CLAIM, **NO_STEP, **error_values(error), "waits_for": name}
