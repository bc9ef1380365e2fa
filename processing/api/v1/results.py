"""What came of a job: all results as a ZIP, a product CSV with their addresses, and the links that it holds."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from ninja import Query, Router, Schema, Status
from pydantic import ConfigDict, Field

from processing import access
from processing.api import auth, body, once
from processing.api.body import SAFE
from processing.api.shapes.asked import Id
from processing.delivery import archive, links, product_csv
from processing.models import OutputLinks

router = Router(tags=["jobs"])

LINKS: dict[str, Any] = {
    "id": 5,
    "created_at": "2025-03-04T10:15:00Z",
    "expires_at": None,
    "revoked_at": None,
    "active": True,
}


class Chosen(Schema):
    """Which photos of the job."""

    upload: list[Id] = Field([], description="May come several times; without one, all.")


@router.api_operation(
    SAFE, "jobs/{int:job_id}/results.zip", auth=auth.READ, url_name="v1-job-zip", operation_id="get_zip_of_job",
    summary="All results as a ZIP", openapi_extra=body.file_of("application/zip"),
)  # fmt: skip
def as_zip(request: HttpRequest, job_id: int, asked: Query[Chosen]) -> HttpResponseBase:
    """Those that are there by now, with a manifest.csv of every photo. A photo of another job is 404."""
    job = access.job(auth.who(request), job_id)
    return archive.response(request, archive.zip_of(job, archive.chosen(job, asked.upload)))


@router.api_operation(
    SAFE, "jobs/{int:job_id}/results.csv", auth=auth.READ, url_name="v1-job-csv", operation_id="get_csv_of_job",
    summary="A product CSV with its results", openapi_extra=body.file_of("text/csv"),
)  # fmt: skip
def as_csv(request: HttpRequest, job_id: int, details: bool = False) -> HttpResponseBase:
    """The lines that came, each with its Output Image Urls, as they stand; with `details` what became of each row."""
    job = access.product_job(auth.who(request), job_id)
    return product_csv.response(request, product_csv.csv_of(job, details=details))


@router.get(
    "jobs/{int:job_id}/recipe", auth=auth.READ, url_name="v1-job-recipe", operation_id="get_recipe_of_job",
    summary="The recipe of a job", response=dict[str, Any],
)  # fmt: skip
def recipe(request: HttpRequest, job_id: int) -> Any:
    """All of its fields: it can be sent with another job as it is."""
    return access.job(auth.who(request), job_id).recipe


# ---- output links ---------------------------------------------------------------------------------------------------


class LinksOut(Schema):
    """Leave to fetch a product CSV's results without a token, by the addresses in results.csv."""

    model_config = ConfigDict(json_schema_extra={"examples": [LINKS]})

    id: int
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    active: bool


def _shown(row: OutputLinks, active: OutputLinks | None) -> LinksOut:
    return LinksOut(
        id=row.pk, created_at=row.created_at, expires_at=row.expires_at, revoked_at=row.revoked_at, active=row == active
    )  # fmt: skip


@router.get(
    "jobs/{int:job_id}/links", auth=auth.READ, url_name="v1-job-links", operation_id="list_links_of_job",
    summary="Output links", response=list[LinksOut],
)  # fmt: skip
def listed(request: HttpRequest, job_id: int) -> Any:
    """Of a product CSV, the newest first, also those that were revoked."""
    job = access.product_job(auth.who(request), job_id)
    active = links.of(job)
    return [_shown(row, active) for row in job.output_links.order_by("-pk")]


class Nothing(Schema):
    """No fields."""

    model_config = ConfigDict(extra="forbid")


@router.post(
    "jobs/{int:job_id}/links", auth=auth.WRITE, url_name="v1-job-links", operation_id="make_links_of_job",
    summary="New output links", response={201: LinksOut}, openapi_extra=once.PARAMETER,
)  # fmt: skip
def make(request: HttpRequest, job_id: int) -> Any:
    """In place of those that work now: addresses in an earlier results.csv stop working."""
    job = access.product_job(auth.who(request), job_id, to="change")
    sent, _ = body.read(request, Nothing)

    def work() -> dict[str, Any]:
        made = links.renew(job)
        return _shown(made, made).model_dump(mode="json")

    return Status(201, once.answer(request, sent, work))


@router.delete(
    "jobs/{int:job_id}/links", auth=auth.WRITE, url_name="v1-job-links", operation_id="revoke_links_of_job",
    summary="Revoke the output links", response={204: None},
)  # fmt: skip
def revoke(request: HttpRequest, job_id: int) -> Any:
    """They stop working at once; others may keep a file that they fetched for an hour."""
    links.revoke_all(access.product_job(auth.who(request), job_id, to="change"))
    return Status(204, None)
