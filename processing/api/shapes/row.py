"""A row of a product CSV as the API tells it."""

from collections.abc import Iterable
from typing import Any, Literal

from django.db.models import prefetch_related_objects
from ninja import Schema
from pydantic import ConfigDict, Field

from processing.models import ProductRow

ROW: dict[str, Any] = {
    "row_id": 41, "job_id": 3, "line": 2, "serial": "1", "name": "Shoe", "image_urls": ["https://example.com/shoe.jpg"],
    "state": "completed", "problem": None, "left_out": False, "mended": False, "carried": False, "upload_ids": [17],
}  # fmt: skip
PROBLEM: dict[str, Any] = {"code": "csv_bad_row", "column": "urls", "message": "This row has no address."}


class Span(Schema):
    """Seconds, at least and at most."""

    least: float
    most: float


class Problem(Schema):
    """Why a row cannot run; `column` is serial, name or urls, and empty where it is the whole row."""

    model_config = ConfigDict(json_schema_extra={"examples": [PROBLEM]})

    code: str
    column: Literal["serial", "name", "urls", ""]
    message: str


class RowOut(Schema):
    """One data line of the file."""

    model_config = ConfigDict(json_schema_extra={"examples": [ROW]})

    row_id: int
    job_id: int
    line: int = Field(description="The line of the file in which it begins, from 1.")
    serial: str
    name: str
    image_urls: list[str]
    state: Literal["queued", "processing", "completed", "failed", "cancelled"] = Field(
        description="queued also before Start, where the row can run; cancelled where it is left out."
    )
    problem: Problem | None
    left_out: bool
    mended: bool
    carried: bool = Field(description="An earlier run completed it.")
    upload_ids: list[int] = Field(description="Its photos, in order.")


def many(rows: Iterable[ProductRow]) -> list[RowOut]:
    """The shapes of these, which come `product_rows.with_state`, in as many queries for a hundred as for one."""
    rows = list(rows)
    prefetch_related_objects(rows, "row_photos")
    return [_of(row) for row in rows]


def _of(row: ProductRow) -> RowOut:
    photos = sorted(row.row_photos.all(), key=lambda one: one.position)
    return RowOut(
        row_id=row.pk, job_id=row.job_id, line=row.line, serial=row.serial, name=row.name, image_urls=row.urls,
        state=row.state, problem=_problem(row), left_out=row.is_left_out,  # type: ignore[attr-defined]
        mended=row.mended is not None, carried=row.carried is not None, upload_ids=[one.upload_id for one in photos],
    )  # fmt: skip


def _problem(row: ProductRow) -> Problem | None:
    if not row.problem_code:
        return None
    column = row.problem_column
    return Problem(code=row.problem_code, column=column, message=row.problem)  # type: ignore[arg-type]
