"""The rows of a product CSV: how each stands, what is wrong with it, and how it is mended."""

from dataclasses import asdict
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import ConfigDict, Field, model_validator

from processing import access, product_rows
from processing.api import acts, auth, body, pages
from processing.api.shapes import row as shape
from processing.api.v1.job import Retried
from processing.intake import mending, products
from processing.intake.product_csv import MAX_CELL
from processing.models import ProductRow, Upload

router = Router(tags=["products"])


class WantedRows(pages.Asked):
    """Which rows are listed."""

    state: Literal["queued", "processing", "completed", "failed", "cancelled"] | None = None


@router.get(
    "jobs/{int:job_id}/rows", auth=auth.READ, url_name="v1-job-rows", operation_id="list_rows", summary="List rows",
    response=pages.Page[shape.RowOut],
)  # fmt: skip
def listed(request: HttpRequest, job_id: int, asked: Query[WantedRows]) -> Any:
    """Of a product CSV, in the order of the file."""
    rows = product_rows.with_state(access.product_job(auth.who(request), job_id).rows.all())
    if asked.state:
        rows = rows.filter(state=asked.state)  # type: ignore[misc]
    return pages.page(request, asked, rows, "position", shape.many)


class Numbers(Schema):
    """What Start would do. Rows are `ready`, or have `problems`, or were `carried` over as an earlier run completed
    them, or `left_out`; `seconds` is how long it takes, at least and at most."""

    model_config = ConfigDict(json_schema_extra={"examples": [{
        "rows": 7, "ready": 5, "problems": 1, "carried": 0, "left_out": 1, "skipped": 0, "photos": 8, "repeated": 1,
        "saved": 1, "hosts": 2, "seconds": {"least": 2.1, "most": 6.4},
    }]})  # fmt: skip

    rows: int
    ready: int
    problems: int
    carried: int
    left_out: int
    skipped: int = Field(description="Lines without anything in them.")
    photos: int = Field(description="Different addresses.")
    repeated: int = Field(description="Of these, those that stand in more than one place …")
    saved: int = Field(description="… in so many places more.")
    hosts: int
    seconds: shape.Span | None


@router.get(
    "jobs/{int:job_id}/preflight", auth=auth.READ, url_name="v1-job-preflight", operation_id="preflight_job",
    summary="What Start would do", response=Numbers,
)  # fmt: skip
def preflight(request: HttpRequest, job_id: int) -> Any:
    """Of a product CSV, in numbers."""
    found = products.preflight(access.product_job(auth.who(request), job_id))
    return asdict(found) | {"seconds": found.seconds and dict(zip(("least", "most"), found.seconds, strict=True))}


# ---- what is done with one ------------------------------------------------------------------------------------------


class Change(Schema):
    """Either another text for one cell, or whether the row is left out."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"column": "urls", "text": "https://example.com/shoe.jpg"}]}
    )

    column: mending.Column | None = None
    text: str | None = Field(None, max_length=MAX_CELL)
    left_out: bool | None = None

    @model_validator(mode="after")
    def _check_one(self) -> "Change":
        mends, leaves = self.column is not None and self.text is not None, self.left_out is not None
        if mends == leaves or (self.column is None) != (self.text is None):
            raise ValueError("Send column and text, or left_out.")
        return self


@router.patch(
    "rows/{int:row_id}", auth=auth.WRITE, url_name="v1-row", operation_id="change_row", summary="Mend a row",
    response=shape.RowOut, openapi_extra=body.described(Change),
)  # fmt: skip
def change(request: HttpRequest, row_id: int) -> Any:
    """The row as it stands then, maybe with another problem. Leaving out is for a CSV that was not started."""
    row = access.product_row(auth.who(request), row_id, to="change")
    sent, _ = body.read(request, Change)
    if sent.column is not None and sent.text is not None:
        products.mend(row, sent.column, sent.text)
    else:
        products.leave_out(ProductRow.objects.filter(pk=row.pk), bool(sent.left_out))
    return _shown(row)


@router.post(
    "rows/{int:row_id}/undo", auth=auth.WRITE, url_name="v1-row-undo", operation_id="undo_row",
    summary="The row as it came", response=shape.RowOut,
)  # fmt: skip
def undo(request: HttpRequest, row_id: int) -> Any:
    """Not mended, and not left out; for a CSV that was not started."""
    row = access.product_row(auth.who(request), row_id, to="change")
    products.undo(row)
    return _shown(row)


@router.post(
    "rows/{int:row_id}/retry", auth=auth.WRITE, url_name="v1-row-retry", operation_id="retry_row",
    summary="Try a row's photos again", response=Retried,
)  # fmt: skip
def retry(request: HttpRequest, row_id: int) -> Any:
    """How many photos are queued again; 409 where none failed or was cancelled."""
    row = access.product_row(auth.who(request), row_id, to="retry")
    return {"retried": acts.RETRY.on(Upload.objects.filter(row_photos__row=row))}


def _shown(row: ProductRow) -> shape.RowOut:
    return shape.many(product_rows.with_state(ProductRow.objects.filter(pk=row.pk)))[0]
