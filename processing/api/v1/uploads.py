"""Photos one by one: sent, looked at, fetched, judged."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from processing import access
from processing.api import auth
from processing.api.shapes import upload as shape

router = Router(tags=["uploads"])


@router.get(
    "uploads/{int:upload_id}", auth=auth.READ, url_name="v1-upload", operation_id="get_upload", summary="One photo",
    response=shape.UploadOut,
)  # fmt: skip
def one(request: HttpRequest, upload_id: int) -> Any:
    """Its state, its files, its error."""
    return shape.of(access.upload(auth.who(request), upload_id))
