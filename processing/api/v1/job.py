"""One job: how far it is, and what can be done with it as a whole."""

from typing import Any, Literal

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import ConfigDict, Field

from processing import access, history
from processing.api import acts, auth, body
from processing.api.problems import Invalid, pointer
from processing.api.shapes import job as shape

router = Router(tags=["jobs"])


@router.get(
    "jobs/{int:job_id}", auth=auth.READ, url_name="v1-job", operation_id="get_job", summary="One job",
    response=shape.WholeJob,
)  # fmt: skip
def one(request: HttpRequest, job_id: int) -> Any:
    """How far it is, and what was refused."""
    return shown(request, job_id)


def shown(request: HttpRequest, job_id: int) -> shape.WholeJob:
    """The job as it is now. Raises Http404."""
    return shape.whole(access.job(auth.who(request), job_id))


# ---- what is done with it -------------------------------------------------------------------------------------------


class Rename(Schema):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "Spring, once more"}]})

    name: str = Field(max_length=history.LONGEST)


@router.patch(
    "jobs/{int:job_id}", auth=auth.WRITE, url_name="v1-job", operation_id="rename_job", summary="Rename a job",
    response=shape.JobOut, openapi_extra=body.described(Rename),
)  # fmt: skip
def rename(request: HttpRequest, job_id: int) -> Any:
    """The name is one line."""
    job = access.job(auth.who(request), job_id, to="change")
    sent, _ = body.read(request, Rename)
    if not history.rename(job, sent.name):
        raise Invalid([{"detail": "A job needs a name.", "pointer": pointer(["name"])}])
    return shown(request, job_id)


class Cancelled(Schema):
    model_config = ConfigDict(json_schema_extra={"examples": [{"cancelled": 12}]})

    cancelled: int


@router.post(
    "jobs/{int:job_id}/cancel", auth=auth.WRITE, url_name="v1-job-cancel", operation_id="cancel_job",
    summary="Cancel what has not ended", response=Cancelled,
)  # fmt: skip
def cancel(request: HttpRequest, job_id: int) -> Any:
    """How many photos were; 409 where all have ended."""
    return {"cancelled": acts.CANCEL.on(access.job(auth.who(request), job_id, to="cancel").uploads.all())}


class Retry(Schema):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"status": "failed"}]})

    status: Literal["failed", "cancelled"] | None = Field(None, description="Those alone.")


class Retried(Schema):
    model_config = ConfigDict(json_schema_extra={"examples": [{"retried": 3}]})

    retried: int


@router.post(
    "jobs/{int:job_id}/retry", auth=auth.WRITE, url_name="v1-job-retry", operation_id="retry_job",
    summary="Try again what failed or was cancelled", response=Retried, openapi_extra=body.described(Retry),
)  # fmt: skip
def retry(request: HttpRequest, job_id: int) -> Any:
    """How many photos are queued again; 409 where there is none."""
    rows = access.job(auth.who(request), job_id, to="retry").uploads.all()
    sent, _ = body.read(request, Retry)
    return {"retried": acts.RETRY.on(rows.filter(status=sent.status) if sent.status else rows)}


@router.delete(
    "jobs/{int:job_id}", auth=auth.WRITE, url_name="v1-job", operation_id="delete_job", summary="Delete a job",
    response={204: None},
)  # fmt: skip
def delete(request: HttpRequest, job_id: int) -> Any:
    """It can be brought back for ten minutes; then it is gone with all of its files."""
    history.delete(access.job(auth.who(request), job_id, to="delete"))
    return Status(204, None)


@router.post(
    "jobs/{int:job_id}/restore", auth=auth.WRITE, url_name="v1-job-restore", operation_id="restore_job",
    summary="Bring a deleted job back", response=shape.JobOut,
)  # fmt: skip
def restore(request: HttpRequest, job_id: int) -> Any:
    """Within ten minutes; then it is gone."""
    history.restore(access.deleted_job(auth.who(request), job_id))
    return shown(request, job_id)
