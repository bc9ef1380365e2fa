"""Is the house ready to work?"""

from typing import Any, Literal

from django.http import HttpRequest
from ninja import Router, Schema, Status

from processing import health

router = Router(tags=["health"])

Check = Literal["ok", "failed", "off"]
HEALTHY: dict[str, Any] = {
    "status": "healthy", "version": "0.2.0",
    "checks": {"api": "ok", "database": "ok", "redis": "ok", "storage": "ok", "workers": "ok", "models": "ok",
               "s3": "off"},
}  # fmt: skip


class Checks(Schema):
    api: Check
    database: Check
    redis: Check
    storage: Check
    s3: Check
    workers: Check
    models: Check


class Health(Schema):
    """Each check is ok, failed, or off where the house does without."""

    model_config = {"json_schema_extra": {"examples": [HEALTHY]}}

    status: Literal["healthy", "unhealthy"]
    checks: Checks
    version: str


@router.get(
    "health", auth=None, url_name="v1-health", operation_id="get_health", summary="Is it ready to work?",
    response={200: Health, 503: Health},
)  # fmt: skip
def ready(request: HttpRequest) -> Any:
    """503 where a check failed. Asks for no token."""
    return Status(*health.report())
