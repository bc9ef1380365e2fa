"""What waits for a dependency that does not answer (`breaker`): it loses no attempt."""

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from processing import announce, breaker, catalogue, queue
from processing.errors import PhotoError
from processing.ledger import record
from processing.ledger.rows import NO_CLAIM, NO_ERROR, NO_STEP, Claim, change, error_values, watched
from processing.models import Job, Status, Upload
from processing.models.jobs import is_due

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
    ended_well = {breaker.STORAGE} if claim.source or not error else set()
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
    rows = Upload.objects.filter(_needs(name), status__in=[Status.NEW, Status.QUEUED], claim=None, waits_for="")
    rows = rows.exclude(pk__in=but)
    if not rows.exists():
        return 0
    with watched(rows):
        return change(rows, **_waits_for(name))


def _needs(name: str) -> Q:
    """Of uploads that wait, for all but a host of webhooks. No joins, as the rows are changed in one UPDATE."""
    kind, _, what = name.partition(":")
    if kind == breaker.STORAGE:
        return Q()
    if kind == breaker.FETCH:
        return Q(status=Status.NEW, host=what)
    uses = Q(recipe__crop_face=True) if what == catalogue.FACES.name else Q(recipe__remove_bg=True, recipe__model=what)
    of_job = Q(Exists(Job.objects.filter(uses, pk=OuterRef("job_id"))), recipe__isnull=True)
    return Q(uses | of_job, status=Status.QUEUED)


def parked_for() -> set[str]:
    """The breakers for which something waits."""
    return set(_parked().order_by().values_list("waits_for", flat=True).distinct())


def next_parked(name: str) -> int | None:
    """The one that has waited longest for this breaker, of those that may be claimed at once."""
    rows = _parked(name).filter(is_due(), job__deleted_at=None)
    return rows.order_by("changed_at", "pk").values_list("pk", flat=True).first()


def release(name: str, only: int | None = None) -> int:
    """What waits for the breaker, or only this one, may be claimed again. Gives the number."""
    rows = _parked(name) if only is None else _parked(name).filter(pk=only)
    with watched(rows):
        return change(rows, waits_for="", **NO_ERROR)


def _parked(name: str = "") -> "QuerySet[Upload]":
    return Upload.objects.filter(waits_for=name) if name else Upload.objects.exclude(waits_for="")


def _waits_for(name: str) -> dict[str, object]:
    error = PhotoError("breaker_open", name=breaker.label(name), remedy="The photo waits for it and loses no try.")
    return {**NO_CLAIM, **NO_STEP, **error_values(error), "waits_for": name}
