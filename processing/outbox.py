"""The outbox of webhooks: what has happened is written in the transaction that makes it true, and delivered later.

Both facts of a photo that is completed and to be looked at are told, so it has two events. What is told of a deleted
job is what ended while it could still be brought back. When it is removed for good its callback goes with it, told or
not; endpoints are told all the same.
"""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from processing import progress, public, queue
from processing.models import Callback, Delivery, Endpoint, Event, EventType, Job, Status, Upload, Variant
from processing.models.jobs import ACTIVE
from processing.progress import Progress


def hold(job_id: int) -> Job | None:
    """The job, locked, where somebody is to be told of it; None where nobody is, which costs one query.

    Must be asked in the transaction and before any of its uploads is changed: so of two that end the last two
    uploads, the second sees what the first did, and neither waits for somebody who holds the job and wants the upload.
    """
    return next(iter(hold_all([job_id])), None)


def hold_all(job_ids: Iterable[int]) -> list[Job]:
    """Those of these jobs of which somebody is to be told, locked in one query, as `hold` does one."""
    return list(_heard().filter(pk__in=job_ids))


@cache  # it is asked for each photo, and Django takes longer to write it than a database to answer it
def _heard() -> "QuerySet[Job]":
    """The jobs of which somebody is to be told."""
    listening = Exists(Endpoint.objects.filter(owner=OuterRef("owner"), gone_at=None))
    called_back = Exists(Callback.objects.filter(job=OuterRef("pk"), deliveries=None))
    return Job.objects.filter(listening | called_back).order_by("pk").select_for_update(no_key=True)


def upload(job: Job | None, upload_id: int, type: EventType) -> None:
    """This is true of an upload of the job, which is held."""
    if job is None or not (endpoints := _endpoints(job, type)):
        return
    row = Upload.objects.get(pk=upload_id)
    result = Variant.objects.filter(upload=row, name="result", status=Variant.Status.COMPLETED).first()
    _write(job, type, _body(type, public.upload(row, result)), endpoints)


def ended(job: Job | None) -> None:
    """An upload of the job has ended, or the job was closed: where nothing of it is left to do, that is told."""
    if job and _has_ended(job):
        _tell_end(job, to_endpoints=True)


def ended_before(job: Job | None) -> None:
    """The job has a callback that was not told yet: where it has ended already, that alone is told."""
    if job and _has_ended(job):
        _tell_end(job, to_endpoints=False)


def _has_ended(job: Job) -> bool:
    return not (job.is_open or job.is_draft or job.uploads.filter(status__in=ACTIVE).exists())


def _tell_end(job: Job, *, to_endpoints: bool) -> None:
    far = progress.of(job)
    type = EventType(f"job.{far.status}")
    endpoints = _endpoints(job, type) if to_endpoints else []
    callback = Callback.objects.filter(job=job, deliveries=None).first()
    if callback and callback.shape == Callback.Shape.PRODUCT_CSV:
        said = "Completed" if type == EventType.JOB_COMPLETED else "Failed"
        _write(job, type, {"request_id": job.pk, "status": said}, [], callback)
        callback = None
    if endpoints or callback:
        _write(job, type, _body(type, public.job(job, far)), endpoints, callback)


def example(endpoint: Endpoint) -> Delivery:
    """One event that did not happen, to try an endpoint with; its data say `"test": true`."""
    type = EventType(next(iter(endpoint.types), EventType.JOB_COMPLETED))
    noun, _, status = type.value.partition(".")
    if noun == "job":
        data = public.job(Job(pk=0, name="Example"), Progress(dict.fromkeys(Status.values, 0) | {status: 1}))
    else:
        shown = Status.FAILED if type == EventType.UPLOAD_FAILED else Status.COMPLETED
        data = public.upload(Upload(pk=0, job_id=0, name="example.jpg", status=shown), None)
    with transaction.atomic():
        event = Event.objects.create(
            owner_id=endpoint.owner_id, type=type, body=json.dumps(_body(type, {"test": True, **data}))
        )
        queue.push()
        return Delivery.objects.create(event=event, endpoint=endpoint)


def _endpoints(job: Job, type: EventType) -> list[int]:
    """Those that are told of it, locked, so that none is removed before it is written. One that its owner paused is
    told later, one that is gone never."""
    rows = Endpoint.objects.filter(owner=job.owner_id, gone_at=None).order_by("pk").select_for_update(no_key=True)
    return [pk for pk, types in rows.values_list("pk", "types") if type in types]


def _write(
    job: Job, type: EventType, body: Mapping[str, Any], endpoints: Iterable[int], callback: Callback | None = None
) -> None:
    event = Event.objects.create(owner_id=job.owner_id, job=job, type=type, body=json.dumps(body))
    deliveries = [Delivery(event=event, endpoint_id=pk) for pk in endpoints]
    if callback:
        deliveries.append(Delivery(event=event, callback=callback))
    Delivery.objects.bulk_create(deliveries)
    queue.push()


def _body(type: EventType, data: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": type, "timestamp": timezone.now().isoformat(), "data": data}
